"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.bbr_model cimport Aggregation
from ccsim.kernel.ops cimport RateSample
from ccsim.kernel.sock cimport Sock

cdef long long BW_SHIFT, FULL_BW_ROUNDS, MIN_RTT_WINDOW_US, NO_MIN_RTT, PROBE_RTT_INTERVAL_US


cdef class DeliveryModel(Aggregation):
    cdef public list loss_log
    cdef public bint full_bw_now, full_bw_reached, is_loss_in_round, loss_round_start
    cdef public bint probe_rtt_expired
    cdef public long long bw_latest, bw_of_cycle, bw_of_last_cycle, full_bw, full_bw_count
    cdef public long long inflight_latest, loss_events, loss_round_delivered, lost, max_bw
    cdef public long long min_rtt_mstamp, newly_lost, next_round_delivered, probe_rtt_min_mstamp
    cdef public long long probe_rtt_min_us, rate, round_count, rounds_since_probe_up, tx_in_flight


cpdef begin_measuring(Sock sk, DeliveryModel ca)
cpdef adopt(Sock sk, DeliveryModel ca, long long bw, long long min_rtt_us)
cpdef start_round(Sock sk, DeliveryModel ca)
@cython.locals(log=list, total=cython.longlong)
cpdef measure(Sock sk, DeliveryModel ca, RateSample rs)
@cython.locals(rate=cython.longlong, prior_delivered=cython.longlong)
cpdef update_signals(Sock sk, DeliveryModel ca, RateSample rs)
cpdef advance_max_bw(DeliveryModel ca)
cpdef advance_latest(DeliveryModel ca, RateSample rs)
cpdef reset_latest(DeliveryModel ca)
cpdef check_full_bw(DeliveryModel ca)
cpdef reset_full_bw(DeliveryModel ca, long long rate)
@cython.locals(now=cython.longlong)
cpdef update_min_rtt(Sock sk, DeliveryModel ca, long long rtt_us)
