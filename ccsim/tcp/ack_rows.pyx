# cython: overflowcheck=False, boundscheck=False, wraparound=False
"""ACKs in machine code: what `ccsim.tcp.ack_rows` defines, with three integers an ACK."""

from libc.stdlib cimport free, realloc

from ccsim.ints cimport Ints
from ccsim.tcp.sack_blocks cimport AceBlocks, Blocks, EceBlocks, made_of

__all__ = ["AckRow", "AckRows"]

AckRow = tuple
cdef Py_ssize_t FIRST_ROOM = 16
cdef int NONE = -1
cdef int OTHER = -2


cdef class AckRows:
    """ACKs that are taken one by one: ``at`` is the first not taken yet, and each arrives at the
    sender ``back_ns`` later than its time says."""

    def __init__(self, rows=(), long long back_ns=0):
        self.back_ns = back_ns
        for row in rows:
            self.append(row)

    def __dealloc__(self):
        free(self.cells)

    cdef int grow(self) except -1:
        """Make room for more."""
        cdef Py_ssize_t room = 2 * self.room or FIRST_ROOM
        cdef Cell *cells = <Cell *>realloc(self.cells, room * sizeof(Cell))
        if cells == NULL:
            raise MemoryError()
        self.cells, self.room = cells, room
        return 0

    cpdef int add(self, long long t, long long una, long long echo_us, object blocks) except -1:
        """Put an ACK behind the last."""
        if self.count == self.room:
            self.grow()
        cdef Cell *cell = self.cells + self.count
        cell.t, cell.una, cell.echo_us = t, una, echo_us
        cell.blocks, cell.ece = NONE, False
        if blocks is not None:
            self.add_blocks(cell, blocks)
        self.count += 1
        return 0

    cdef int add_blocks(self, Cell *cell, object blocks) except -1:
        """Keep the blocks of the ACK that is being added."""
        cdef Blocks known
        cdef Py_ssize_t k
        if not isinstance(blocks, Blocks) or type(blocks) is AceBlocks:
            if self.others is None:
                self.others = {}
            self.others[self.count] = blocks
            cell.blocks = OTHER
            return 0
        known = blocks
        if self.edges is None:
            self.edges = Ints.__new__(Ints)
        cell.edges, cell.blocks = self.edges.count, <int>known.count
        cell.ece = type(known) is EceBlocks
        for k in range(2 * known.count):
            self.edges.append(known.edges[k])
        return 0

    def append(self, row):
        """Put an ACK behind the last, given as a tuple."""
        t, una, echo_us, blocks = row
        self.add(t, una, echo_us, blocks)

    def extend(self, rows):
        """Put ACKs behind the last, given as tuples."""
        for row in rows:
            self.append(row)

    def clear(self):
        """Forget all."""
        self.count = self.at = 0
        self.edges = self.others = None

    cdef object blocks_of(self, Py_ssize_t k):
        cdef Cell *cell = self.cells + k
        if cell.blocks == NONE:
            return None
        if cell.blocks == OTHER:
            return self.others[k]
        return made_of(self.edges.cells + cell.edges, cell.blocks, cell.ece)

    cdef tuple made(self, Py_ssize_t k, long long later_ns):
        if not 0 <= k < self.count:
            raise IndexError(f"AckRows: expected an index below {self.count}, got {k}")
        cdef Cell cell = self.cells[k]
        return cell.t + later_ns, cell.una, cell.echo_us, self.blocks_of(k)

    cpdef long long time(self, long long k) except? -1:
        """Return when ACK ``k`` arrives [ns]."""
        if not 0 <= k < self.count:
            raise IndexError(f"AckRows: expected an index below {self.count}, got {k}")
        return self.cells[k].t + self.back_ns

    cpdef tuple row(self, long long k):
        """Return ACK ``k``, with the time at which it arrives at the sender."""
        return self.made(k, self.back_ns)

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        if isinstance(at, slice):
            return list(self)[at]
        cdef Py_ssize_t k = at
        return self.made(k + self.count if k < 0 else k, 0)

    def __iter__(self):
        cdef Py_ssize_t k
        return iter([self.made(k, 0) for k in range(self.count)])

    def __eq__(self, other):
        return list(self) == list(other) if isinstance(other, (AckRows, list)) else NotImplemented

    __hash__ = None

    def __repr__(self):
        return repr(list(self))
