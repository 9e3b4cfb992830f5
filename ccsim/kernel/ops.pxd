"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class AckSample:
    cdef public long long in_flight, pkts_acked, rtt_us


cdef class RateSample:
    cdef public long long acked_sacked, delivered, delivered_ce, interval_us, last_end_seq, losses
    cdef public long long prior_delivered, prior_delivered_ce, prior_in_flight, prior_mstamp
    cdef public long long rcv_interval_us, rtt_us, snd_interval_us
    cdef public bint is_ack_delayed, is_app_limited, is_retrans


cdef class TcpCongestionOps:
    # In the order of the Python file: it is that of the fields.
    cdef readonly object name, flags, ssthresh, undo_cwnd, cong_avoid, cong_control, set_state
    cdef readonly object cwnd_event, in_ack_event, pkts_acked, min_tso_segs, sndbuf_expand, get_info
    cdef readonly object init, release, private, params, link, train, sack_train, rtt_floor
    cdef readonly object export_model, import_model, phase, ect_1
