"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.fixed_point cimport s32
from ccsim.cc.minmax cimport no_samples, running_max, settled_until
from ccsim.cc.pacing cimport bytes_per_sec
from ccsim.kernel.ops cimport RateSample
from ccsim.kernel.sock cimport Sock

cdef long long AGGREGATION_MAX_US, AGGREGATION_ROUNDS, BW_SHIFT, BW_UNIT, INIT_CWND, MOST_ACKED
cdef long long NARROW_RATE, NARROW_US, NO_MIN_RTT


cdef class Aggregation:
    cdef public bint round_start
    cdef public long long ack_epoch_acked, ack_epoch_mstamp, extra_acked, extra_acked_before
    cdef public long long extra_acked_rounds, min_rtt_us


@cython.locals(
    epoch_acked=cython.longlong, epoch_us=cython.longlong, expected=cython.longlong,
    extra=cython.longlong,
)
cpdef track_aggregation(
    Sock sk, Aggregation ca, long long bw, long long acked, long long rounds=*
)
@cython.locals(extra=cython.longlong, limit=cython.longlong)
cpdef long long extra_in_flight(Aggregation ca, long long bw)
@cython.locals(rtt_us=cython.longlong, rate=cython.longlong)
cpdef long long bdp(Aggregation ca, long long bw, long long gain)

cdef long long DIFF_BYTES_PER_SEC, HOLD_ROUNDS, LOSS_OF_256, MAX_ROUNDS, MIN_ROUNDS, RATIO
cdef long long U32_MAX, USEC_PER_MSEC


cdef class Policer(Aggregation):
    cdef public bint lt_is_sampling, lt_use_bw
    cdef public long long lt_bw, lt_last_delivered, lt_last_lost, lt_last_ms, lt_rtt_cnt


cpdef bint policer_found(
    Sock sk, Policer ca, long long losses, bint new_round, bint app_limited
)
@cython.locals(lost=cython.longlong, delivered=cython.longlong, interval_ms=cython.longlong)
cdef bint _end_interval(Sock sk, Policer ca)
@cython.locals(difference=cython.longlong, alike=cython.bint)
cdef bint _same_rate(Sock sk, Policer ca, long long bw)
cdef _start_interval(Sock sk, Policer ca)
cpdef bint held_long_enough(Sock sk, Policer ca)
cpdef forget_policer(Sock sk, Policer ca)

cdef long long BW_WINDOW, SIGN


cdef class PathModel(Policer):
    cdef public tuple samples
    cdef public long long max_bw, min_rtt_mstamp, min_rtt_stamp, next_rtt_delivered, rtt_cnt
    cdef public long long settled_until, third_bw


@cython.locals(bw=cython.longlong, samples=tuple)
cpdef track_rate(Sock sk, PathModel ca, RateSample rs)
cpdef adopt_path(Sock sk, PathModel ca, long long bw, long long min_rtt_us)
cpdef stamp_min_rtt(Sock sk, PathModel ca)
