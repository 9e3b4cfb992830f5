"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class BernoulliLoss:
    cdef public long long threshold
    cdef object _reached
    cdef list _ahead
    cdef long long _at

    cpdef list draws(self, long long n)
