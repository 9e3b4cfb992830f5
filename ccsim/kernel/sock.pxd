"""C types for `ccsim compile`: they belong to the Python file beside this one.

What a subclass makes a property of stays in the dictionary: ``lsndtime``, ``packets_out``,
``snd_nxt``, ``snd_una``, ``tcp_jiffies32``.
"""

from ccsim.kernel.ops cimport TcpCongestionOps


cdef class Sock:
    cdef dict __dict__
    cdef public TcpCongestionOps ca_ops
    cdef public object ca, kernel_data, random
    cdef public bint ca_initialized, ca_setsockopt, is_cwnd_limited
    cdef public long long ack_pending, app_limited, ca_state, delivered, delivered_ce
    cdef public long long delivered_mstamp, ecn_flags, gso_max_size, hz, lost, lost_out
    cdef public long long max_packets_out, mss_cache, pacing_shift, pacing_status, prior_cwnd
    cdef public long long prior_ssthresh, rcv_nxt, rcv_tsecr, rcv_tsval, retrans_out, rtt_min_us
    cdef public long long sacked_out, sk_state, snd_cwnd, snd_cwnd_clamp, snd_cwnd_cnt
    cdef public long long snd_ssthresh, srtt_us, tcp_clock_cache, tcp_mstamp, tcp_wstamp_ns
    cdef public unsigned long long max_pacing_rate, pacing_rate  # ~0UL: unlimited
