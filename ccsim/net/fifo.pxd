"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.loss cimport BernoulliLoss

cdef long long BITS_NS, _DATA_MIN
cdef bint COMPILED

cdef class Fifo:
    cdef public object loss
    cdef public long long rate_bps, limit, last_ns, remainder, drops, losses, accepted
    cdef public long long accepted_bytes
    cdef list _backlog
    cdef object _recent

    cpdef long long service_ns(self, long long size_bytes)
    @cython.locals(
        a=cython.longlong, size=cython.longlong, last=cython.longlong, rem=cython.longlong,
        rate=cython.longlong, limit=cython.longlong, service=cython.longlong,
        left=cython.longlong, known=cython.longlong, first=cython.longlong,
        taken_bytes=cython.longlong, backlog=list, lost=list, out=list,
    )
    cpdef list serve(self, list arrivals, list sizes)
    cdef list _inside_rows(self)
    cdef list _draw(self, list sizes)

@cython.locals(
    a=cython.longlong, rate=cython.longlong, limit=cython.longlong, last=cython.longlong,
    rem=cython.longlong, first=cython.longlong, each=cython.longlong, rest=cython.longlong,
    same=cython.longlong, k=cython.Py_ssize_t,
)
cdef long long _serve_rows(
    Fifo fifo,
    long long[::1] arrivals,
    long long size,
    long long[::1] sizes,
    long long[::1] inside,
    long long end,
    long long[::1] out,
) except? -1
