"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet

cdef long long _LEG, _LENGTH, _ECN, _SEQ, _SENT, _NUMBER, _WIDTH, _MEMORY
cdef unsigned long long _UNPACED

cdef class Leg:
    cdef public long long after_ns, before_ns, copies, flow, hash, inside, known_ns, number, rank
    cdef public dict acks
    cdef public object deliver
    cdef public list lost, waiting
    cdef public tuple hops, hosts

cdef class HopPacket(Packet):
    cdef public Leg leg
    cdef public long long place, row_number, sent_ns, seq

@cython.locals(
    leg=Leg, at=cython.Py_ssize_t, length=cython.longlong, number=cython.longlong, packet=HopPacket,
)
cpdef HopPacket segment(long long[::1] flat, Py_ssize_t k, list legs)
@cython.locals(flat=cython.longlong[::1], k=cython.Py_ssize_t)
cpdef list segments(object rows, list legs)
@cython.locals(
    flat=cython.longlong[::1], at=cython.Py_ssize_t, packet=HopPacket, row=tuple,
)
cpdef rows_of(list reached)
