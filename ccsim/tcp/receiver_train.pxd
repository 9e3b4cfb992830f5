"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.receiver cimport Receiver

cdef bint COMPILED

@cython.locals(before=cython.longlong, t=cython.longlong, k=cython.Py_ssize_t)
cdef Py_ssize_t _count_plain(
    const long long[:] times, const long long[:] seqs, Py_ssize_t n, long long first,
    long long near_ns
) except? -1
@cython.locals(
    quick=cython.longlong, unacked=cython.longlong, echo_us=cython.longlong,
    rcv_nxt=cython.longlong, delayed=cython.bint, sent=cython.Py_ssize_t, k=cython.Py_ssize_t,
)
cdef Py_ssize_t _acknowledge(
    Receiver receiver,
    const long long[:] times,
    const long long[:] tx_ns,
    long long close,
    long long[::1] at,
    long long[::1] numbers,
    long long[::1] echoes,
) except? -1
