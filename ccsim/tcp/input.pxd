"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.kernel.ops cimport AckSample, RateSample, TcpCongestionOps
from ccsim.tcp.recovery_state cimport AckState, fastretrans_alert, process_tlp_ack
from ccsim.tcp.cwnd cimport cwnd_reduction, in_flight
from ccsim.tcp.hooks cimport Hooks, hooks_of
from ccsim.tcp.output cimport write_xmit, xmit_retransmit_queue
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.pacing cimport pacing_due, pacing_rate, update_pacing_rate
from ccsim.tcp.rack cimport rack_advance, rack_update_reo_wnd
from ccsim.tcp.rate cimport begin_sample, ce_delivered, note_ce, skb_delivered, take_sample
from ccsim.tcp.usual_sack cimport usual_sack
from ccsim.tcp.rtt cimport update_rtt
from ccsim.tcp.sack cimport SackResult, check_sack_reordering, tag_blocks
from ccsim.tcp.sack_blocks cimport AceBlocks, Blocks, EceBlocks, as_blocks
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.xmit_timer cimport set_xmit_timer, settle_timer

cdef int ACKED, APP_LIMITED, CWR, EVER_RETRANS, LOST, NOT_DUP, OPEN, PACING_NONE, RECOVERY, \
    RETRANS, SACKED, SET_TIMER, SLOWPATH, TIMER_RTO, UNA_ADVANCED
cdef int CA_ACK_ECE, CA_ACK_SLOWPATH, CE_MASK, MAYBE_DELAYED, ORIG_SACK_ACKED, PLAIN, WIN_UPDATE

cdef Blocks NO_BLOCKS

@cython.locals(sacks=Blocks)
cpdef on_ack(TcpSock sk, long long t_ns, long long ack, long long echo_us, object blocks=*)
@cython.locals(ops=TcpCongestionOps, hooks=Hooks, delayed=cython.bint)
cdef bint _plain_ack(TcpSock sk, long long ack)
cdef _plain_rate_sample(
    TcpSock sk, long long last, long long delivered, long long now_us, long long acked
)
cdef _full_ack(TcpSock sk, long long ack, long long echo_us, Blocks blocks)
cdef _judge(TcpSock sk, long long prior_una, AckState state)
cdef _clean_rtx_queue(
    TcpSock sk, long long prior_una, long long ack, long long prior_fack, AckState state
)
cdef bint _spurious_retransmission(TcpSock sk, long long mark, long long tx_us, AckState state)
cdef _take_rtt(TcpSock sk, long long seq_rtt_us, long long ca_rtt_us, bint acked, AckState state)
cdef _tell_ack_event(TcpSock sk, AckState state)
cdef _tell_pkts_acked(TcpSock sk, long long acked)
@cython.locals(hooks=Hooks)
cdef _cong_control(TcpSock sk, long long ack, long long delivered, AckState state)
cdef _xmit_recovery(TcpSock sk, AckState state)
