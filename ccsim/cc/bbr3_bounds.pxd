"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.bbr3_model cimport DeliveryModel, reset_full_bw
from ccsim.kernel.sock cimport Sock

cdef long long MAX_SLOPE, MIN_PIPE_CWND, NO_STATE, RECOVERY, UNBOUNDED


cdef class InflightModel(DeliveryModel):
    cdef public bint is_bw_probe_sample, prev_probe_too_high
    cdef public long long bdp, bw, bw_probe_up_acked, bw_probe_up_rounds, bw_shortterm
    cdef public long long inflight_longterm, inflight_shortterm, prior_cwnd
    cdef public long long probe_up_acked_per_inc, undo_bw_shortterm, undo_inflight_longterm
    cdef public long long undo_inflight_shortterm, undo_state


cpdef bint is_too_high(InflightModel ca, object limits)
cpdef bint note_loss(Sock sk, InflightModel ca, object limits, bint app_limited)
cpdef bound_long_term(Sock sk, InflightModel ca, object limits)
cpdef raise_long_term(Sock sk, InflightModel ca, object limits, long long acked, bint probing)
@cython.locals(longterm=cython.longlong)
cpdef long long with_headroom(InflightModel ca, object limits)
cpdef raise_slope(Sock sk, InflightModel ca)
cpdef probe_upward(Sock sk, InflightModel ca, long long acked)
cpdef adapt_short_term(Sock sk, InflightModel ca, long long beta)
cpdef reset_short_term(InflightModel ca)
cpdef save_cwnd(Sock sk, InflightModel ca, bint known_good)
cpdef save_state(Sock sk, InflightModel ca, bint known_good)
cpdef long long restore_state(InflightModel ca)
