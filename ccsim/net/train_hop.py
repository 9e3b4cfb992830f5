"""A hop whose qdisc is one queue in order: packets pass as rows, and become objects only where the
qdisc has to decide about one (a drop, a mark, a wait for tokens).

`Hop` is the definition: whichever of the two runs, the same packets leave, are dropped and marked
at the same instants, and the qdisc goes through the same states.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsim.errors import InvariantError
from ccsim.net.fifo import DATA_BYTES_MIN
from ccsim.net.hop import Hop
from ccsim.net.hop_packets import (
    ECN,
    LENGTH,
    NO_ROWS,
    REACH,
    WIDTH,
    HopPacket,
    Leg,
    Rows,
    in_order,
    segment,
    split,
)
from ccsim.net.qdisc.base import AQM, BOOT_NS, LOST, NEVER, Packet, Qdisc
from ccsim.net.rate_process import FOREVER

__all__ = ["RowQueue", "TrainHop"]

_AQM, _LOST = AQM, LOST
_BOOT_NS, _FOREVER, _NEVER = BOOT_NS, FOREVER, NEVER
_DATA_BYTES_MIN = DATA_BYTES_MIN
_ECN, _LENGTH, _WIDTH = ECN, LENGTH, WIDTH
_MARKED = 4


class RowQueue:
    """The rows inside a qdisc, which sees those it asks for as packets: a queue like a deque's.

    Behind the rows inside lie those that are to arrive in the present window. ``order`` holds the
    places of those inside, from ``head`` to ``tail``. The codepoint of one that has been marked
    here is `_MARKED` more, until that is noted when it leaves.
    """

    __slots__ = ("flat", "head", "legs", "order", "places", "qdisc", "rows", "tail")

    def __init__(self, qdisc: Qdisc) -> None:
        self.qdisc = qdisc
        self.legs: list[Leg] = []
        self._hold(NO_ROWS, 0)

    def begin(self, arrivals: Rows) -> None:
        """Put what is to arrive behind what is inside."""
        inside = self.inside()
        rows = np.concatenate([inside, arrivals]) if len(inside) else arrivals
        self._hold(np.ascontiguousarray(rows), len(inside))

    def _hold(self, rows: Rows, inside: int) -> None:
        self.rows = rows
        self.flat = memoryview(rows.reshape(-1))
        self.places = np.arange(len(rows), dtype=np.int64)
        self.order = memoryview(self.places)
        self.head, self.tail = 0, inside

    def inside(self) -> Rows:
        """Return the rows inside, in order."""
        return self.rows[self.places[self.head : self.tail]]

    def packet(self, place: int) -> HopPacket:
        """Return a row as a packet, as it is in the queue."""
        packet = segment(self.flat, place, self.legs)
        packet.place = place
        packet.marked = packet.ecn >= _MARKED
        packet.ecn &= _MARKED - 1
        packet.stamp = self.qdisc.stamp_of(packet.arrived + _BOOT_NS)
        return packet

    def put(self, place: int) -> None:
        """Append a row."""
        self.order[self.tail] = place
        self.tail += 1

    def append(self, packet: Packet) -> None:
        """Append a packet, of which the qdisc has changed at most the codepoint."""
        assert isinstance(packet, HopPacket)
        sent: HopPacket = packet
        self.flat[sent.place * _WIDTH + _ECN] = sent.ecn + _MARKED * sent.marked
        self.put(sent.place)

    def popleft(self) -> HopPacket:
        """Take the oldest off."""
        if self.head == self.tail:
            raise IndexError("pop from an empty queue")
        packet = self.packet(self.order[self.head])
        self.head += 1
        return packet

    def __len__(self) -> int:
        return self.tail - self.head

    def __getitem__(self, k: int) -> HopPacket:
        return self.packet(self.order[self.head + k])

    def __iter__(self) -> Iterator[Packet]:
        return (self[k] for k in range(len(self)))


class TrainHop(Hop):
    """A hop for qdiscs with ``TRAINS``; rows are `take_rows` and `run_rows`."""

    __slots__ = ("count", "left", "pending", "queue", "reached")

    def __init__(self, qdisc: Qdisc, *args: Any, **options: Any) -> None:
        super().__init__(qdisc, *args, **options)
        self.queue = RowQueue(qdisc)
        qdisc.hold(self.queue)
        self.pending: dict[int, list[Rows]] = {}  # rows to come, by source
        self.left = self.reached = memoryview(np.empty(0, dtype=np.int64))
        self.count = 0  # rows that have left in the present window

    def take_rows(self, rows: Rows, source: int) -> None:
        """See `Hop`."""
        first = int(rows[:, REACH].min())
        if first < self.known_ns:
            raise InvariantError(
                f"expected arrivals from {self.known_ns} ns on, got one at {first} ns"
            )
        self.pending.setdefault(source, []).append(rows)

    def run_rows(self, until_ns: int) -> Rows:
        """See `Hop`."""
        if until_ns <= self.known_ns:
            return NO_ROWS
        queue = self.queue
        arrivals = self._arriving(until_ns)
        if arrivals:
            queue.legs = self.legs
            queue.begin(in_order(arrivals))
        n = len(queue.rows)
        left, reached = np.empty((2, n), dtype=np.int64)
        self.left, self.reached, self.count = memoryview(left), memoryview(reached), 0
        self._run(queue.flat, queue.tail if arrivals else n, n, until_ns)
        count = self.count
        if not count:
            return NO_ROWS
        out = queue.rows[left[:count]]
        out[:, REACH] = reached[:count]
        return out

    def next_ns(self) -> int:
        """See `Hop`."""
        due_ns = self._due_ns()
        for parts in self.pending.values():
            for rows in parts:
                due_ns = min(due_ns, int(rows[:, REACH].min()))
        return due_ns

    def _arriving(self, until_ns: int) -> list[Rows]:
        """Return what arrives before an instant, of each source by itself."""
        arrivals = []
        for source in sorted(self.pending):
            now, later = split(in_order(self.pending[source]), until_ns)
            if len(later):
                self.pending[source] = [later]
            else:
                del self.pending[source]
            if len(now):
                arrivals.append(now)
        return arrivals

    def _run(self, flat: memoryview, k: int, n: int, until_ns: int) -> None:
        """Do all that happens before an instant: rows ``k`` to ``n`` arrive."""
        for place in range(k, n):
            t = flat[place * _WIDTH]
            self._come_to(t)
            self._arrive_row(t, place, flat[place * _WIDTH + _LENGTH])
        self._finish(until_ns)

    def _arrive_row(self, now: int, place: int, length: int) -> None:
        self.packets_in += 1
        self.bytes_in += length
        queue, qdisc = self.queue, self.qdisc
        if self.loss is not None and length > _DATA_BYTES_MIN and self.loss.draw():
            self._dropped(now, queue.packet(place), _LOST)
            return
        if qdisc.takes(length, now + _BOOT_NS):
            queue.put(place)
        else:
            qdisc.wake_ns = _NEVER
            verdict = qdisc.enqueue(queue.packet(place), now + _BOOT_NS)
            if qdisc.dropped or qdisc.wake_ns != _NEVER:
                self._collect(now, qdisc.reason(verdict))
        if not self.serving:
            self._serve(now)

    def _serve(self, now: int) -> None:
        """Ask for the next packet and send it."""
        queue, qdisc = self.queue, self.qdisc
        if queue.head < queue.tail:
            place = queue.order[queue.head]
            length, arrived = queue.flat[place * _WIDTH + _LENGTH], queue.flat[place * _WIDTH]
            if qdisc.gives(length, arrived + _BOOT_NS, now + _BOOT_NS):
                queue.head += 1
                self.serving = True
                self._depart(now, place, length)
                if self.log is not None:
                    self.log.sojourn_ns = now - arrived
                if queue.flat[place * _WIDTH + _ECN] >= _MARKED:
                    self._take_note(now, place)
                return
        packet = self._ask(now)
        if packet is None:
            return
        assert isinstance(packet, HopPacket)
        sent: HopPacket = packet
        queue.flat[sent.place * _WIDTH + _ECN] = sent.ecn
        self._depart(now, sent.place, sent.len)
        if self.log is not None:
            self._note(now, packet)

    def _take_note(self, now: int, place: int) -> None:
        """Note a mark that a row got when it came."""
        if self.log is not None:
            self.log.mark(now, self.queue.packet(place))
        self.queue.flat[place * _WIDTH + _ECN] &= _MARKED - 1

    def _depart(self, now: int, place: int, length: int) -> None:
        """Send a row."""
        self.busy_ns = end = self.line.finish(now, 8 * length)
        self.packets_out += 1
        self.bytes_out += length
        self.serving_bytes = length
        if end < _FOREVER:
            self.left[self.count] = place
            self.reached[self.count] = self.delay.reach(end)
            self.count += 1
