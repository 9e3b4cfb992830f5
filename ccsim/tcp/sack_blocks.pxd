"""C types of sack_blocks.pyx."""

from ccsim.ints cimport Ints


cdef class Blocks:
    cdef long long edges[8]  # start and end of each
    cdef Py_ssize_t count


cdef class EceBlocks(Blocks):
    pass


cdef class AceBlocks(EceBlocks):
    cdef public long long ace, ceb


cdef Blocks made_of(const long long *edges, Py_ssize_t count, bint ece)
cpdef Blocks as_blocks(object values)
cpdef Blocks leading(Blocks blocks, Py_ssize_t most)
cpdef Blocks trailing(Blocks blocks, Py_ssize_t first)
cpdef Blocks above(Blocks blocks, long long edge)
cpdef Blocks reported(Blocks blocks, long long seq, bint left, bint right)
cpdef Blocks with_duplicate(Blocks blocks, long long seq, Py_ssize_t most)
cpdef bint begins_with_duplicate(Blocks blocks, long long ack) except -1
cpdef long long only_new(
    Blocks blocks, Blocks known, long long una, long long nxt
) except? -2
cpdef Ints untagged(Blocks blocks, Py_ssize_t first, Blocks known)
