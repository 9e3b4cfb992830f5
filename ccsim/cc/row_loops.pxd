"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef bint COMPILED

@cython.locals(middle=cython.Py_ssize_t)
cpdef Py_ssize_t first_at_least(
    const long long[:] column, long long value, Py_ssize_t row, Py_ssize_t stop
)
