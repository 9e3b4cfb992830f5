"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.minmax cimport settled_until
from ccsim.cc.pacing cimport paced_rate, tso_segs_goal
from ccsim.cc.bbr_model cimport PathModel
from ccsim.cc.row_loops cimport first_at_least
from ccsim.kernel.sock cimport Sock

cdef long long BW_SHIFT, BW_WINDOW, MAX_EPOCH_ACKED, NO_SAMPLE


cdef class PathTrain:
    cdef public long long[::1] acked, bw, prior_delivered, rtt_us, t_us
    cpdef Py_ssize_t round_start(self, PathModel ca, Py_ssize_t row)
    cpdef Py_ssize_t later_than(self, long long t_us, Py_ssize_t row)
    @cython.locals(
        rounds=cython.longlong, best_at=cython.longlong, best=cython.longlong,
        second_at=cython.longlong, second=cython.longlong, third_at=cython.longlong,
        third=cython.longlong, age=cython.longlong, aged=cython.bint, least=cython.longlong,
        bws=cython.longlong[::1], times=cython.longlong[::1], rtts=cython.longlong[::1],
        acked=cython.longlong[::1], min_rtt=cython.longlong, top=cython.longlong,
        epoch_us=cython.longlong, epoch_acked=cython.longlong, k=cython.Py_ssize_t,
        sample=cython.longlong, extra=cython.longlong, expected=cython.longlong,
        arrived=cython.longlong, count=cython.longlong,
    )
    cpdef Py_ssize_t take(self, PathModel ca, Py_ssize_t row, Py_ssize_t stop, long long bw)
