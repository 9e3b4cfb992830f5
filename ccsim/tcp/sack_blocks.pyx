# cython: overflowcheck=False, boundscheck=False, wraparound=False
"""SACK blocks in machine code: what `ccsim.tcp.sack_blocks` defines, as one small object."""

cimport cython
from libc.string cimport memcpy

__all__ = [
    "BLOCKS_KEPT",
    "AceBlocks",
    "Blocks",
    "EceBlocks",
    "above",
    "as_blocks",
    "begins_with_duplicate",
    "leading",
    "only_new",
    "reported",
    "trailing",
    "untagged",
    "with_duplicate",
]

cdef Py_ssize_t KEPT = 4
BLOCKS_KEPT = KEPT


@cython.freelist(512)
cdef class Blocks:
    """SACK blocks, four at most; like a tuple of pairs, but for what it takes."""

    def __init__(self, values=()):
        for start, end in values:
            if self.count == KEPT:
                raise ValueError(f"Blocks: expected at most {KEPT} blocks, as an ACK has room for")
            put(self, start, end)

    def pairs(self):
        """Return the blocks as a tuple of pairs."""
        cdef Py_ssize_t k
        return tuple([(self.edges[2 * k], self.edges[2 * k + 1]) for k in range(self.count)])

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.pairs())

    def __getitem__(self, at):
        return self.pairs()[at]

    def __eq__(self, other):
        if not isinstance(other, (Blocks, tuple)):
            return NotImplemented
        return self.pairs() == tuple(other)

    def __hash__(self):
        return hash(self.pairs())

    def __repr__(self):
        return repr(self.pairs())

    def __reduce__(self):
        return type(self), (self.pairs(),)


cdef class EceBlocks(Blocks):
    """The SACK blocks, maybe none, of an ACK that bears the ECE flag."""


cdef class AceBlocks(EceBlocks):
    """The SACK blocks, maybe none, of an ACK with Accurate ECN (RFC 9768): ``ace`` is the ACE field
    and ``ceb`` the option's counter of bytes that came with CE, -1 if the option has no room."""

    @classmethod
    def of(cls, blocks, long long ace, long long ceb):
        """Return blocks with both counters."""
        cdef AceBlocks made = AceBlocks(blocks)
        made.ace, made.ceb = ace, ceb
        return made

    def __reduce__(self):
        return AceBlocks.of, (self.pairs(), self.ace, self.ceb)


cdef Blocks made_of(const long long *edges, Py_ssize_t count, bint ece):
    """Return blocks with such edges."""
    cdef Blocks found = EceBlocks.__new__(EceBlocks) if ece else Blocks.__new__(Blocks)
    memcpy(found.edges, edges, 2 * count * sizeof(long long))
    found.count = count
    return found


cdef inline void put(Blocks blocks, long long start, long long end) noexcept:
    """Put a block behind the last, where there is room; nobody knows these blocks yet."""
    blocks.edges[2 * blocks.count] = start
    blocks.edges[2 * blocks.count + 1] = end
    blocks.count += 1


cpdef Blocks as_blocks(object values):
    """Return pairs of edges as blocks, which are the same ones if they are some."""
    return values if isinstance(values, Blocks) else Blocks(values)


cpdef Blocks leading(Blocks blocks, Py_ssize_t most):
    """Return the first blocks, ``most`` at most."""
    return blocks if blocks.count <= most else copied(Blocks.__new__(Blocks), blocks, 0, most)


cpdef Blocks trailing(Blocks blocks, Py_ssize_t first):
    """Return the blocks from number ``first`` on."""
    if not first and type(blocks) is Blocks:
        return blocks
    return copied(Blocks.__new__(Blocks), blocks, first, blocks.count)


cdef Blocks copied(Blocks target, Blocks blocks, Py_ssize_t start, Py_ssize_t stop):
    """Put blocks from ``start`` to before ``stop`` behind those of another, as far as there is
    room."""
    cdef Py_ssize_t n = min(min(stop, blocks.count) - start, KEPT - target.count)
    if n > 0:
        memcpy(
            target.edges + 2 * target.count, blocks.edges + 2 * start, 2 * n * sizeof(long long)
        )
        target.count += n
    return target


