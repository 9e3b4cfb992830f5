"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.ints cimport Ints, heappop
from ccsim.tcp.cwnd cimport in_flight
from ccsim.tcp.output cimport cwnd_validate, write_xmit, xmit_retransmit_queue
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.xmit_timer cimport arm

cdef int APP_LIMITED, EVER_RETRANS, LOST, OPEN, PACING_NONE, RECOVERY, RETRANS, SACKED
cdef int SEGS_NEVER_PACED, TCP_ECN_QUEUE_CWR, TIMER_LOSS_PROBE, TIMER_REO, TIMER_RTO
cdef long long NEVER, NS_PER_S

cpdef on_pacing_timer(TcpSock sk)
cpdef bint send_one(TcpSock sk)
cdef long long _gap_ns(TcpSock sk)
@cython.locals(waiting=Ints, seq=cython.longlong)
cdef long long _next_lost(TcpSock sk)
cdef _leave(TcpSock sk, long long seq, long long gap)
cdef _account_retransmission(TcpSock sk, long long seq)
cpdef bint send_paced(TcpSock sk, long long until_ns)
