"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cdef class FlowDelays:
    cdef public object ack_loss
    cdef public long long after_ns, back_ns, before_ns, slot_ns

@cython.locals(at=cython.Py_ssize_t, size=cython.Py_ssize_t, port=cython.longlong)
cpdef tuple flow_of(bytes packet, long long flows)
