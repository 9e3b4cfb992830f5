"""The receiving half of a script's connection: bytes for the application, ACKs for the peer.

The emulated receiver counts packets. All that a script injects is known beforehand, so a packet
here is a stretch between two neighbouring edges of its segments.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ccsim.tcp.ack_rows import AckRow, AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sack_blocks import EceBlocks

__all__ = ["Ack", "Inbox"]

QUICK_MOST = 16  # TCP_MAX_QUICKACKS
MSS_DEFAULT = 536
Blocks = tuple[int, ...]


class Ack:
    """An acknowledgement: sequence number, SACK blocks (start, end, …), whether it bears ECE."""

    __slots__ = ("blocks", "ece", "number")

    def __init__(self, number: int, blocks: Blocks, ece: bool) -> None:
        self.number = number
        self.blocks = blocks
        self.ece = ece


class Inbox:
    """What has come in. ``ranges`` are those of all segments that may come.

    ``wup`` is what was acknowledged last, ``read_seq`` how far the application has read, ``fin``
    the sequence number of the peer's FIN (-1: not come), ``mss`` the peer's segment size as it is
    estimated (``icsk_ack.rcv_mss``).
    """

    def __init__(self, host: Host, ranges: list[tuple[int, int]], mss: int, rwnd: int) -> None:
        self.edges = sorted({1, *(edge for pair in ranges for edge in pair)})
        self.mss_most = mss
        self.mss = min(mss, MSS_DEFAULT)
        self.receiver = Receiver(host, min(max(rwnd // (2 * self.mss), 2), QUICK_MOST))
        self.wup = self.read_seq = 1
        self.fin = -1
        self.pushes = False  # data have come that are acknowledged once they are read

    @property
    def nxt(self) -> int:
        """The next byte that is missing."""
        return self.edges[self.receiver.rcv_nxt]

    @property
    def unread(self) -> int:
        """Bytes that the application may read."""
        return self.nxt - self.read_seq - (self.finished and self.read_seq <= self.fin)

    @property
    def left(self) -> int:
        """What TCP_INQ tells: bytes to be read, and one more once the FIN has come
        (``tcp_inq_hint``)."""
        return self.nxt - self.read_seq

    @property
    def finished(self) -> bool:
        """Whether all up to the peer's FIN has come."""
        return 0 <= self.fin < self.nxt

    @property
    def due_ns(self) -> int:
        """When the delayed ACK is due [ns]."""
        return self.receiver.delack_ns

    @property
    def ece(self) -> bool:
        """Whether segments bear ECE."""
        echo = self.receiver.ecn
        return echo is not None and echo.ece

    def take(
        self, t_ns: int, start: int, end: int, *, fin: bool, push: bool, ecn: str | None, cwr: bool
    ) -> Ack | None:
        """Take a segment with data or a FIN; return the ACK that it elicits at once, if any."""
        if fin:
            self.fin = end - 1
        self._measure(end - start - fin, push)
        first, last = bisect_left(self.edges, start), bisect_left(self.edges, end)
        receiver = self.receiver
        receiver.see_ecn(first, ect=ecn in ("ect0", "ect1", "ce"), ce=ecn == "ce", cwr=cwr)
        rows = AckRows()
        waiting = receiver.delack_ns
        before = self.nxt
        if end <= before or self._is_held(first, last):
            receiver.receive((t_ns,), (first,), (0,), rows)
            return self._duplicate(rows[-1], start, end)
        repeated = () if fin else self._repeated(start, end)
        first = max(first, receiver.rcv_nxt)
        if first == receiver.rcv_nxt:
            self._in_order(end, fin, last - first)
        if first == receiver.rcv_nxt and not receiver.starts:
            receiver.receive_merged(t_ns, first, last - first, 0, rows)
        else:
            self._one_by_one(t_ns, range(first, last), rows)
        if rows:
            ack = self.answered(rows[-1])
            if repeated:
                kept = self.current().blocks
                ack.blocks = (repeated + kept)[: 2 * receiver.blocks_max]
            return ack
        receiver.delack_ns = min(receiver.delack_ns, waiting)
        return None

    def _repeated(self, start: int, end: int) -> Blocks:
        """Return what of a segment with news had come before: the part that is old, or the first
        that lies out of order (``tcp_ofo_queue``, ``tcp_data_queue_ofo``)."""
        receiver, edges = self.receiver, self.edges
        if not (receiver.host.sack and receiver.host.dsack):
            return ()
        block = (start, self.nxt) if start < self.nxt else (0, 0)
        for held, held_end in zip(receiver.starts, receiver.ends, strict=True):
            low, high = max(edges[held], start), min(edges[held_end], end)
            if low < high and block == (0, 0):
                block = low, high
            elif low < high and low <= block[1]:
                block = block[0], high
        return () if block == (0, 0) else block

    def _one_by_one(self, t_ns: int, packets: range, rows: AckRows) -> None:
        """Take the parts of one segment, which is acknowledged once."""
        receiver = self.receiver
        quick = receiver.quick
        for packet in packets:
            receiver.receive((t_ns,), (packet,), (0,), rows)
        receiver.quick = max(quick - 1, 0) if rows else quick

    def _in_order(self, end: int, fin: bool, packets: int) -> None:
        """Say what is due at once: the FIN, and more than a full segment since the last ACK
        (``__tcp_ack_snd_check``)."""
        receiver = self.receiver
        if fin or end - self.wup > self.mss:
            receiver.now = True
        receiver.unacked = 1 - packets  # bytes decide, not packets

    def _measure(self, length: int, push: bool) -> None:
        """Estimate the peer's segment size (``tcp_measure_rcv_mss``)."""
        if length >= self.mss:
            self.mss = min(length, self.mss_most)
            self.pushes |= push
        elif length:
            self.pushes = True

    def _is_held(self, first: int, last: int) -> bool:
        receiver = self.receiver
        k = bisect_right(receiver.starts, first)
        return k > 0 and last <= receiver.ends[k - 1]

    def _duplicate(self, row: AckRow, start: int, end: int) -> Ack:
        """Answer a duplicate: its first block reports all of it (RFC 2883)."""
        ack = self.answered(row)
        receiver = self.receiver
        if receiver.host.sack and receiver.host.dsack:
            ack.blocks = (start, end, *ack.blocks[2:])
        return ack

    def answered(self, row: AckRow) -> Ack:
        """Turn an ACK of the emulated receiver into sequence numbers."""
        self.wup = number = self.edges[row[1]]
        edges = self.edges
        blocks = tuple(edges[edge] for block in row[3] or () for edge in block)
        return Ack(number, blocks, type(row[3]) is EceBlocks)

    def fire(self, t_ns: int) -> Ack | None:
        """Let the delayed ACK leave that is due."""
        rows = AckRows()
        self.receiver.flush(t_ns + 1, rows)
        return self.answered(rows[-1]) if rows else None

    def read(self, size: int) -> Ack | None:
        """Let the application read; return the ACK that emptying the queue elicits
        (``tcp_cleanup_rbuf``)."""
        self.read_seq += size
        receiver = self.receiver
        if receiver.delack_ns == NEVER or self.unread:
            return None
        prompt = self.pushes and not receiver.pingpong
        if not prompt and self.nxt - self.wup <= self.mss:
            return None
        return self.rides()

    def rides(self) -> Ack:
        """Acknowledge all there is with a segment that leaves now (``tcp_event_ack_sent``)."""
        receiver = self.receiver
        if receiver.delack_ns != NEVER or self.wup != self.nxt:
            receiver.count_quick()
        receiver.delack_ns = NEVER
        receiver.unacked = 0
        receiver.now = False
        self.wup = self.nxt
        return self.current()

    def current(self) -> Ack:
        """Return what any segment acknowledges that leaves now."""
        receiver = self.receiver
        blocks: Blocks = ()
        if receiver.host.sack:
            edges = self.edges
            kept = receiver.sacks[: receiver.blocks_max]
            blocks = tuple(edges[edge] for block in kept for edge in block)
        return Ack(self.nxt, blocks, self.ece)
