"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.kernel.ops cimport AckSample, RateSample
from ccsim.tcp.cwnd cimport cwnd_reduction
from ccsim.tcp.hooks cimport Hooks, hooks_of
from ccsim.tcp.output cimport cwnd_validate, write_xmit, xmit_retransmit_queue
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.pacing cimport pacing_due, update_pacing_rate
from ccsim.tcp.rack cimport rack_mark_lost
from ccsim.tcp.rate cimport take_sample
from ccsim.tcp.rtt cimport update_rtt
from ccsim.tcp.sack_blocks cimport Blocks, EceBlocks, only_new
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.xmit_timer cimport rearm_rto

cdef int APP_LIMITED, EVER_RETRANS, LOST, LOST_RETRANS, ORIG_SACK_ACKED, PACING_NONE, RECOVERY
cdef int RETRANS, SACKED, SACKS_ONE, SET_XMIT_TIMER, SLOWPATH
cdef long long NO_ANSWER

@cython.locals(hooks=Hooks)
cpdef bint usual_sack(TcpSock sk, long long ack, Blocks blocks)
cdef long long _only_new(TcpSock sk, long long ack, Blocks blocks)
cdef long long _take_tag(TcpSock sk, long long seq)
cdef long long _after_retransmission(TcpSock sk, long long mark)
cdef _tell_pkts_acked(TcpSock sk)
cdef _send(TcpSock sk)
