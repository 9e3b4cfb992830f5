"""C types of ack_rows.pyx."""


from ccsim.ints cimport Ints


cdef struct Cell:
    long long t, una, echo_us
    Py_ssize_t edges  # where those of its blocks begin
    int blocks  # how many it has, or why none are here
    bint ece


cdef class AckRows:
    cdef Cell *cells
    cdef Ints edges  # of the blocks of all ACKs
    cdef dict others  # what stands for the blocks of an ACK where that are no `Blocks`
    cdef Py_ssize_t count, room
    cdef public long long at, back_ns

    cdef int grow(self) except -1
    cpdef int add(self, long long t, long long una, long long echo_us, object blocks) except -1
    cdef int add_blocks(self, Cell *cell, object blocks) except -1
    cdef object blocks_of(self, Py_ssize_t k)
    cdef tuple made(self, Py_ssize_t k, long long later_ns)
    cpdef long long time(self, long long k) except? -1
    cpdef tuple row(self, long long k)
