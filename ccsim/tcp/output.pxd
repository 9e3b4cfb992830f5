"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.cwnd cimport cwnd_reduction, current_ssthresh, enter_loss, enter_recovery, in_flight
from ccsim.cc.pacing cimport gap_at
from ccsim.ints cimport Ints, heappop
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.pacing cimport departure_after, gap_ns, pacing_due
from ccsim.tcp.rack cimport mark_lost
from ccsim.tcp.rate cimport skb_sent
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.xmit_timer cimport arm, rearm_rto, schedule_loss_probe

cdef int APP_LIMITED, CWR, EVER_RETRANS, LOST, OPEN, PACING_NONE, RECOVERY, RETRANS, SACKED, \
    SEGS_NEVER_PACED,\
    TCP_ECN_QUEUE_CWR, TIMER_LOSS_PROBE, TIMER_NONE, TIMER_REO, TIMER_RTO

cpdef bint write_xmit(TcpSock sk, bint probe=*)
cdef _transmit(TcpSock sk, long long end, long long left_out)
cpdef _transmit_paced(TcpSock sk, long long end, long long left_out)
@cython.locals(gap=cython.longlong)
cdef _pace(TcpSock sk, long long now_ns)
cpdef cwnd_validate(TcpSock sk, bint limited)
cdef _application_limited(TcpSock sk)
cpdef cwnd_restart_after_idle(TcpSock sk)
cdef _retransmit(TcpSock sk, long long seq)
cdef _retransmit_skb(TcpSock sk, long long seq)
@cython.locals(waiting=Ints, seq=cython.longlong)
cpdef xmit_retransmit_queue(TcpSock sk)
cdef _reo_timeout(TcpSock sk)
cdef _send_loss_probe(TcpSock sk)
cdef _retransmit_timer(TcpSock sk)
