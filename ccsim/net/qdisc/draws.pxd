"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef unsigned long long _FIRST, _GOLDEN, _SECOND, _U32, _U64

cdef class Draws:
    cdef public unsigned long long state

    @cython.locals(z=cython.ulonglong)
    cpdef unsigned long long u64(self) except? 0

@cython.locals(room=cython.ulonglong)
cdef unsigned long long _sum(unsigned long long a, unsigned long long b) except? 0
@cython.locals(
    a_high=cython.ulonglong, a_low=cython.ulonglong, b_high=cython.ulonglong,
    b_low=cython.ulonglong, low=cython.ulonglong, high=cython.ulonglong,
)
cdef unsigned long long _product(unsigned long long a, unsigned long long b) except? 0
