"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.fixed_point cimport s32, usecs_to_jiffies
from ccsim.cc.hystart cimport HyStart, ends_slow_start, start_round
from ccsim.kernel.kfuncs cimport after, tcp_cong_avoid_ai, tcp_is_cwnd_limited, tcp_slow_start
from ccsim.kernel.ops cimport AckSample
from ccsim.cc.row_loops cimport first_at_least
from ccsim.kernel.sock cimport Sock

cdef long long BETA_SCALE, CURVE_SHIFT, NARROW_REACH, NARROW_SPAN, TIME_SHIFT, U32_MAX


cdef class Cubic(HyStart):
    cdef public long long ack_cnt, cnt, cube_factor, curve_scale, epoch_start, friendliness, hz
    cdef public long long idle_ticks, k, last_cwnd, last_max_cwnd, last_time, origin_point, tcp_cwnd


cpdef cong_avoid(Sock sk, long long ack, long long acked)
cpdef follow_curve(Sock sk, Cubic ca, long long now, long long acked)
@cython.locals(cwnd=cython.longlong)
cpdef update(Sock sk, Cubic ca, long long now, long long acked)
cpdef start_epoch(Cubic ca, long long cwnd, long long now, long long acked)
@cython.locals(target=cython.longlong, cnt=cython.longlong)
cpdef long long curve_cnt(Cubic ca, long long cwnd, long long now)
@cython.locals(
    t=cython.longlong, past=cython.longlong, span=cython.longlong, reach=cython.longlong,
    distance=cython.longlong,
)
cpdef long long curve_target(Cubic ca, long long ticks)
@cython.locals(per_packet=cython.longlong, grown=cython.longlong)
cpdef follow_reno(Cubic ca, long long cwnd)
@cython.locals(ca=Cubic, cwnd=cython.longlong)
cpdef ssthresh(Sock sk)
@cython.locals(ca=Cubic, rtt_us=cython.longlong, delay=cython.longlong)
cpdef pkts_acked(Sock sk, AckSample sample)
@cython.locals(taken=cython.Py_ssize_t)
cpdef train(Sock sk, object acks)
@cython.locals(
    ca=Cubic, n=cython.Py_ssize_t, sampled=cython.Py_ssize_t, acked_before=cython.longlong,
    now=cython.longlong, cwnd=cython.longlong, event=cython.Py_ssize_t, counted=cython.longlong,
    first=cython.longlong, t_ns=cython.longlong[:], una=cython.longlong[:],
    windows=cython.longlong[:],
)
cpdef follow_curve_train(Sock sk, object acks, Py_ssize_t i)
@cython.locals(credit=cython.longlong, event=cython.Py_ssize_t, ticks=cython.longlong)
cpdef Py_ssize_t next_event(
    Sock sk, Cubic ca, object acks, long long[:] una, long long[:] t_ns, Py_ssize_t i,
    long long now
)
cpdef take_samples(Cubic ca, object acks, Py_ssize_t start, Py_ssize_t stop)
cpdef forget(Cubic ca)
