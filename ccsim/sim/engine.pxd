"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.batch cimport Batch
from ccsim.net.fifo cimport Fifo
from ccsim.net.link cimport Link
from ccsim.sim.flow.flow cimport Flow

cdef long long ACK_BYTES, LEAST_LEAP, WINDOWS_BETWEEN_LEAPS


cdef class Engine:
    cdef public object env, turns
    cdef public Link link
    cdef public list flows, live
    cdef public dict reactions_ns
    cdef public long long end_ns, windows
    cdef public object _check, _progress
    cdef object _foreseen, _lookahead_ns
    cdef list _instants, _to_come
    cdef long long _access_ns, _return_ns, _next_leap
    cdef bint _some_closed

    @cython.locals(fifo=Fifo, queue=cython.longlong)
    cpdef long long known_ns(self, long long t_ns) except? -1
    @cython.locals(horizon=cython.longlong)
    cpdef long long horizon(self, long long t_ns) except? -1
    @cython.locals(horizon=cython.longlong)
    cdef long long _open(self, long long t_ns) except? -1
    cdef _compute(self, long long t_ns, long long horizon_ns)
    @cython.locals(until=cython.longlong)
    cdef long long _leap(self, long long t_ns, long long horizon_ns) except? -1
    cdef _begin(self, long long horizon_ns)
    cdef _carry(self, long long horizon_ns)
    @cython.locals(until=cython.longlong)
    cpdef transmit(self, long long horizon_ns)
    cdef _let_go(self)


@cython.locals(flow=Flow)
cdef flush_all(list flows, long long horizon_ns)
@cython.locals(flow=Flow)
cdef advance_all(list flows, long long horizon_ns)
@cython.locals(flow=Flow, batch=Batch)
cdef list collect_all(list flows, long long until_ns)
@cython.locals(flow=Flow, batch=Batch)
cdef deliver_all(list flows, list batches)
