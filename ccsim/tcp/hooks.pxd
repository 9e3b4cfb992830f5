"""C types of hooks.pyx."""

from ccsim.kernel.ops cimport AckSample, RateSample, TcpCongestionOps
from ccsim.kernel.sock cimport Sock
from ccsim.tcp.sock cimport TcpSock

# What hooks look like that the `.pxd` file of an algorithm declares; the last argument is Cython's.
ctypedef object (*CongAvoid)(Sock, long long, long long, int)
ctypedef object (*CongControl)(Sock, long long, long long, RateSample, int)
ctypedef object (*InAckEvent)(Sock, long long, int)
ctypedef object (*PktsAcked)(Sock, AckSample, int)


cdef class Hooks:
    cdef TcpCongestionOps ops
    cdef CongAvoid c_cong_avoid
    cdef CongControl c_cong_control
    cdef InAckEvent c_in_ack_event
    cdef PktsAcked c_pkts_acked

    cdef cong_avoid(self, Sock sk, long long ack, long long acked)
    cdef cong_control(self, Sock sk, long long ack, long long flag, RateSample rs)
    cdef in_ack_event(self, Sock sk, long long flags)
    cdef pkts_acked(self, Sock sk, AckSample sample)


cpdef Hooks hooks_of(TcpSock sk)

cpdef like_cong_avoid(Sock sk, long long ack, long long acked)
cpdef like_cong_control(Sock sk, long long ack, long long flag, RateSample rs)
cpdef like_in_ack_event(Sock sk, long long flags)
cpdef like_pkts_acked(Sock sk, AckSample sample)
