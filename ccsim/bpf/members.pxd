"""C types of members.pyx, for machine.pyx."""

from libc.stdint cimport uint64_t


cdef struct Part:
    int kind
    Py_ssize_t place
    uint64_t mask
    int start
    int shift
    uint64_t cut


cdef struct Access:
    int count
    bint writable
    Part parts[1]


cdef class Struct:
    cdef str name
    cdef dict places
    cdef list names
    cdef Access** found
    cdef Py_ssize_t end

    cdef Access* access(self, Py_ssize_t offset, int size) except? NULL
    cdef Access* _made(self, Py_ssize_t offset, int size) except? NULL
    cdef uint64_t load(self, object owner, Access* access) except? 0x5AD
    cdef int store(self, object owner, Access* access, uint64_t value) except -1


cdef bint is_word(Part* part) noexcept
