"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class AckSample:
    cdef public long long in_flight, pkts_acked, rtt_us


cdef class RateSample:
    cdef public long long acked_sacked, delivered, delivered_ce, interval_us, losses
    cdef public long long prior_delivered, prior_delivered_ce, prior_in_flight, prior_mstamp, rtt_us
    cdef public bint is_ack_delayed, is_app_limited, is_retrans
