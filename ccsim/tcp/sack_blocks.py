"""The SACK blocks of an ACK, as a receiver makes and a sender reads them (RFC 2018, RFC 2883).

This is the form of Python, which is fastest at tuples; `sack_blocks.pyx` is that of machine code,
where the edges of four blocks are eight integers of one small object. Blocks never change.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccsim.ints import Ints

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

Blocks = tuple[tuple[int, int], ...]
"""[start, end) in packets, as the receiver ordered them; four at most."""
BLOCKS_KEPT = 4  # TCP_NUM_SACKS, and what an option has room for


class EceBlocks(tuple[tuple[int, int], ...]):
    """The SACK blocks, maybe none, of an ACK that bears the ECE flag."""

    __slots__ = ()


class AceBlocks(EceBlocks):
    """The SACK blocks, maybe none, of an ACK with Accurate ECN (RFC 9768): ``ace`` is the ACE field
    and ``ceb`` the option's counter of bytes that came with CE, -1 if the option has no room."""

    ace: int
    ceb: int

    @classmethod
    def of(cls, blocks: Iterable[tuple[int, int]], ace: int, ceb: int) -> AceBlocks:
        """Return blocks with both counters."""
        made = cls(blocks)
        made.ace, made.ceb = ace, ceb
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return AceBlocks.of, (tuple(self), self.ace, self.ceb)


def as_blocks(values: Iterable[tuple[int, int]]) -> Blocks:
    """Return pairs of edges as blocks, which are the same ones if they are some."""
    return values if isinstance(values, tuple) else tuple(values)


def leading(blocks: Blocks, most: int) -> Blocks:
    """Return the first blocks, ``most`` at most."""
    return blocks[:most]


def trailing(blocks: Blocks, first: int) -> Blocks:
    """Return the blocks from number ``first`` on."""
    return blocks[first:]


def above(blocks: Blocks, edge: int) -> Blocks:
    """Return the blocks that begin behind packet ``edge`` (``tcp_sack_remove``)."""
    return tuple([block for block in blocks if block[0] > edge])


def reported(blocks: Blocks, seq: int, left: bool, right: bool) -> Blocks:
    """Return blocks that report packet ``seq`` first, which has come to join what is queued on its
    ``left``, or on its ``right`` (``tcp_sack_new_ofo_skb``)."""
    if not left and not right:
        return ((seq, seq + 1), *blocks[: BLOCKS_KEPT - 1])
    if not right and blocks and blocks[0][1] == seq:
        return ((blocks[0][0], seq + 1), *blocks[1:])  # the one reported last has grown
    start, end = seq, seq + 1
    rest = []
    for block in blocks:
        if block[1] == start:
            start = block[0]
        elif block[0] == end:
            end = block[1]
        else:
            rest.append(block)
    return ((start, end), *rest[: BLOCKS_KEPT - 1])


def with_duplicate(blocks: Blocks, seq: int, most: int) -> Blocks:
    """Return blocks that report packet ``seq`` as a duplicate before others, ``most`` in all (RFC
    2883 section 4)."""
    return ((seq, seq + 1), *blocks[: most - 1])


def begins_with_duplicate(blocks: Blocks, ack: int) -> bool:
    """Report whether the first block is a duplicate: below the ACK, or inside the second (RFC 2883
    section 4)."""
    start, end = blocks[0]
    if start < ack:
        return True
    return len(blocks) > 1 and start >= blocks[1][0] and end <= blocks[1][1]


def only_new(blocks: Blocks, known: Blocks, una: int, nxt: int) -> int:
    """Return the one packet that the first block reports and the ACK before, with the blocks
    ``known``, did not; -1 if there is more, or less, to it, or if it is not between ``una`` and
    ``nxt``."""
    start, end = blocks[0]
    if start < una or end > nxt:
        return -1
    if end - start > 1 and (start, end - 1) not in known:
        return -1
    for block in blocks[1:]:
        if block not in known:
            return -1
    return end - 1


def untagged(blocks: Blocks, first: int, known: Blocks) -> Ints:
    """Return the edges of the blocks from number ``first`` on, in order of their starts, less what
    the ACK before reported of them: blocks mostly grow at their end."""
    edges = Ints()
    for start, end in sorted(blocks[first:]):
        for known_start, known_end in known:
            if known_start <= start < known_end <= end:
                start = known_end
        edges.append(start)
        edges.append(end)
    return edges
