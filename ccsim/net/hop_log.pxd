"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet

cdef class HopLog:
    cdef public object dropped, marked, sampled
    cdef public list new_drops, new_marks, new_samples
    cdef public long long gauges, interval_ns, losses, lost, meter_ns, next_ns, sojourn_ns

    cpdef drop(self, long long t, Packet packet, long long reason)
    cpdef mark(self, long long t, Packet packet)
    @cython.locals(t=cython.longlong)
    cpdef sample(self, object hop, long long before_ns)
    @cython.locals(recorded=cython.longlong)
    cdef long long _after(self, long long t) except? -1
