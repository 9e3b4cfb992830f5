"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.rack cimport mark_skb_lost

cdef int CWR, DISORDER, EVER_RETRANS, LOSS, LOST, NO_UNDO, OPEN, RECOVERY

cpdef long long in_flight(TcpSock sk)
cpdef set_ca_state(TcpSock sk, long long state)
cpdef bint any_retrans_done(TcpSock sk)
cpdef long long current_ssthresh(TcpSock sk)
cpdef init_cwnd_reduction(TcpSock sk)
cpdef cwnd_reduction(TcpSock sk, long long acked_sacked, long long newly_lost, bint una_advanced)
cpdef end_cwnd_reduction(TcpSock sk)
cpdef init_undo(TcpSock sk)
cpdef enter_cwr(TcpSock sk)
cpdef enter_recovery(TcpSock sk, bint ece)
cpdef enter_loss(TcpSock sk)
cdef _timeout_mark_lost(TcpSock sk)
cpdef bint packet_delayed(TcpSock sk, long long tsecr_ms)
cpdef bint may_undo(TcpSock sk, long long tsecr_ms)
cdef _unmark_lost(TcpSock sk)
cpdef try_keep_open(TcpSock sk)
