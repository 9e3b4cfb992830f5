# cython: overflowcheck=False, boundscheck=False, wraparound=False, cdivision=False
"""Columns of integers in machine code: what `ccsim.ints` defines, with 64 bits an element."""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

import numpy as np

__all__ = [
    *("Ints", "as_ints", "count_until", "filled", "fresh", "heappop", "heappush", "in_us"),
    *("joined_ints", "kept", "later", "least", "part", "picked", "place", "scattered"),
]

cdef Py_ssize_t FIRST_ROOM = 32
cdef Py_ssize_t STRIDE = sizeof(long long)
cdef long long NOTHING = 0  # what a column without memory shows
cdef char *FORMAT = b"q"


@cython.freelist(1024)
cdef class Ints:
    """A column of 64-bit integers; `append` lets it grow.

    While another sees its memory (an array, a view of memory) it gets no more: BufferError.
    """

    def __init__(self, values=()):
        for value in values:
            self.append(value)

    def __dealloc__(self):
        free(self.base)

    cdef int grow(self, Py_ssize_t room) except -1:
        """Make room for so many elements in all, or for as many again as there are."""
        if self.seen:
            raise BufferError("Ints: expected nobody to see the memory of a column that grows")
        cdef Py_ssize_t forgotten = self.cells - self.base
        if forgotten:
            memmove(self.base, self.cells, self.count * sizeof(long long))
            self.cells = self.base
            self.room += forgotten
            if 2 * self.count <= self.room:  # so that it is long until the next move
                return 0
        room = max(room, self.room)
        cdef long long *cells = <long long *>realloc(self.base, room * sizeof(long long))
        if cells == NULL:
            raise MemoryError()
        self.base, self.cells, self.room = cells, cells, room
        return 0

    cpdef int append(self, long long value) except -1:
        """Put an integer behind the last."""
        if self.count == self.room:
            self.grow(2 * self.room or FIRST_ROOM)
        self.cells[self.count] = value
        self.count += 1
        return 0

    cpdef int forget(self, Py_ssize_t count) except -1:
        """Take the first elements away."""
        if not 0 <= count <= self.count:
            raise IndexError(f"Ints: expected at most {self.count} elements to forget, got {count}")
        self.cells += count
        self.count -= count
        self.room -= count
        return 0

    cpdef int insert(self, Py_ssize_t k, long long value) except -1:
        """Put an integer before number ``k``, or behind the last."""
        if not 0 <= k <= self.count:
            raise IndexError(f"Ints: expected an index up to {self.count}, got {k}")
        self.append(value)
        if self.count - 1 > k:
            memmove(self.cells + k + 1, self.cells + k, (self.count - 1 - k) * sizeof(long long))
            self.cells[k] = value
        return 0

    cpdef long long pop(self, Py_ssize_t k) except? -1:
        """Take number ``k`` away and return it."""
        if not 0 <= k < self.count:
            raise IndexError(f"Ints: expected an index below {self.count}, got {k}")
        cdef long long value = self.cells[k]
        self.count -= 1
        if self.count > k:
            memmove(self.cells + k, self.cells + k + 1, (self.count - k) * sizeof(long long))
        return value

    def extend(self, values):
        """Put integers behind the last."""
        cdef Ints others
        cdef Py_ssize_t k
        if isinstance(values, Ints):
            others = values
            for k in range(others.count):
                self.append(others.cells[k])
            return
        for value in values:
            self.append(value)

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        if isinstance(at, slice):
            return self.tolist()[at]
        cdef Py_ssize_t k = at
        if k < 0:
            k += self.count
        if not 0 <= k < self.count:
            raise IndexError(f"Ints: expected an index below {self.count}, got {at}")
        return self.cells[k]

    def __iter__(self):
        return iter(self.tolist())

    def __eq__(self, other):
        return self.tolist() == list(other) if isinstance(other, (Ints, list)) else NotImplemented

    __hash__ = None

    def __repr__(self):
        return repr(self.tolist())

    def __reduce__(self):
        return Ints, (self.tolist(),)

    def __getbuffer__(self, Py_buffer *view, int flags):
        view.buf = self.cells if self.cells != NULL else &NOTHING
        view.obj = self
        view.len = self.count * sizeof(long long)
        view.readonly = 0
        view.itemsize = sizeof(long long)
        view.format = FORMAT if flags & PyBUF_FORMAT else NULL
        view.ndim = 1
        view.shape = &self.count if flags & PyBUF_ND else NULL
        view.strides = &STRIDE if flags & PyBUF_ND else NULL
        view.suboffsets = NULL
        view.internal = NULL
        self.seen += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.seen -= 1

    def tolist(self):
        """Return the elements as a plain list."""
        cdef Py_ssize_t k
        return [self.cells[k] for k in range(self.count)]

    def column(self):
        """Return the elements as an array, which shares their memory: let the column not grow
        after that."""
        return np.frombuffer(self, dtype=np.int64) if self.count else np.empty(0, dtype=np.int64)


cdef Ints make_ints(Py_ssize_t count):
    """Return a column of so many elements, which are to be set."""
    cdef Ints made = Ints.__new__(Ints)
    if count:
        made.grow(count)
    made.count = count
    return made


