"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef class DelayProcess:
    cdef public list delays, starts
    cdef public bint keep_order
    cdef public long long last, only_ns

    @cython.locals(at=cython.longlong)
    cpdef long long reach(self, long long departure) except? -1
    @cython.locals(first=cython.longlong, start=cython.longlong, delay=cython.longlong)
    cpdef long long earliest(self, long long departure) except? -1
