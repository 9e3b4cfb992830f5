"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.kernel.ops cimport AckSample, RateSample
from ccsim.kernel.sock cimport Sock
from ccsim.tcp.host cimport Host
from ccsim.tcp.packets cimport PacketColumns


cdef class TcpSock(Sock):
    cdef public AckSample ack_sample
    cdef public RateSample rate_sample
    cdef public PacketColumns packets
    cdef public dict counters
    cdef public list cwr_seqs, out_seq, out_t, rack_retransmits, rtx_queue
    cdef public tuple last_blocks
    cdef public Host host
    cdef public object on_event
    cdef public bint frto, nospace, rack_advanced, rack_dsack_seen, timer_resend, timer_settled
    cdef public bint tlp_retrans
    cdef public long long backoff, cwnd_usage_nxt, cwr_seq, data_segs_out, dsack_dups, first_tx_us
    cdef public long long high_seq, icsk_retransmits, jiffies0_ns, jiffy_ns, lsnd_ns, mdev_max_us
    cdef public long long mdev_us, nxt, pacing_ns
    cdef public long long prr_delivered, prr_out, rack_cursor, rack_end, rack_last_delivered
    cdef public long long rack_mstamp_us, rack_reo_wnd_persist, rack_reo_wnd_steps, rack_rtt_us
    cdef public long long reord_seen, reordering, retrans_stamp_ms, rto_jiffies, rtt_nxt, rttvar_us
    cdef public long long rwnd, sack_high, sample_end, snd_cwnd_stamp_ns, snd_cwnd_used
    cdef public long long timer_delay_jiffies, timer_delay_us, timer_kind, timer_ns
    cdef public long long timer_ran_tick, timer_set_ns
    cdef public long long timer_wstamp_ns, tlp_high_seq, total_retrans, ts_recent_ms, una
    cdef public long long undo_marker, undo_retrans, write_limit
