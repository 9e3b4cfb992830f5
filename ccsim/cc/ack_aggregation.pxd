"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
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
