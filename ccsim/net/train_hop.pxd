"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.hop cimport Hop
from ccsim.net.hop_log cimport HopLog
from ccsim.net.qdisc.base cimport Packet, Qdisc
from ccsim.net.hop_packets cimport HopPacket, segment

cdef long long _AQM, _BOOT_NS, _DATA_BYTES_MIN, _ECN, _FOREVER, _LENGTH, _LOST, _MARKED, _NEVER
cdef long long _WIDTH

cdef class RowQueue:
    cdef public long long[::1] flat, order
    cdef public object places, rows
    cdef public list legs
    cdef public Qdisc qdisc
    cdef public Py_ssize_t head, tail

    @cython.locals(packet=HopPacket)
    cdef HopPacket packet(self, Py_ssize_t place)
    cdef put(self, Py_ssize_t place)
    @cython.locals(sent=HopPacket)
    cpdef append(self, Packet packet)
    cpdef HopPacket popleft(self)

cdef class TrainHop(Hop):
    cdef public Py_ssize_t count
    cdef public long long[::1] left, reached
    cdef public dict pending
    cdef public RowQueue queue

    cpdef take_rows(self, object rows, long long source)
    cpdef run_rows(self, long long until_ns)
    @cython.locals(t=cython.longlong, place=cython.Py_ssize_t)
    cdef _run(self, long long[::1] flat, Py_ssize_t k, Py_ssize_t n, long long until_ns)
    @cython.locals(qdisc=Qdisc, queue=RowQueue, verdict=cython.longlong)
    cdef _arrive_row(self, long long now, Py_ssize_t place, long long length)
    @cython.locals(
        qdisc=Qdisc, queue=RowQueue, place=cython.Py_ssize_t, length=cython.longlong,
        arrived=cython.longlong, packet=Packet, sent=HopPacket,
    )
    cpdef _serve(self, long long now)
    cdef _take_note(self, long long now, Py_ssize_t place)
    @cython.locals(end=cython.longlong)
    cdef _depart(self, long long now, Py_ssize_t place, long long length)
