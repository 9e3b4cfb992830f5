"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.kernel.kfuncs cimport tcp_cong_avoid_ai, tcp_is_cwnd_limited, tcp_slow_start
from ccsim.kernel.sock cimport Sock

cpdef cong_avoid(Sock sk, long long ack, long long acked)
