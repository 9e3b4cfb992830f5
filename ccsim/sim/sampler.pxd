"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.sock cimport TcpSock

cdef long long FIRST_ROWS, PACK_ROWS, WIDTH

cdef class Sampler:
    cdef public long long[::1] cells
    cdef public object table
    cdef public long long count, index, interval_ns, meter_ns, next_ns, room

    cdef _make_room(self, TcpSock sk)
    @cython.locals(k=cython.longlong)
    cdef write(
        self, TcpSock sk, long long t_ns, long long cwnd, long long ssthresh, long long srtt_us,
        long long flight, long long rate_bps, long long una, long long delivered
    )
    @cython.locals(rate=cython.longlong)
    cpdef catch_up(self, TcpSock sk, long long before_ns)
    @cython.locals(recorded=cython.longlong, metered=cython.longlong)
    cdef long long after(self, long long t_ns) except? -1
    cpdef take(self, TcpSock sk, list samples)

cdef long long _bits(object rate) except? -1
