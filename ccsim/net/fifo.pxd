"""C types for `ccsim compile`: they belong to the Python file beside this one."""



cdef class Fifo:
    cdef dict __dict__
    cdef public object loss, _backlog, _recent
    cdef public long long rate_bps, limit, last_ns, remainder, drops, losses, accepted, accepted_bytes

    cpdef list serve(self, list arrivals, list sizes)