cpdef Blocks above(Blocks blocks, long long edge):
    """Return the blocks that begin behind packet ``edge`` (``tcp_sack_remove``)."""
    cdef Blocks found = Blocks.__new__(Blocks)
    cdef Py_ssize_t k
    for k in range(blocks.count):
        if blocks.edges[2 * k] > edge:
            put(found, blocks.edges[2 * k], blocks.edges[2 * k + 1])
    return found


cpdef Blocks reported(Blocks blocks, long long seq, bint left, bint right):
    """Return blocks that report packet ``seq`` first, which has come to join what is queued on its
    ``left``, or on its ``right`` (``tcp_sack_new_ofo_skb``)."""
    cdef Blocks found = Blocks.__new__(Blocks)
    cdef long long start = seq
    cdef long long end = seq + 1
    cdef Py_ssize_t k
    if not left and not right:
        put(found, start, end)
        return copied(found, blocks, 0, KEPT - 1)
    if not right and blocks.count and blocks.edges[1] == seq:
        put(found, blocks.edges[0], end)  # the one reported last has grown
        return copied(found, blocks, 1, KEPT)
    put(found, start, end)
    for k in range(blocks.count):
        if blocks.edges[2 * k + 1] == start:
            start = blocks.edges[2 * k]
        elif blocks.edges[2 * k] == end:
            end = blocks.edges[2 * k + 1]
        else:
            copied(found, blocks, k, k + 1)
    found.edges[0], found.edges[1] = start, end
    return found


cpdef Blocks with_duplicate(Blocks blocks, long long seq, Py_ssize_t most):
    """Return blocks that report packet ``seq`` as a duplicate before others, ``most`` in all (RFC
    2883 section 4)."""
    cdef Blocks found = Blocks.__new__(Blocks)
    put(found, seq, seq + 1)
    return copied(found, blocks, 0, most - 1)


cpdef bint begins_with_duplicate(Blocks blocks, long long ack) except -1:
    """Report whether the first block is a duplicate: below the ACK, or inside the second (RFC 2883
    section 4)."""
    cdef long long *edges = blocks.edges
    if edges[0] < ack:
        return True
    return blocks.count > 1 and edges[0] >= edges[2] and edges[1] <= edges[3]


cdef bint has(Blocks blocks, long long start, long long end) noexcept:
    cdef Py_ssize_t k
    for k in range(blocks.count):
        if blocks.edges[2 * k] == start and blocks.edges[2 * k + 1] == end:
            return True
    return False


cpdef long long only_new(
    Blocks blocks, Blocks known, long long una, long long nxt
) except? -2:
    """Return the one packet that the first block reports and the ACK before, with the blocks
    ``known``, did not; -1 if there is more, or less, to it, or if it is not between ``una`` and
    ``nxt``."""
    cdef long long start = blocks.edges[0]
    cdef long long end = blocks.edges[1]
    cdef Py_ssize_t k
    if not blocks.count:
        raise IndexError("only_new: expected a block at least")
    if start < una or end > nxt:
        return -1
    if end - start > 1 and not has(known, start, end - 1):
        return -1
    for k in range(1, blocks.count):
        if not has(known, blocks.edges[2 * k], blocks.edges[2 * k + 1]):
            return -1
    return end - 1


cpdef Ints untagged(Blocks blocks, Py_ssize_t first, Blocks known):
    """Return the edges of the blocks from number ``first`` on, in order of their starts, less what
    the ACK before reported of them: blocks mostly grow at their end."""
    cdef Ints edges = Ints.__new__(Ints)
    cdef long long start, end
    cdef Py_ssize_t k, at
    cdef int taken = 0
    cdef Py_ssize_t least
    for _ in range(first, blocks.count):
        least = -1
        for k in range(first, blocks.count):
            if not taken >> k & 1 and (least < 0 or before(blocks, k, least)):
                least = k
        taken |= 1 << least
        start, end = blocks.edges[2 * least], blocks.edges[2 * least + 1]
        for at in range(known.count):
            if known.edges[2 * at] <= start < known.edges[2 * at + 1] <= end:
                start = known.edges[2 * at + 1]
        edges.append(start)
        edges.append(end)
    return edges


cdef bint before(Blocks blocks, Py_ssize_t a, Py_ssize_t b) noexcept:
    """Tell whether one block comes before another in order of starts, then ends."""
    cdef long long *edges = blocks.edges
    if edges[2 * a] != edges[2 * b]:
        return edges[2 * a] < edges[2 * b]
    return edges[2 * a + 1] < edges[2 * b + 1]
