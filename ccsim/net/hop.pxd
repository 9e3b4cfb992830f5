"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.delay_process cimport DelayProcess
from ccsim.net.hop_log cimport HopLog
from ccsim.net.loss cimport BernoulliLoss
from ccsim.net.qdisc.base cimport Packet, Qdisc
from ccsim.net.rate_process cimport RateProcess

cdef long long _AQM, _BOOT_NS, _DATA_BYTES_MIN, _FILTERED, _FOREVER, _LOST, _NEVER

cdef class NoLine(RateProcess):
    cpdef long long finish(self, long long start, long long bits) except? -1
    cpdef long long earliest(self, long long start, long long bits) except? -1

cdef class Hop:
    cdef public Qdisc qdisc
    cdef public RateProcess line
    cdef public DelayProcess delay
    cdef public HopLog log
    cdef public BernoulliLoss loss
    cdef public list arrivals, changes, drops, legs, out
    cdef public bint serving
    cdef public long long busy_ns, bytes_dropped, bytes_in, bytes_out, filtered, known_ns
    cdef public long long least_bits, order, packets_dropped, packets_in, packets_out
    cdef public long long serving_bytes, wake_ns

    @cython.locals(t=cython.longlong, packet=Packet)
    cpdef take(self, object rows, long long source=*)
    @cython.locals(
        arrivals=list, known=cython.longlong, order=cython.longlong, packet=Packet,
        t=cython.longlong,
    )
    cpdef take_rows(self, object rows, long long source)
    cpdef run_rows(self, long long until_ns)
    @cython.locals(t=cython.longlong, taken=cython.Py_ssize_t, arrivals=list, packet=Packet)
    cpdef list run(self, long long until_ns)
    cpdef long long _due_ns(self) except? -1
    @cython.locals(now=cython.longlong, log=HopLog)
    cdef _come_to(self, long long t)
    cdef _finish(self, long long until_ns)
    @cython.locals(due=cython.longlong, tick=cython.longlong)
    cdef long long _own_ns(self) except? -1
    @cython.locals(qdisc=Qdisc)
    cdef _do_own(self, long long now)
    cpdef _act(self, long long now)
    @cython.locals(free=cython.longlong)
    cpdef long long bound_ns(self) except? -1
    @cython.locals(bound=cython.longlong)
    cpdef long long reach_ns(self) except? -1
    cpdef long long on_line(self) except? -1
    cpdef _change(self, long long now)
    @cython.locals(qdisc=Qdisc, verdict=cython.longlong)
    cpdef _arrive(self, long long now, Packet packet)
    @cython.locals(qdisc=Qdisc, packet=Packet)
    cdef Packet _ask(self, long long now)
    @cython.locals(packet=Packet, end=cython.longlong)
    cpdef _serve(self, long long now)
    cpdef _note(self, long long now, Packet packet)
    cpdef _collect(self, long long now, long long reason)
    cpdef _dropped(self, long long now, Packet packet, long long reason)
