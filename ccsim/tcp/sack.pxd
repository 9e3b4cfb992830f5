"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.ints cimport Ints
from ccsim.tcp.sack_blocks cimport Blocks, begins_with_duplicate, trailing, untagged
from ccsim.tcp.sock cimport TcpSock
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.rack cimport rack_advance
from ccsim.tcp.rate cimport skb_delivered

cdef int EVER_RETRANS, LOST, RETRANS, SACKED

cdef class SackResult:
    cdef public long long first_us, last_us, reord
    cdef public bint data_sacked, dsack, dsack_tlp, orig_sacked


@cython.locals(edges=Ints, cells=cython.p_longlong, k=cython.Py_ssize_t, first=cython.Py_ssize_t)
cpdef SackResult tag_blocks(TcpSock sk, long long ack, Blocks blocks, long long prior_una)
@cython.locals(start=cython.longlong, end=cython.longlong, seq=cython.longlong)
cdef _dsack_seen(TcpSock sk, tuple block, long long prior_una, SackResult result)
cdef _tag_duplicate(TcpSock sk, long long seq)
cdef _tag_range(TcpSock sk, long long start, long long end, SackResult result)
cdef _tag_one(TcpSock sk, long long seq, SackResult result)
cpdef check_sack_reordering(TcpSock sk, long long low)
