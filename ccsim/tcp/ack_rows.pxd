"""C types of ack_rows.pyx."""


cdef struct Cell:
    long long t, una, echo_us


cdef class AckRows:
    cdef Cell *cells
    cdef list blocks  # of each ACK; None: none has any
    cdef Py_ssize_t count, room
    cdef public long long at, back_ns

    cdef int grow(self) except -1
    cpdef int add(self, long long t, long long una, long long echo_us, object blocks) except -1
    cdef object blocks_of(self, Py_ssize_t k)
    cdef tuple made(self, Py_ssize_t k, long long later_ns)
    cpdef long long time(self, long long k) except? -1
    cpdef tuple row(self, long long k)
