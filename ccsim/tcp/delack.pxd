"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.host cimport Host

cdef int ATO_BITS, ATO_MIN_PARTS, DELACK_MAX_PARTS
cdef int NO_DATA

cdef class Exchange:
    cdef public long long asked_ns, packets, think_ns

cdef class DelayedAck:
    cdef public Host host
    cdef public bint rides
    cdef public long long ato, ato_min, delack_ns, lrcv_ns, near_ns, pingpong, quick
    cdef public long long quick_most, rto_jiffies, rtt_jiffies

    cpdef bint is_settled(self)
    cpdef adapt(self, long long t_ns)
    cpdef come_close(self, long long packets, long long acks)
    cpdef go_quick(self, long long acks)
    cpdef count_quick(self)
    cpdef long long expiry(self, long long t_ns) except? -1
    cpdef missed(self)
    cpdef answer(self, long long t_ns)
