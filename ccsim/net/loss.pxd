"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class BernoulliLoss:
    cdef public long long threshold
    cdef object _reached
    cdef list _ahead
    cdef long long _at

    cpdef bint draw(self) except? -1
    cpdef list draws(self, long long n)
