"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef long long BW_SHIFT

@cython.locals(
    before=cython.longlong, flight=cython.longlong, following=cython.longlong,
    free=cython.Py_ssize_t, k=cython.Py_ssize_t, most=cython.longlong, n=cython.Py_ssize_t,
    waited=cython.longlong,
)
cpdef tuple depart(
    const long long[:] t_ns, const long long[:] una, const long long[:] acked, long long[:] nxt,
    Py_ssize_t row, long long depart_ns, long long gap_ns, long long seq, long long limit,
    long long least
)
@cython.locals(in_flight=cython.longlong, k=cython.Py_ssize_t, wait_ns=cython.longlong)
cpdef Py_ssize_t first_at_departure(
    const long long[:] t_ns, const long long[:] una, const long long[:] acked,
    const long long[:] nxt, Py_ssize_t start, Py_ssize_t stop, long long depart_ns,
    long long gap_ns, long long seq, long long bw, long long target, bint filled
)
@cython.locals(k=cython.Py_ssize_t)
cpdef long long follow(
    const long long[:] acked, long long[:] cwnd, Py_ssize_t row, Py_ssize_t stop,
    long long window, long long target
)

cdef bint COMPILED

@cython.locals(middle=cython.Py_ssize_t)
cpdef Py_ssize_t first_at_least(
    const long long[:] column, long long value, Py_ssize_t row, Py_ssize_t stop
)
