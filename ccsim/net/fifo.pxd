"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport Ints, as_ints
from ccsim.net.loss cimport BernoulliLoss

cdef long long BITS_NS, _DATA_MIN

cdef class Fifo:
    cdef public BernoulliLoss loss
    cdef public long long rate_bps, limit, last_ns, remainder, drops, losses, accepted
    cdef public long long accepted_bytes
    cdef list _backlog
    cdef object _recent
    cdef Ints _cells

    cpdef long long service_ns(self, long long size_bytes)
    @cython.locals(
        a=cython.longlong, size=cython.longlong, last=cython.longlong, rem=cython.longlong,
        rate=cython.longlong, limit=cython.longlong, service=cython.longlong,
        left=cython.longlong, known=cython.longlong, first=cython.longlong,
        taken_bytes=cython.longlong, backlog=list, lost=list, out=list,
    )
    cpdef list serve(self, list arrivals, list sizes)
    @cython.locals(
        inside=Ints, out=Ints, loss=BernoulliLoss, rate=cython.longlong, limit=cython.longlong,
        last=cython.longlong, rem=cython.longlong, first=cython.Py_ssize_t, end=cython.Py_ssize_t,
        same=cython.longlong, taken_bytes=cython.longlong, each=cython.longlong,
        rest=cython.longlong, k=cython.Py_ssize_t, a=cython.longlong,
    )
    cpdef Ints serve_cells(self, Ints arrivals, long long size, Ints sizes)
    cdef Ints _inside_cells(self)
    cdef list _inside_rows(self)
    cdef list _draw(self, list sizes)
