"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class AcksInColumns:
    cdef public object numbers, t
    cdef public long long at, retry

    cpdef long long time(self, long long k)
    cpdef long long before(self, long long t_ns)
    cpdef tuple row(self, long long k)
    cpdef long long echo(self, long long k)
    cpdef list part(self, long long start, long long stop)

cdef class PlainAcks(AcksInColumns):
    cdef public object echo_us

    cpdef list part(self, long long start, long long stop)

cdef class Sacks(AcksInColumns):
    cdef public object echo_us, rest
    cdef public tuple known

    cpdef list part(self, long long start, long long stop)
