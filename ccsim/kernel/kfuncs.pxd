"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.kernel.sock cimport Sock

cdef long long _SIGN

cpdef bint before(long long a, long long b)
cpdef bint after(long long a, long long b)
cpdef long long tcp_packets_in_flight(Sock sk)
cpdef bint tcp_in_slow_start(Sock sk)
cpdef bint tcp_is_cwnd_limited(Sock sk)
cpdef long long tcp_slow_start(Sock sk, long long acked)
cpdef tcp_cong_avoid_ai(Sock sk, long long w, long long acked)
cpdef tcp_reno_cong_avoid(Sock sk, long long ack, long long acked)
cpdef long long tcp_reno_ssthresh(Sock sk)
cpdef long long tcp_reno_undo_cwnd(Sock sk)
