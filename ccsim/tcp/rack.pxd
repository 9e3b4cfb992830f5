"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.ints cimport Ints, heappush
from ccsim.tcp.host cimport Host
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.packets cimport PacketColumns

cdef int EVER_RETRANS, LOST, RACK_NO_DUPTHRESH, RACK_STATIC_REO_WND, RECOVERY
cdef int REO_WND_STEPS_MAX, RETRANS, SACKED, TIMEOUT_MIN_US, TIMER_REO

cpdef rack_advance(TcpSock sk, long long flags, long long end, long long tx_us)
cpdef long long rack_reo_wnd(TcpSock sk)
cpdef rack_update_reo_wnd(TcpSock sk)
cpdef mark_skb_lost(TcpSock sk, long long seq)
cpdef bint rack_mark_lost(TcpSock sk)
@cython.locals(resent_us=Ints)
cpdef long long mark_lost(TcpSock sk)
cdef long long _deadline(TcpSock sk)
cdef long long _judge_originals(TcpSock sk, long long seq, long long deadline)
@cython.locals(
    tx_us=cython.longlong, seq=cython.longlong, resent=Ints, resent_us=Ints,
    seqs=cython.p_longlong, times=cython.p_longlong, k=cython.Py_ssize_t, gone=cython.Py_ssize_t,
    held=cython.Py_ssize_t, judged=cython.Py_ssize_t,
)
cdef long long _judge_retransmits(TcpSock sk, long long deadline)
