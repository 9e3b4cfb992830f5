"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef int BLOCKS_KEPT, DELACK_MIN_NS, MAX_QUICKACKS

cdef class Receiver:
    cdef dict __dict__
    cdef public object ecn, host, writer
    cdef public set pushed
    cdef public list ends, starts
    cdef public tuple sacks
    cdef public bint delayed
    cdef public long long blocks_max, delack_ns, echo_us, fin, quick, rcv_nxt, unacked

    cpdef _ack(self, long long t, list acks, tuple duplicate=*)
    cpdef bint _holds(self, long long seq, long long k)
    cpdef _fill_gap(self, long long t, long long seq, long long tx_us, list acks)
    cpdef _out_of_order(self, long long t, long long seq, long long k, list acks)
    cpdef _report(self, long long seq)
    cpdef _duplicate(self, long long t, long long seq, long long tx_us, list acks)
