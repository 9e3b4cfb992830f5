"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.linux.packets cimport FlowDelays
from ccsim.net.fifo cimport Fifo

cdef class Bottleneck:
    cdef public Fifo fifo
    cdef public object mark_packets, mark_ns
    cdef public list ways, samples, drops, marks
    cdef public long long interval_ns
    cdef public object _inside
    cdef public long long _departed_bytes, _order
    cdef list _heap

    @cython.locals(way=FlowDelays)
    cpdef forward(self, long long t_ns, long long flow, bytes packet)
    @cython.locals(heap=list, out=list, t=cython.longlong, to=cython.longlong)
    cpdef list due(self, long long now_ns)
    cpdef next_ns(self)
    cpdef sample_until(self, long long t_ns)
    cpdef _push(self, long long t_ns, long long to, long long flow, bytes packet)
    @cython.locals(
        start_ns=cython.longlong, departure=cython.longlong, size=cython.longlong, way=FlowDelays,
    )
    cpdef _arrive(self, long long t_ns, long long flow, bytes packet)
    cdef bint _is_marked(self, long long ahead, long long wait_ns) except? -1
    cpdef _leave(self, long long t_ns)
