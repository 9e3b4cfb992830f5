"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.sock cimport TcpSock

cpdef rtt_estimator(TcpSock sk, long long m)
cpdef long long new_mdev(long long mdev, long long m) except? -1
cpdef end_of_round(TcpSock sk, long long nxt)
cpdef set_rto(TcpSock sk)
@cython.locals(now_ns=cython.longlong)
cpdef update_rtt(TcpSock sk, long long seq_rtt_us, long long ca_rtt_us, bint maybe_delayed=*)
@cython.locals(tick=cython.longlong, window=cython.longlong)
cpdef update_min_rtt(TcpSock sk, long long t_ns, long long rtt_us)
@cython.locals(age=cython.longlong)
cdef _age_min_rtt(TcpSock sk, long long tick, long long rtt_us, long long window)
cdef _forget_min_rtt(TcpSock sk, long long tick, long long rtt_us)
@cython.locals(after=cython.longlong)
cdef _set_min_rtt_due(TcpSock sk, long long window)
cpdef long long min_rtt_expiry_ns(TcpSock sk)
