"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.kernel.ops cimport RateSample
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.packets cimport PacketColumns

cdef int APP_LIMITED, EVER_RETRANS, RETRANS, SACKED

cpdef note_ce(TcpSock sk)
cpdef long long ce_delivered(TcpSock sk, long long delivered)

cpdef skb_sent(TcpSock sk, long long i, long long now_us)
cpdef RateSample begin_sample(TcpSock sk)
cpdef skb_delivered(TcpSock sk, long long i, RateSample rs)
cpdef take_sample(TcpSock sk, RateSample rs, long long delivered, long long lost)
cpdef check_app_limited(TcpSock sk)
