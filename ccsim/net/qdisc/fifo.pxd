"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.net.qdisc.base cimport Packet, Qdisc

cdef class _Fifo(Qdisc):
    cdef public long long drops, limit
    cdef public object queue

    cpdef bint gives(self, long long length, long long arrived, long long now) except? -1
    cpdef Packet dequeue(self, long long now)
    cdef long long _append(self, Packet packet) except? -1
    cdef long long _refuse(self, Packet packet) except? -1

cdef class Pfifo(_Fifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef bint takes(self, long long length, long long now) except? -1

cdef class Bfifo(_Fifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef bint takes(self, long long length, long long now) except? -1

cdef class PfifoHeadDrop(Pfifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cdef Packet _oldest(self)