cpdef Ints as_ints(object values):
    """Return integers as a column, which is the same one if they are one."""
    if isinstance(values, Ints):
        return values
    if not isinstance(values, np.ndarray):
        return Ints(values)
    cdef const long long[::1] column = np.ascontiguousarray(values, dtype=np.int64)
    cdef Ints made = make_ints(column.shape[0])
    if made.count:
        memcpy(made.cells, &column[0], made.count * sizeof(long long))
    return made


cpdef Ints fresh(Ints like):
    """Return an empty column, with room for as many integers as another holds."""
    cdef Ints made = Ints.__new__(Ints)
    if like.count:
        made.grow(like.count)
    return made


cpdef Ints filled(Py_ssize_t count, long long value):
    """Return a column of so many elements that are all the same."""
    cdef Ints made = make_ints(count)
    cdef Py_ssize_t k
    for k in range(count):
        made.cells[k] = value
    return made


cpdef Ints later(Ints times, long long by_ns):
    """Return times that come so much later."""
    cdef Ints made = make_ints(times.count)
    cdef Py_ssize_t k
    for k in range(times.count):
        made.cells[k] = times.cells[k] + by_ns
    return made


cpdef Ints in_us(Ints times, long long after_ns):
    """Return times before which a delay lies, without it and in microseconds."""
    cdef Ints made = make_ints(times.count)
    cdef Py_ssize_t k
    for k in range(times.count):
        made.cells[k] = (times.cells[k] - after_ns) // 1000
    return made


cpdef long long least(Ints values):
    """Return the least of some integers, of which there is one at least."""
    cdef long long found = values.cells[0]
    cdef Py_ssize_t k
    for k in range(1, values.count):
        found = min(found, values.cells[k])
    return found


cpdef Py_ssize_t count_until(Ints times, long long t, Py_ssize_t start) except -1:
    """Return how many of ascending times are not beyond ``t``, which ``start`` of them are not."""
    while start < times.count and times.cells[start] <= t:
        start += 1
    return start


cpdef Py_ssize_t place(Ints values, long long value) except -1:
    """Return before which of ascending integers one is to be put, behind its like."""
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t high = values.count
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) // 2
        if values.cells[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


cpdef int heappush(Ints heap, long long value) except -1:
    """Put an integer into a heap, whose least is its first."""
    cdef Py_ssize_t k = heap.count
    heap.append(value)
    while k and heap.cells[(k - 1) // 2] > value:
        heap.cells[k] = heap.cells[(k - 1) // 2]
        k = (k - 1) // 2
    heap.cells[k] = value
    return 0


cpdef long long heappop(Ints heap) except? -1:
    """Take the least integer out of a heap and return it."""
    if not heap.count:
        raise IndexError("heappop: expected an integer in the heap at least")
    cdef long long least = heap.cells[0]
    cdef Py_ssize_t n = heap.count - 1
    cdef long long value = heap.cells[n]
    cdef Py_ssize_t k = 0
    cdef Py_ssize_t child = 1
    heap.count = n
    while child < n:
        if child + 1 < n and heap.cells[child + 1] < heap.cells[child]:
            child += 1
        if heap.cells[child] >= value:
            break
        heap.cells[k] = heap.cells[child]
        k, child = child, 2 * child + 1
    if n:
        heap.cells[k] = value
    return least


cpdef Ints kept(Ints values):
    """Return where the integers are that are not negative."""
    cdef Ints found = Ints.__new__(Ints)
    cdef Py_ssize_t k
    for k in range(values.count):
        if values.cells[k] >= 0:
            found.append(k)
    return found


cpdef Ints picked(Ints values, Ints rows):
    """Return the integers that stand in these rows, in their order."""
    cdef Ints found = make_ints(rows.count)
    cdef Py_ssize_t k
    for k in range(rows.count):
        if not 0 <= rows.cells[k] < values.count:
            raise IndexError(f"picked: expected a row below {values.count}, got {rows.cells[k]}")
        found.cells[k] = values.cells[rows.cells[k]]
    return found


cpdef Ints scattered(Ints values, Ints rows):
    """Undo `picked`, where the rows were all there are."""
    if values.count != rows.count:
        raise ValueError(f"scattered: expected {values.count} rows, got {rows.count}")
    cdef Ints found = make_ints(rows.count)
    cdef Py_ssize_t k
    for k in range(rows.count):
        if not 0 <= rows.cells[k] < rows.count:
            raise IndexError(f"scattered: expected a row below {rows.count}, got {rows.cells[k]}")
        found.cells[rows.cells[k]] = values.cells[k]
    return found


cpdef Ints part(Ints values, Py_ssize_t start, Py_ssize_t stop):
    """Return the integers from ``start`` to before ``stop``."""
    if not 0 <= start <= stop <= values.count:
        raise IndexError(f"part: expected a part of {values.count} integers, got {start}:{stop}")
    cdef Ints found = make_ints(stop - start)
    if found.count:
        memcpy(found.cells, values.cells + start, found.count * sizeof(long long))
    return found


cpdef Ints joined_ints(list columns):
    """Return the integers of all columns, one after the other."""
    cdef Ints column, found
    cdef Py_ssize_t n = 0
    for column in columns:
        n += column.count
    found = make_ints(n)
    n = 0
    for column in columns:
        if column.count:
            memcpy(found.cells + n, column.cells, column.count * sizeof(long long))
        n += column.count
    return found
