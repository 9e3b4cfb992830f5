"""What a sending host's packets and the ACKs that come say of a connection: data in flight, round
trips, what was sent again (RFC 9293, 6298, 2018).

As the sender itself would: a round trip is measured of segments that were sent once, when they are
acknowledged or SACKed for the first time (Karn). Memory grows with what is in flight, and by a row
for each 10 ms in which something happens.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["INTERVAL_NS", "Sending"]

INTERVAL_NS = 10_000_000
MOST_SEGMENTS = 1 << 20
"""Of a connection whose ACKs were not captured, the oldest are forgotten."""
MOST_LOSSES = 1 << 20
COMPACTED = 4096
HALF = 1 << 31
COLUMNS = ("t_ns", "delivered_bytes", "in_flight_bytes", "retransmissions", "srtt_us", "rtt_us")


class _Outstanding:
    """Bytes that are not acknowledged: ``again`` if they were sent more than once."""

    __slots__ = ("again", "end", "sacked", "start", "t_ns")

    def __init__(self, start: int, end: int, t_ns: int) -> None:
        self.start, self.end, self.t_ns = start, end, t_ns
        self.again = self.sacked = False


class Sending:
    """One direction of a connection. Sequence numbers are relative to the first and do not wrap.

    ``columns`` hold a row for each interval in which something happened, its time being that of the
    interval's end: payload delivered so far [bytes], SACKed or not; bytes in flight; packets sent
    again so far; smoothed RTT, and the latest [us], 0: not known. ``least_rtt_ns`` is the least RTT
    of a data segment, ``most_rtt_ns`` the largest; -1: none. ``losses`` are the times at which
    packets were sent again, the first million, and what the latest RTT was.
    """

    def __init__(self, first_seq: int, t_ns: int) -> None:
        self._first = first_seq
        self.start_ns = self.last_ns = t_ns
        self.data_ns: int | None = None  # when the first data left
        self.una = self.nxt = 0
        self.payload_bytes = 0  # sent, again too
        self.payload_again_bytes = 0
        self.packets = 0
        self.full_bytes = 0  # the largest payload of a segment
        self.retransmissions = 0
        self.duplicate_acks = 0
        self.first_flight_bytes = 0  # payload before the first ACK of data
        self.least_rtt_ns = self.most_rtt_ns = -1
        self.losses: list[tuple[int, int]] = []
        self.marks = 0  # ACKs with ECE
        self.fin = False
        self.mss = 0  # payload of a full packet, which offload hides; 0: not known
        self.columns: dict[str, array[int]] = {name: array("q") for name in COLUMNS}
        self._segments: list[_Outstanding] = []  # from `_head` on: those before are acknowledged
        self._starts: list[int] = []
        self._head = 0
        self._ranges: list[tuple[int, int]] = []  # SACKed, ascending, apart from one another
        self._answered = False  # some data has been acknowledged
        self._sacked_bytes = 0
        self._rtt_ns = 0
        self.srtt_ns = self.rttvar_ns = 0.0  # RFC 6298 section 2
        self._interval = t_ns // INTERVAL_NS
        self._dirty = False

    @property
    def in_flight_bytes(self) -> int:
        """What has left and is neither acknowledged nor SACKed."""
        return self.nxt - self.una - self._sacked_bytes

    @property
    def sacked_bytes(self) -> int:
        """What is SACKed and not acknowledged."""
        return self._sacked_bytes

    @property
    def delivered_bytes(self) -> int:
        """What is acknowledged or SACKed; SYN and FIN count as one each."""
        return self.una + self._sacked_bytes

    def _relative(self, seq: int, near: int) -> int:
        """Return a sequence number as one that does not wrap, the closest to another such one."""
        apart = (seq - self._first - near) & 0xFFFF_FFFF
        return near + (apart if apart < HALF else apart - (1 << 32))

    def _tick(self, t_ns: int) -> None:
        """Come to a time: what the interval before ended with becomes a row."""
        self.last_ns = max(self.last_ns, t_ns)
        interval = self.last_ns // INTERVAL_NS
        if interval > self._interval:
            self.flush()
            self._interval = interval
        self._dirty = True

    def flush(self) -> None:
        """Write the present interval's row, if anything has happened in it."""
        if not self._dirty:
            return
        self._dirty = False
        values = (
            (self._interval + 1) * INTERVAL_NS,
            self.delivered_bytes,
            self.in_flight_bytes,
            self.retransmissions,
            round(self.srtt_ns / 1000),
            self._rtt_ns // 1000,
        )
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)

    def sent(self, t_ns: int, seq: int, length: int, *, fin: bool = False) -> None:
        """Take a segment that leaves with ``length`` bytes of payload, or with a FIN."""
        self._tick(t_ns)
        start = self._relative(seq, self.nxt)
        end = start + length + fin
        self.fin = self.fin or fin
        packets = -(-length // self.mss) if length > self.mss > 0 else 1
        if length:
            self.packets += packets
            self.payload_bytes += length
            self.full_bytes = max(self.full_bytes, min(length, self.mss or length))
            self.data_ns = t_ns if self.data_ns is None else self.data_ns
        if end > self.nxt:
            self._append(_Outstanding(max(start, self.nxt), end, t_ns))
            if not self._answered:
                self.first_flight_bytes += length
        elif length:
            self.retransmissions += packets
            self.payload_again_bytes += length
            if len(self.losses) < MOST_LOSSES:
                self.losses.append((t_ns, self._rtt_ns))
            for segment in self._covering(start, end):
                segment.again = True

    def _append(self, segment: _Outstanding) -> None:
        self._segments.append(segment)
        self._starts.append(segment.start)
        self.nxt = segment.end
        if len(self._segments) - self._head > MOST_SEGMENTS:
            self._advance(self._segments[self._head].end)

    def _covering(self, start: int, end: int) -> list[_Outstanding]:
        """Return the unacknowledged segments that have some of these bytes."""
        first = max(bisect_right(self._starts, start) - 1, self._head)
        last = bisect_left(self._starts, end)
        return self._segments[first:last]

    def acked(
        self,
        t_ns: int,
        ack: int,
        blocks: Sequence[tuple[int, int]] = (),
        *,
        pure: bool = True,
        marked: bool = False,
    ) -> None:
        """Take an ACK that comes with SACK blocks; ``pure``: it bears no data; ``marked``: ECE."""
        self._tick(t_ns)
        self.marks += marked
        una = self._relative(ack, self.una)
        if una > self.nxt:  # what left was not captured
            self.nxt = una
        measured: list[_Outstanding] = []
        if una > self.una:
            self._answered = self._answered or self.data_ns is not None
            measured = self._advance(una)
        elif pure and una == self.una and self._head < len(self._segments):
            self.duplicate_acks += 1
        for left, right in blocks:
            start, end = (self._relative(edge, self.una) for edge in (left, right))
            if self.una <= start < end <= self.nxt:
                measured += self._sack(start, end)
        once = [segment for segment in measured if not segment.again]
        if once:
            self._measure(t_ns - once[0].t_ns, t_ns - max(one.t_ns for one in once))

    def _advance(self, una: int) -> list[_Outstanding]:
        """Let go of what is acknowledged; return the segments of which that is news."""
        segments, news = self._segments, list[_Outstanding]()
        while self._head < len(segments) and segments[self._head].end <= una:
            segment = segments[self._head]
            if not segment.sacked:
                news.append(segment)
            self._head += 1
        if self._head > COMPACTED and 2 * self._head > len(segments):
            del segments[: self._head], self._starts[: self._head]
            self._head = 0
        self.una = una
        kept = [(max(a, una), b) for a, b in self._ranges if b > una]
        if kept != self._ranges:
            self._ranges = kept
            self._sacked_bytes = sum(b - a for a, b in kept)
        return news

    def _sack(self, start: int, end: int) -> list[_Outstanding]:
        """Take a SACK block; return the segments of which it is news."""
        at = bisect_left(self._ranges, (start, start))
        if at and self._ranges[at - 1][1] >= start:
            at -= 1
        stop, edge = at, start
        news: list[_Outstanding] = []
        low, high = start, end
        while stop < len(self._ranges) and self._ranges[stop][0] <= end:
            a, b = self._ranges[stop]
            news += self._newly(edge, a)
            edge = max(edge, b)
            low, high = min(low, a), max(high, b)
            stop += 1
        news += self._newly(edge, end)
        self._sacked_bytes += high - low - sum(b - a for a, b in self._ranges[at:stop])
        self._ranges[at:stop] = [(low, high)]
        return news

    def _newly(self, start: int, end: int) -> list[_Outstanding]:
        if start >= end:
            return []
        found = [one for one in self._covering(start, end) if not one.sacked]
        for segment in found:
            segment.sacked = True
        return found

    def _measure(self, longest_ns: int, latest_ns: int) -> None:
        """Take a round trip: of the first, and of the last segment that an ACK tells of."""
        if self.data_ns is None or latest_ns < 0:
            return
        self._rtt_ns = latest_ns
        least_ns = self.least_rtt_ns
        self.least_rtt_ns = latest_ns if least_ns < 0 else min(least_ns, latest_ns)
        self.most_rtt_ns = max(self.most_rtt_ns, latest_ns)
        if not self.srtt_ns:
            self.srtt_ns, self.rttvar_ns = float(longest_ns), longest_ns / 2
            return
        self.rttvar_ns += (abs(self.srtt_ns - longest_ns) - self.rttvar_ns) / 4
        self.srtt_ns += (longest_ns - self.srtt_ns) / 8
