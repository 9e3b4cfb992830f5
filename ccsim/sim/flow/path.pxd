"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef class FlowPath:
    cdef public long long access_ns, out_ns, back_ns, hops_ns
