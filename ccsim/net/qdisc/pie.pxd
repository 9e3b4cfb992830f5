"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet, Qdisc

cdef unsigned long long _FIFTH, _LEAST_SUM, _MOST_SUM, _NO_COUNT, _U64
cdef long long _U32

cdef class Pie(Qdisc):
    cdef public object alpha, avg_dq_rate, backlog_old, beta, dq_count, queue
    cdef public unsigned long long accu_prob, dq_tstamp, prob
    cdef public long long burst_time, bytemode, dq_rate_estimator, dropped_packets, ecn, ecn_mark
    cdef public long long limit, maxq, overlimit, packets_in, qdelay, qdelay_old, target, tupdate

    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    cdef long long _accept(self, Packet packet, long long now) except? -1
    cdef _count_in(self, long long length)
    @cython.locals(prob=cython.ulonglong, room=cython.ulonglong)
    cdef bint _early(self, long long length) except? -1
    cdef Packet _take(self)
    cpdef Packet dequeue(self, long long now)
    @cython.locals(passed=cython.longlong, since=cython.ulonglong)
    cdef _note_left(self, long long length, long long stamp, long long ticks)
    cpdef long long stamp_of(self, long long arrived) except? -1
    @cython.locals(accu_prob=cython.ulonglong, draws=cython.ulonglong)
    cpdef bint takes(self, long long length, long long now) except? -1
    cpdef bint gives(self, long long length, long long arrived, long long now) except? -1
