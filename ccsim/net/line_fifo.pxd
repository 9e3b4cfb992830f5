"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet
from ccsim.net.qdisc.fifo cimport Pfifo

cdef class LineFifo(Pfifo):
    cdef public object hop, mark_ns, mark_packets

    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    @cython.locals(inside=cython.longlong)
    cpdef bint takes(self, long long length, long long now) except? -1
    cpdef bint gives(self, long long length, long long arrived, long long now) except? -1
    cpdef Packet dequeue(self, long long now)
