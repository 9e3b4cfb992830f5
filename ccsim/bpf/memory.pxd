"""C types for `ccsim compile`: they belong to the Python file beside this one."""


cdef class Buffer:
    cdef public bytearray data
    cdef public bint writable


cdef class PrivateArea(Buffer):
    cdef public object layout, state
    cdef public bint stale
    cdef public int seen
