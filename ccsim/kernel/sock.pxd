"""C types for `ccsim compile`: they belong to the Python file beside this one.

What a sender makes a property of (`ccsim.tcp.linux_sock`) stays in the dictionary.
"""

from ccsim.kernel.ops cimport TcpCongestionOps


cdef class Sock:
    cdef dict __dict__
    cdef public TcpCongestionOps ca_ops
    cdef public object ca, kernel_data, random
    cdef public bint ca_initialized, ca_setsockopt, frto, is_cwnd_limited, rack_advanced
    cdef public bint rack_dsack_seen, tlp_retrans
    cdef public long long ack_pending, app_limited, backoff, ca_state, data_segs_out, delivered
    cdef public long long delivered_ce, delivered_mstamp, dsack_dups, ecn_flags, first_tx_us
    cdef public long long gso_max_size, hz, icsk_retransmits, lost, lost_out, max_packets_out
    cdef public long long mdev_max_us, mdev_us, mss_cache, pacing_shift, pacing_status, prior_cwnd
    cdef public long long prior_ssthresh, prr_delivered, prr_out, rack_last_delivered
    cdef public long long rack_mstamp_us, rack_reo_wnd_persist, rack_reo_wnd_steps, rack_rtt_us
    cdef public long long rcv_nxt, reord_seen, reordering, retrans_out, retrans_stamp_ms
    cdef public long long rto_jiffies, rtt_min_us, rttvar_us, sacked_out, sk_state, snd_cwnd
    cdef public long long snd_cwnd_clamp, snd_cwnd_cnt, snd_cwnd_used, snd_ssthresh, srtt_us
    cdef public long long tcp_clock_cache, tcp_mstamp, tcp_wstamp_ns, timer_kind, total_retrans
    cdef public long long undo_retrans
    cdef public unsigned long long max_pacing_rate, pacing_rate  # ~0UL: unlimited

    cpdef long long _ticks(self) except? -1
    cpdef long long _out(self) except? -1
