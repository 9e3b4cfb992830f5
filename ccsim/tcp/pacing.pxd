"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.host cimport Host
from ccsim.tcp.sock cimport TcpSock

cdef long long MANY, UNIT

@cython.locals(ratio=cython.longlong, packets=cython.longlong, rate=cython.ulonglong)
cpdef unsigned long long pacing_rate(
    TcpSock sk, long long cwnd, long long packets_out, long long srtt_us
)
cdef unsigned long long _rate_of_many(
    TcpSock sk, object ratio, object packets, object srtt_us
)
cpdef update_pacing_rate(TcpSock sk)
cpdef long long pacing_due(TcpSock sk)
