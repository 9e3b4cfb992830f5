"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.ints cimport Ints, as_ints

cdef class BernoulliLoss:
    cdef public long long threshold
    cdef object _reached
    cdef Ints _ahead
    cdef long long _at

    @cython.locals(number=cython.longlong)
    cpdef bint draw(self) except? -1
    cpdef list draws(self, long long n)
