"""Packets on their way between hops, as rows of integers; as objects where a qdisc looks at each.

A row holds when a packet reaches the next hop or its far end, its leg, length and ECN codepoint,
what the sender says of it, and its place among all that the flow has sent. Rows of a `Leg` that
bears ACKs hold the packets acknowledged and the send time echoed [us] instead of a packet's number
and its send time [ns]; SACK blocks are kept beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.qdisc.base import U64, Packet
from ccsim.net.qdisc.cake_ack_filter import ACK, SYN, TcpAck

__all__ = [
    "ECN",
    "LEG",
    "LENGTH",
    "NO_ROWS",
    "NUMBER",
    "REACH",
    "SENT",
    "SEQ",
    "WIDTH",
    "HopPacket",
    "Leg",
    "Rows",
    "in_order",
    "rows_of",
    "segment",
    "segments",
    "split",
]

Rows = NDArray[np.int64]  # of WIDTH columns
Deliver = Callable[["Leg", Rows, int], None]
Ack = tuple[int, int, int, Any]  # as receivers send them: time, number, echo, SACK blocks

REACH, LEG, LENGTH, ECN, SEQ, SENT, NUMBER, WIDTH = range(8)
NO_ROWS: Rows = np.empty((0, WIDTH), dtype=np.int64)
_LEG, _LENGTH, _ECN, _SEQ, _SENT, _NUMBER, _WIDTH = range(1, 8)
_MEMORY = 804  # that a socket buffer takes beside a full packet: 2304 for 1500 (truesize)
_UNPACED = U64
MS_NS = 1_000_000


class Leg:
    """One direction of a flow: ``before_ns``, hops, ``after_ns``.

    ``rank`` is its place among what arrives at a hop at one instant; ``hash`` and ``hosts``
    (source, destination) are what qdiscs tell flows apart by. ``inside`` packets are on their way,
    ``copies`` of all have been added by hops; ``lost`` are those dropped since the owner looked
    last, ``acks`` those that say more than a row, by their numbers, None where data goes.
    ``deliver`` is told of what arrives at the far end, and up to when all of it is known.
    """

    __slots__ = (
        *("acks", "after_ns", "before_ns", "copies", "deliver", "flow", "hash", "hops", "hosts"),
        *("inside", "known_ns", "lost", "number", "rank", "waiting"),
    )

    def __init__(
        self,
        flow: int,
        rank: int,
        hops: tuple[int, ...],
        before_ns: int,
        after_ns: int,
        deliver: Deliver,
    ) -> None:
        self.flow = flow
        self.rank = rank
        self.hops = hops
        self.before_ns = before_ns
        self.after_ns = after_ns
        self.deliver = deliver
        self.hash = 0
        self.hosts = (0, 0)
        self.acks: dict[int, Ack] | None = None
        self.inside = 0
        self.copies = 0
        self.lost: list[HopPacket] = []
        self.waiting: list[Rows] = []
        self.known_ns = 0
        self.number = 0  # among the legs of a network


class HopPacket(Packet):
    """A packet on its way: ``seq`` and ``sent_ns`` are those of its row, ``place`` is which row of
    a train it is, if it is one."""

    __slots__ = ("leg", "place", "row_number", "sent_ns", "seq")

    leg: Leg
    place: int
    row_number: int
    seq: int
    sent_ns: int

    def copy(self, number: int) -> HopPacket:
        """Return a duplicate."""
        twin = super().copy(number)
        assert isinstance(twin, HopPacket)
        twin.leg, twin.row_number = self.leg, self.row_number
        twin.seq, twin.sent_ns = self.seq, self.sent_ns
        self.leg.inside += 1
        self.leg.copies += 1
        return twin


def segment(flat: memoryview, k: int, legs: list[Leg]) -> HopPacket:
    """Return row ``k`` of rows that lie one behind the other as an object."""
    at = k * _WIDTH
    leg = legs[flat[at + _LEG]]
    length = flat[at + _LENGTH]
    number = flat[at + _NUMBER]
    packet = HopPacket.__new__(HopPacket)  # machine code need not make numbers objects for __init__
    packet.number = packet.row_number = number
    packet.len = length
    packet.truesize = length + _MEMORY
    packet.ecn = flat[at + _ECN]
    packet.seq = flat[at + _SEQ]
    packet.sent_ns = flat[at + _SENT]
    packet.arrived = flat[at]
    packet.leg = leg
    packet.flow = leg.flow
    packet.hash = leg.hash
    packet.srchost, packet.dsthost = leg.hosts
    packet.stamp = packet.cb = packet.sk = packet.tstamp = packet.priority = packet.dscp = 0
    packet.pacing_rate = _UNPACED
    packet.marked = False
    packet.tcp = None
    if leg.acks is not None:
        packet.tcp = _ack_header(packet, leg.acks.get(number))
    return packet


def _ack_header(packet: HopPacket, ack: Ack | None) -> TcpAck:
    """Return what a filter reads of an ACK, with packets for bytes."""
    blocks = tuple(ack[3] or ()) if ack is not None else ()
    flags = ACK if packet.seq >= 0 else ACK | SYN
    sent_ms = packet.arrived // MS_NS
    return TcpAck(flags, max(packet.seq, 0), sent_ms, packet.sent_ns, blocks, 0)


def segments(rows: Rows, legs: list[Leg]) -> list[HopPacket]:
    """Return rows as objects."""
    flat = memoryview(np.ascontiguousarray(rows).reshape(-1))
    return [segment(flat, k, legs) for k in range(len(rows))]


def rows_of(reached: Sequence[tuple[int, Packet] | tuple[int, int, Packet]]) -> Rows:
    """Return objects as rows; the last of what stands before each is when it reaches what comes
    next."""
    if not reached:
        return NO_ROWS
    rows = np.empty((len(reached), WIDTH), dtype=np.int64)
    flat = memoryview(rows.reshape(-1))
    at = 0
    for row in reached:
        packet = row[-1]
        assert isinstance(packet, HopPacket)
        flat[at] = row[-2]
        flat[at + _LEG] = packet.leg.number
        flat[at + _LENGTH] = packet.len
        flat[at + _ECN] = packet.ecn
        flat[at + _SEQ] = packet.seq
        flat[at + _SENT] = packet.sent_ns
        flat[at + _NUMBER] = packet.row_number
        at += _WIDTH
    return rows


def in_order(parts: Sequence[Rows]) -> Rows:
    """Return rows of several parts by when they arrive; at one instant as the parts follow."""
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    times = rows[:, REACH]
    if bool((times[1:] >= times[:-1]).all()):
        return rows
    return rows[times.argsort(kind="stable")]


def split(rows: Rows, until_ns: int) -> tuple[Rows, Rows]:
    """Return those of rows in order that arrive before a time, and the others."""
    n = len(rows)
    if n == 0 or rows[n - 1, REACH] < until_ns:
        return rows, NO_ROWS
    k = int(rows[:, REACH].searchsorted(until_ns))
    return rows[:k], rows[k:]
