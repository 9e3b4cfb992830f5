"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.bbr_model cimport bdp, extra_in_flight, track_aggregation
from ccsim.kernel.kfuncs cimport after, tcp_packets_in_flight
from ccsim.kernel.ops cimport RateSample
from ccsim.cc.pacing cimport pace_from_rtt, paced_rate, packets_at_departure, tso_segs_goal
from ccsim.cc.bbr_model cimport PathModel, adopt_path, stamp_min_rtt, track_rate
from ccsim.cc.bbr_model cimport forget_policer, held_long_enough, policer_found
from ccsim.kernel.sock cimport Sock

cdef long long CWND_GAIN, DRAIN, FULL_BW_GROWTH, FULL_BW_ROUNDS, GAIN_SHIFT, HIGH_GAIN, INIT_CWND
cdef long long LOSS, MIN_CWND, MIN_RTT_WINDOW_SEC, PHASE_RAND, PROBE_BW, PROBE_RTT, PROBE_RTT_MS
cdef long long RECOVERY, RTT_WINDOW_US, STARTUP, U32_MAX, UNIT
cdef tuple PHASE_GAINS


cdef class Bbr(PathModel):
    cdef public bint full_bw_reached, has_seen_rtt, idle_restart, packet_conservation
    cdef public bint probe_rtt_round_done
    cdef public long long cwnd_gain, cycle_idx, cycle_mstamp, full_bw, full_bw_cnt, mode
    cdef public long long pacing_gain, prev_ca_state, prior_cwnd, probe_rtt_done_stamp


@cython.locals(ca=Bbr, bw=cython.longlong, is_full_length=cython.bint)
cpdef cong_control(Sock sk, long long ack, long long flag, RateSample rs)
cpdef end_round(Sock sk, Bbr ca, RateSample rs)
cpdef look_for_policer(Sock sk, Bbr ca, long long losses, bint app_limited)
@cython.locals(target=cython.longlong)
cpdef drain(Sock sk, Bbr ca, long long bw)
cpdef probe_bandwidth(Sock sk, Bbr ca)
cpdef next_phase(Sock sk, Bbr ca)
@cython.locals(target=cython.longlong, in_flight=cython.longlong)
cpdef bint probed(Sock sk, Bbr ca, RateSample rs, long long bw, bint is_full_length)
cpdef long long probe_target(Sock sk, Bbr ca)
@cython.locals(disturbed=cython.bint)
cpdef bint is_steady(Sock sk, Bbr ca)
@cython.locals(rtt_us=cython.longlong, expired=cython.bint)
cpdef update_min_rtt(Sock sk, Bbr ca, RateSample rs)
@cython.locals(in_flight=cython.longlong, wait=cython.longlong)
cpdef probe_rtt(Sock sk, Bbr ca)
cpdef leave_probe_rtt(Sock sk, Bbr ca)
@cython.locals(rate=cython.ulonglong)
cpdef set_pacing_rate(Sock sk, Bbr ca, long long bw, long long gain)
cpdef long long with_bursts(Sock sk, Bbr ca, long long cwnd)
@cython.locals(acked=cython.longlong, cwnd=cython.longlong, target=cython.longlong)
cpdef set_cwnd(Sock sk, Bbr ca, RateSample rs, long long bw)
@cython.locals(target=cython.longlong)
cpdef long long cwnd_target(Sock sk, Bbr ca, long long bw)
@cython.locals(cwnd=cython.longlong, before=cython.longlong, now=cython.longlong)
cpdef long long recover(Sock sk, Bbr ca, long long losses, long long acked)
@cython.locals(known_good=cython.bint)
cpdef save_cwnd(Sock sk, Bbr ca)
