"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.tcp.sock cimport TcpSock

cdef long long FIRST_ROWS, PACK_ROWS, ROW_BYTES

cdef class Sampler:
    cdef public long long count, index, interval_ns, next_ns, room
    cdef public bytearray cells

    cpdef put(self, TcpSock sk, tuple row)
    cdef _make_room(self, TcpSock sk)
    cpdef catch_up(self, TcpSock sk, long long before_ns)
    cpdef take(self, TcpSock sk, list samples)

cdef object _bits(object rate)
