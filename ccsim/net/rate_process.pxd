"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef long long _NS

cdef class RateProcess:
    cpdef long long finish(self, long long start, long long bits) except? -1
    cpdef long long earliest(self, long long start, long long bits) except? -1
    cpdef long long changes(self, long long t) except? -1

cdef class ConstantRate(RateProcess):
    cdef public long long rate_bps, remainder

    @cython.locals(service=cython.longlong)
    cpdef long long finish(self, long long start, long long bits) except? -1
    cpdef long long earliest(self, long long start, long long bits) except? -1
