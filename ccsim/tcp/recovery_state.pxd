"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.sack cimport SackResult, check_sack_reordering
from ccsim.tcp.cwnd cimport (
    any_retrans_done, end_cwnd_reduction, enter_cwr, enter_recovery, init_cwnd_reduction,
    may_undo, packet_delayed, set_ca_state, try_keep_open
)
from ccsim.tcp.rack cimport rack_mark_lost
from ccsim.tcp.sock cimport TcpSock

cdef int CWR, DISORDER, LOSS, OPEN, RECOVERY
cdef long long ACK_MAYBE_DELAYED, DATA_SACKED, DSACKING_ACK, DSACK_TLP, ECE, ORIG_SACK_ACKED
cdef long long RETRANS_DATA_ACKED

cdef class AckState:
    cdef public long long echo_ms, flags
    cdef public bint ece, maybe_delayed, new_data_first, orig_acked, retrans_acked, rexmit
    cdef public SackResult sack

    cpdef long long info(self)


cpdef fastretrans_alert(TcpSock sk, long long prior_una, long long num_dupack, AckState state)
cdef bint _in_recovery(TcpSock sk, long long prior_una, long long num_dupack, AckState state)
cdef bint _in_loss(TcpSock sk, long long num_dupack, AckState state)
cdef bint _otherwise(TcpSock sk, long long num_dupack, AckState state)
cdef _try_to_open(TcpSock sk, AckState state)
cdef _identify_loss(TcpSock sk, AckState state)
cdef bint _try_undo_recovery(TcpSock sk, AckState state)
cdef bint _no_sack_keeps_state(TcpSock sk)
cdef bint _try_undo_partial(TcpSock sk, long long prior_una, AckState state)
cdef bint _try_undo_dsack(TcpSock sk)
cdef _process_loss(TcpSock sk, long long num_dupack, AckState state)
cdef bint _frto(TcpSock sk, long long num_dupack, AckState state, bint partial)
cpdef process_tlp_ack(TcpSock sk, long long ack, AckState state)
