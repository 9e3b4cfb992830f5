"""C types of ints.pyx."""


cdef class Ints:
    cdef long long *base  # of the memory; `cells` lie behind those that were forgotten
    cdef long long *cells
    cdef Py_ssize_t count, room, seen

    cdef int grow(self, Py_ssize_t room) except -1
    cpdef int append(self, long long value) except -1
    cpdef int forget(self, Py_ssize_t count) except -1
    cpdef int insert(self, Py_ssize_t k, long long value) except -1
    cpdef long long pop(self, Py_ssize_t k) except? -1


cdef Ints make_ints(Py_ssize_t count)
cpdef Ints as_ints(object values)
cpdef Ints fresh(Ints like)
cpdef Ints filled(Py_ssize_t count, long long value)
cpdef Ints later(Ints times, long long by_ns)
cpdef Ints in_us(Ints times, long long after_ns)
cpdef long long least(Ints values)
cpdef Py_ssize_t count_until(Ints times, long long t, Py_ssize_t start) except -1
cpdef int heappush(Ints heap, long long value) except -1
cpdef long long heappop(Ints heap) except? -1
cpdef Py_ssize_t place(Ints values, long long value) except -1
cpdef Ints kept(Ints values)
cpdef Ints picked(Ints values, Ints rows)
cpdef Ints scattered(Ints values, Ints rows)
cpdef Ints part(Ints values, Py_ssize_t start, Py_ssize_t stop)
cpdef Ints joined_ints(list columns)
