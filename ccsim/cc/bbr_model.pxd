"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.minmax cimport no_samples, running_max, settled_until
from ccsim.kernel.ops cimport RateSample
from ccsim.cc.policer cimport Policer
from ccsim.kernel.sock cimport Sock

cdef long long BW_SHIFT, BW_WINDOW, NO_MIN_RTT, SIGN, U32_MAX


cdef class PathModel(Policer):
    cdef public tuple samples
    cdef public long long max_bw, min_rtt_mstamp, min_rtt_stamp, next_rtt_delivered, rtt_cnt
    cdef public long long settled_until, third_bw


@cython.locals(bw=cython.longlong, samples=tuple)
cpdef track_rate(Sock sk, PathModel ca, RateSample rs)
cpdef adopt_path(Sock sk, PathModel ca, long long bw, long long min_rtt_us)
cpdef stamp_min_rtt(Sock sk, PathModel ca)
