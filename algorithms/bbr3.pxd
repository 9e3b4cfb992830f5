"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc cimport bbr3_model as path
from ccsim.cc cimport bbr3_bounds as bounds
from ccsim.cc.bbr_model cimport bdp, track_aggregation
from ccsim.cc.bbr3_bounds cimport InflightModel
from ccsim.kernel.kfuncs cimport tcp_packets_in_flight
from ccsim.kernel.ops cimport RateSample
from ccsim.cc.pacing cimport paced_rate, tso_segs_goal
from ccsim.kernel.sock cimport Sock

cdef long long CRUISE, DOWN, DRAIN, DRAIN_ROUNDS, EXTRA_ACKED_ROUNDS, INIT_CWND, MAX_RENO_ROUNDS
cdef long long MIN_PIPE_CWND, PROBE_RTT, PROBE_RTT_US, PROBE_WAIT_US, RECOVERY, REFILL, STARTUP
cdef long long STARTUP_FULL_LOSS_CNT, U32_MAX, UNIT, UP, USEC_PER_SEC
cdef tuple CWND_GAIN, PACING_GAIN


cdef class Bbr3(InflightModel):
    cdef public bint acks_stopping, idle_restart, prev_probe_precautionary, probe_rtt_round_done
    cdef public long long bw_probe_wait_us, cycle_mstamp, drain_start_round, probe_rtt_done_mstamp
    cdef public long long state


@cython.locals(ca=Bbr3, in_flight=cython.longlong)
cpdef cong_control(Sock sk, long long ack, long long flag, RateSample rs)
cpdef leave_startup(Sock sk, Bbr3 ca, long long in_flight)
@cython.locals(window=cython.longlong)
cpdef update_model(Sock sk, Bbr3 ca, RateSample rs)
cpdef end_loss_round(Sock sk, Bbr3 ca)
cpdef start_down(Sock sk, Bbr3 ca)
cpdef start_refill(Sock sk, Bbr3 ca)
cpdef start_up(Sock sk, Bbr3 ca)
@cython.locals(state=cython.longlong)
cpdef update_cycle(Sock sk, Bbr3 ca, long long in_flight)
cpdef bint adapt_long_term(Sock sk, Bbr3 ca, RateSample rs)
cpdef bint is_time_to_probe(Sock sk, Bbr3 ca)
cpdef bint is_time_to_go_down(Sock sk, Bbr3 ca, long long in_flight)
cpdef check_probe_rtt(Sock sk, Bbr3 ca, long long in_flight)
cpdef leave_probe_rtt(Sock sk, Bbr3 ca)
cpdef long long probe_rtt_cwnd(Bbr3 ca)
cpdef long long pacing_gain(Sock sk, Bbr3 ca)
@cython.locals(rate=cython.ulonglong)
cpdef set_pacing_rate(Sock sk, Bbr3 ca, long long gain)
cpdef long long quantized(Sock sk, Bbr3 ca, long long cwnd)
@cython.locals(
    extra=cython.longlong, max_inflight=cython.longlong, cwnd=cython.longlong,
    bound=cython.longlong,
)
cpdef set_cwnd(Sock sk, Bbr3 ca, long long acked)
