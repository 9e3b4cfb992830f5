"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.net.qdisc.base cimport OneQueue, Packet

cdef class _Fifo(OneQueue):
    cdef public long long drops, limit

    cpdef bint gives(self, long long length, long long arrived, long long now) except? -1
    cdef long long _refuse(self, Packet packet) except? -1

cdef class Pfifo(_Fifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef bint takes(self, long long length, long long now) except? -1

cdef class Bfifo(_Fifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cpdef bint takes(self, long long length, long long now) except? -1

cdef class PfifoHeadDrop(Pfifo):
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
