"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.cwnd cimport in_flight
from ccsim.tcp.output cimport cwnd_validate, write_xmit, xmit_retransmit_queue
from ccsim.tcp.host cimport Host
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.pacing cimport departure_after, gap_ns
from ccsim.tcp.sock cimport TcpSock

cdef int APP_LIMITED, OPEN, PACING_NONE, TCP_ECN_QUEUE_CWR, TIMER_LOSS_PROBE
cdef long long NEVER

cpdef on_pacing_timer(TcpSock sk)
@cython.locals(host=Host)
cpdef bint send_paced(TcpSock sk, long long until_ns)
