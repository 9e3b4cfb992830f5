"""CAKE's ACK filter: an older ACK leaves the queue when a newer one says all that it said
(``cake_ack_filter`` in ``net/sched/sch_cake.c``)."""

from __future__ import annotations

from collections import deque

from ccsim.net.qdisc.base import S32_SIGN, U32, Packet

__all__ = ["TcpAck", "superseded"]

ACK, ECE, CWR, PSH, SYN, FIN = 1, 2, 4, 8, 16, 32
ECN_FLAGS = ECE | CWR
PURE = ACK | PSH | SYN | FIN  # of these a filtered packet bears ACK alone
AGGRESSIVE = 2
Block = tuple[int, int]


class TcpAck:
    """What the filter reads of a TCP header: flags, the cumulative ACK, timestamps, SACK blocks,
    and how many bytes of data follow."""

    __slots__ = ("ack", "flags", "payload", "sack", "tsecr", "tsval")

    def __init__(
        self, flags: int, ack: int, tsval: int, tsecr: int, sack: tuple[Block, ...], payload: int
    ) -> None:
        self.flags = flags
        self.ack = ack
        self.tsval = tsval
        self.tsecr = tsecr
        self.sack = sack
        self.payload = payload


def _after(a: int, b: int) -> bool:
    """Report whether a sequence number is after another, modulo 2^32."""
    return 0 < (a - b & U32) < S32_SIGN


def superseded(queue: deque[Packet], mode: int) -> Packet | None:
    """Return the ACK in a queue that the last packet makes superfluous, or None.

    ``mode`` 1 wants a second such ACK, so that one remains; 2 (aggressive) does without where the
    two are neighbours and their ECN flags agree.
    """
    newest = queue[-1]
    head = newest.tcp
    if len(queue) == 1 or head is None or head.flags & (ACK | SYN) != ACK:
        return None
    found: Packet | None = None
    found_flags = count = 0
    previous: Packet | None = None
    for packet in queue:
        if packet is newest:
            break
        previous = packet
        if packet.tcp is None or packet.flow != newest.flow:
            continue
        flags = packet.tcp.flags & ECN_FLAGS
        if found is not None and flags != found_flags:
            found = None
            count -= 1
        if not _may_go(packet.tcp, head):
            continue
        if found is None:
            found, found_flags = packet, flags
        count += 1
        if count > 1:
            return found
    adjacent = found is not None and found is previous
    return (
        found if mode == AGGRESSIVE and adjacent and found_flags == head.flags & ECN_FLAGS else None
    )


def _may_go(old: TcpAck, new: TcpAck) -> bool:
    """Report whether an ACK says nothing that the newer one does not."""
    if old.flags & PURE != ACK or old.payload:
        return False
    if _after(old.tsval, new.tsval) or _after(old.tsecr, new.tsecr) or _after(old.ack, new.ack):
        return False
    more = _compare_sack(old, new)
    return more > 0 or (more == 0 and old.ack != new.ack)


def _compare_sack(old: TcpAck, new: TcpAck) -> int:
    """Return 1 if the newer one's blocks cover more, 0 if the same, -1 if they lack some."""
    if not old.sack or not new.sack:
        return bool(new.sack) - bool(old.sack)
    for start, end in old.sack:
        if _after(old.ack, start):  # a DSACK, which must not get lost
            return -1
        if not any(not _after(a, start) and not _after(end, b) for a, b in new.sack):
            return -1
    return int(_bytes(new.sack) > _bytes(old.sack))


def _bytes(blocks: tuple[Block, ...]) -> int:
    return sum(end - start & U32 for start, end in blocks) & U32
