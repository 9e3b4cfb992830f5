"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.sock cimport TcpSock

cdef int CWR, OPEN, TIMEOUT_MIN_US, TIMER_LOSS_PROBE, TIMER_NONE, TIMER_REO, TIMER_RTO

cpdef arm(TcpSock sk, long long kind, long long delay_jiffies, bint pace=*)
cpdef settle_timer(TcpSock sk)
cdef long long _rto_delta_us(TcpSock sk)
cpdef rearm_rto(TcpSock sk)
cpdef bint schedule_loss_probe(TcpSock sk, bint advancing_rto)
cpdef set_xmit_timer(TcpSock sk)
