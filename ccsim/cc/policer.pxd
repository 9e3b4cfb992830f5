"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.ack_aggregation cimport Aggregation
from ccsim.cc.fixed_point cimport s32
from ccsim.cc.pacing cimport bytes_per_sec
from ccsim.kernel.sock cimport Sock

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
