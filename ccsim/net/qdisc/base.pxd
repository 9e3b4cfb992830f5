"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.draws cimport Draws

cdef long long _U32

cdef class Packet:
    cdef public long long number, len, ecn, flow, hash, truesize, stamp, cb, sk, tstamp, priority
    cdef public long long srchost, dsthost, dscp, arrived
    cdef public unsigned long long pacing_rate
    cdef public bint marked
    cdef public object tcp

cpdef bint set_ce(Packet packet) except? -1
@cython.locals(value=cython.longlong, end=cython.longlong)
cpdef long long scale(long long value, long long end) except? -1

cdef class Qdisc:
    cdef public long long backlog, copied_bytes, copies, hz, mtu, qlen, tick_ns, wake_ns
    cdef public Draws draws
    cdef public list dropped

    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef Packet dequeue(self, long long now)
    cpdef bint takes(self, long long length, long long now) except? -1
    cpdef bint gives(self, long long length, long long arrived, long long now) except? -1
    cpdef long long stamp_of(self, long long arrived) except? -1
    cpdef tick(self, long long now)
    cpdef long long reason(self, long long verdict) except? -1

cdef class OneQueue(Qdisc):
    cdef public object queue

    cpdef Packet dequeue(self, long long now)
    cpdef long long _append(self, Packet packet) except? -1
    cpdef Packet _oldest(self)
