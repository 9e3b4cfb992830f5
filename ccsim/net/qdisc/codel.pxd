"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet, Qdisc

cdef long long _SIGN, _U32

cdef class CodelFlow:
    cdef public object queue
    cdef public long long count, drop_next, first_above_time, lastcount, ldelay, rec_inv_sqrt
    cdef public bint dropping

    @cython.locals(inverse=object, square=object, value=object)
    cpdef newton(self)

cdef class CodelQdisc(Qdisc):
    cdef public long long ce_mark, ce_mask, ce_selector, ce_threshold, drops, ecn_mark, interval
    cdef public long long maxpacket, target
    cdef public bint ecn

    cpdef Packet _take(self, CodelFlow flow)
    cdef _drop(self, Packet packet)
    @cython.locals(delay=cython.longlong)
    cdef bint _should_drop(self, CodelFlow flow, Packet packet, long long now) except? -1
    cdef _law(self, CodelFlow flow, long long t)
    @cython.locals(now=cython.longlong, packet=Packet, drop=cython.bint)
    cdef Packet _codel_dequeue(self, CodelFlow flow, long long now_ns)
    cdef Packet _go_on_dropping(self, CodelFlow flow, Packet packet, long long now)
    @cython.locals(left=Packet, delta=cython.longlong)
    cdef Packet _begin_dropping(self, CodelFlow flow, Packet packet, long long now)

cdef class Codel(CodelQdisc):
    cdef public CodelFlow flow
    cdef public long long drop_overlimit, limit

    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef Packet dequeue(self, long long now)
    cpdef long long stamp_of(self, long long arrived) except? -1
    cpdef bint takes(self, long long length, long long now) except? -1
    @cython.locals(
        flow=CodelFlow, now=cython.longlong, delay=cython.longlong, left=cython.longlong,
    )
    cpdef bint gives(self, long long length, long long arrived, long long now_ns) except? -1
