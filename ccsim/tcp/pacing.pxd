"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.cc.pacing cimport gap_at
from ccsim.tcp.host cimport Host
from ccsim.tcp.sock cimport TcpSock

cdef int PACING_NONE, SEGS_NEVER_PACED
cdef long long MANY, UNIT

@cython.locals(ratio=cython.longlong, packets=cython.longlong, rate=cython.ulonglong)
cpdef unsigned long long pacing_rate(
    TcpSock sk, long long cwnd, long long packets_out, long long srtt_us
)
cdef unsigned long long _rate_of_many(
    TcpSock sk, object ratio, object packets, object srtt_us
)
cpdef update_pacing_rate(TcpSock sk)
@cython.locals(rate=cython.ulonglong)
cpdef long long gap_ns(TcpSock sk, long long segs_out)
@cython.locals(half=cython.longlong, late=cython.longlong)
cpdef long long departure_after(long long stamp_ns, long long now_ns, long long gap)
cpdef long long pacing_due(TcpSock sk)
