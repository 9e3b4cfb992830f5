"""A hop: a queueing discipline, a line and a delay, run in windows (Chandy and Misra's clocks).

A hop knows all that arrives before its clock ``known_ns`` and nothing of what comes later, so it
runs up to that instant and not one nanosecond further. What it then knows of the future is a bound:
nothing that is not decided yet leaves before it. A hop behind it may run up to its bound and the
delay between, so hops in a row, and hops in a circle whose delays and service times add up to
something, advance one another.

At one instant a change of the qdisc's parameters comes first, then its timer, the end of a
transmission, the watchdog, and arrivals, by source and then in the order in which they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ccsim.errors import InvariantError
from ccsim.net.delay_process import DelayProcess
from ccsim.net.fifo import DATA_BYTES_MIN
from ccsim.net.hop_log import HopLog
from ccsim.net.hop_packets import Leg, Rows, rows_of, segments
from ccsim.net.loss import BernoulliLoss
from ccsim.net.qdisc.base import AQM, BOOT_NS, FILTERED, LOST, NEVER, OVERFLOW, Packet, Qdisc
from ccsim.net.rate_process import FOREVER, RateProcess

__all__ = ["Change", "Departure", "Hop", "NoLine"]

Departure = tuple[int, int, Packet]  # when it has left the line, when it arrives, the packet
Change = tuple[int, Mapping[str, Any]]  # when [ns], the qdisc's parameters that change
_AQM, _FILTERED, _LOST = AQM, FILTERED, LOST
_BOOT_NS, _FOREVER, _NEVER = BOOT_NS, FOREVER, NEVER
_DATA_BYTES_MIN = DATA_BYTES_MIN
LEAST_BITS = 8 * 40  # no packet is shorter than the headers of IPv4 and TCP


class NoLine(RateProcess):
    """A line that takes no time: for a qdisc in front of another hop, such as netem."""

    __slots__ = ()

    def finish(self, start: int, bits: int) -> int:
        """Return the start."""
        return start

    def earliest(self, start: int, bits: int) -> int:
        """Return the start."""
        return start

    def changes(self, t: int) -> int:
        """Return FOREVER."""
        return FOREVER


class Hop:
    """A directed hop. Times are nanoseconds of the simulation; the qdisc's clock is `BOOT_NS`
    ahead, since a kernel's is never 0. Lengths on the line are those of the packets.

    ``drops`` are (time, packet), in order; the caller empties it. ``least_bits`` bounds how short a
    packet can be. ``loss`` comes before the queue, and spares packets without data. ``changes`` of
    the qdisc's parameters are known beforehand, in order. ``log`` is told what happens.
    """

    __slots__ = (
        *("arrivals", "busy_ns", "bytes_dropped", "bytes_in", "bytes_out", "changes", "delay"),
        *("drops", "filtered", "known_ns", "least_bits", "legs", "line", "log", "loss", "order"),
        "out",
        *("packets_dropped", "packets_in", "packets_out", "qdisc", "serving", "serving_bytes"),
        "wake_ns",
    )

    def __init__(
        self,
        qdisc: Qdisc,
        line: RateProcess,
        delay: DelayProcess,
        least_bits: int = LEAST_BITS,
        *,
        loss: BernoulliLoss | None = None,
        changes: Iterable[Change] = (),
        log: HopLog | None = None,
    ) -> None:
        self.qdisc = qdisc
        self.line = line
        self.delay = delay
        self.least_bits = least_bits
        self.loss = loss
        self.changes = list(changes)
        self.log = log
        self.legs: list[Leg] = []  # of the network, whose rows it takes
        self.filtered = 0  # how many ACKs the qdisc has filtered out
        self.known_ns = 0
        self.serving = False
        self.serving_bytes = 0  # of the packet on the line
        self.busy_ns = 0  # when the transmission in progress ends, or the last one has ended
        self.wake_ns = _FOREVER
        self.arrivals: list[tuple[int, int, int, Packet]] = []  # time, source, order
        self.out: list[Departure] = []  # in the present window
        self.order = 0
        self.drops: list[tuple[int, Packet]] = []
        self.packets_in = self.packets_out = self.packets_dropped = 0
        self.bytes_in = self.bytes_out = self.bytes_dropped = 0

    def take(self, rows: Iterable[tuple[int, Packet]], source: int = 0) -> None:
        """Take what a source sends: (time, packet), not before `known_ns`, in order of sending."""
        for t, packet in rows:
            if t < self.known_ns:
                raise InvariantError(
                    f"expected arrivals from {self.known_ns} ns on, got one at {t} ns"
                )
            self.order += 1
            self.arrivals.append((t, source, self.order, packet))

    def take_rows(self, rows: Rows, source: int) -> None:
        """Take what a source sends, as rows."""
        arrivals, order, known = self.arrivals, self.order, self.known_ns
        for packet in segments(rows, self.legs):
            t = packet.arrived
            if t < known:
                raise InvariantError(f"expected arrivals from {known} ns on, got one at {t} ns")
            order += 1
            arrivals.append((t, source, order, packet))
        self.order = order

    def run_rows(self, until_ns: int) -> Rows:
        """Like `run`; return what has left, or is on the line, as rows."""
        return rows_of(self.run(until_ns))

    def run(self, until_ns: int) -> list[Departure]:
        """Run up to an instant before which all arrivals are known; return what has left, or is on
        the line, in order."""
        if until_ns <= self.known_ns:
            return []
        arrivals = self.arrivals
        arrivals.sort()  # never by packets: the order of sending is unique
        taken = 0
        for t, _, _, packet in arrivals:
            if t >= until_ns:
                break
            self._come_to(t)
            self._arrive(t, packet)
            taken += 1
        del arrivals[:taken]
        self._finish(until_ns)
        out, self.out = self.out, []
        return out

    def _come_to(self, t: int) -> None:
        """Do all up to an instant that is no arrival, and take the samples before it."""
        log = self.log
        while (now := self._own_ns()) <= t:
            if log is not None and log.next_ns < now:
                log.sample(self, now)
            self._do_own(now)
        if log is not None and log.next_ns < t:
            log.sample(self, t)

    def _finish(self, until_ns: int) -> None:
        """Do what is left before an instant, after which nothing is known."""
        self._come_to(until_ns - 1)
        self.known_ns = until_ns
        if self.log is not None and self.log.next_ns < until_ns:
            self.log.sample(self, until_ns)

    def next_ns(self) -> int:
        """Return when the next packet is due that is known, to arrive or to leave; FOREVER if none
        is."""
        due_ns = self._due_ns()
        for row in self.arrivals:
            due_ns = min(due_ns, row[0])
        return due_ns

    def _due_ns(self) -> int:
        """Return when the line does something next, or the qdisc's watchdog."""
        return min(self.busy_ns, self.wake_ns) if self.serving else self.wake_ns

    def _own_ns(self) -> int:
        """Return when something is to happen next that is no arrival."""
        due, tick = self._due_ns(), self.qdisc.tick_ns
        if tick != _NEVER and tick - _BOOT_NS < due:
            due = tick - _BOOT_NS
        if self.changes and self.changes[0][0] < due:
            due = self.changes[0][0]
        return due

    def _do_own(self, now: int) -> None:
        """Do the first of what was to happen: a change, the qdisc's timer, what the line does."""
        qdisc = self.qdisc
        if self.changes and self.changes[0][0] == now:
            self._change(now)
        elif qdisc.tick_ns != _NEVER and qdisc.tick_ns - _BOOT_NS == now:
            qdisc.tick(now + _BOOT_NS)
            self._collect(now, _AQM)
        else:
            self._act(now)

    def _act(self, now: int) -> None:
        """Do what was due: the end of a transmission, else the watchdog."""
        if self.serving and now == self.busy_ns:
            self._serve(now)
            return
        self.wake_ns = _FOREVER
        if not self.serving:
            self._serve(now)

    def bound_ns(self) -> int:
        """Return an instant before which nothing leaves the line that `run` has not returned."""
        free = max(self.known_ns, self.busy_ns) if self.serving else self.known_ns
        return self.line.earliest(free, self.least_bits) if free < _FOREVER else _FOREVER

    def reach_ns(self) -> int:
        """Return an instant before which nothing else arrives at the other end."""
        bound = self.bound_ns()
        return self.delay.earliest(bound) if bound < _FOREVER else _FOREVER

    def on_line(self) -> int:
        """Return the length of the packet on the line [bytes]; 0 if there is none."""
        return self.serving_bytes if self.serving else 0

    def check(self) -> None:
        """Raise InvariantError unless packets and bytes in are those out, dropped and inside."""
        qdisc = self.qdisc
        inside = list(qdisc.packets())
        held = len(inside), sum(packet.len for packet in inside)
        came = self.packets_in + qdisc.copies, self.bytes_in + qdisc.copied_bytes
        gone = self.packets_out + self.packets_dropped, self.bytes_out + self.bytes_dropped
        if came != (gone[0] + held[0], gone[1] + held[1]):
            raise InvariantError(
                f"{qdisc.kind}: expected {came[0]} packets and {came[1]} bytes out, dropped or "
                f"inside, got {gone[0]} + {held[0]} and {gone[1]} + {held[1]}"
            )
        if (qdisc.qlen, qdisc.backlog) != held and qdisc.kind != "police":
            raise InvariantError(
                f"{qdisc.kind}: expected qlen and backlog {held}, got {qdisc.qlen, qdisc.backlog}"
            )

    def _change(self, now: int) -> None:
        """Set parameters of the qdisc, which may drop what no longer fits."""
        self.qdisc.change(self.changes.pop(0)[1], now + _BOOT_NS)
        self._collect(now, OVERFLOW)

    def _arrive(self, now: int, packet: Packet) -> None:
        self.packets_in += 1
        self.bytes_in += packet.len
        packet.arrived = now
        if self.loss is not None and packet.len > _DATA_BYTES_MIN and self.loss.draw():
            self._dropped(now, packet, _LOST)
            return
        qdisc = self.qdisc
        qdisc.wake_ns = _NEVER
        verdict = qdisc.enqueue(packet, now + _BOOT_NS)
        if qdisc.dropped or qdisc.wake_ns != _NEVER:
            self._collect(now, qdisc.reason(verdict))
        if not self.serving:
            self._serve(now)

    def _ask(self, now: int) -> Packet | None:
        """Ask for the next packet, which is then on the line."""
        qdisc = self.qdisc
        qdisc.wake_ns = _NEVER
        packet = qdisc.dequeue(now + _BOOT_NS)
        if qdisc.dropped or qdisc.wake_ns != _NEVER:
            self._collect(now, _AQM)
        self.serving = packet is not None
        return packet

    def _serve(self, now: int) -> None:
        """Ask for the next packet and send it."""
        packet = self._ask(now)
        if packet is None:
            return
        self.busy_ns = end = self.line.finish(now, 8 * packet.len)
        self.packets_out += 1
        self.bytes_out += packet.len
        self.serving_bytes = packet.len
        if self.log is not None:
            self._note(now, packet)
        if end < _FOREVER:
            self.out.append((end, self.delay.reach(end), packet))

    def _note(self, now: int, packet: Packet) -> None:
        """Note how long a packet has waited, and the mark that it got here."""
        assert self.log is not None
        self.log.sojourn_ns = now - packet.arrived
        if packet.marked:
            self.log.mark(now, packet)
            packet.marked = False

    def _collect(self, now: int, reason: int) -> None:
        """Note what a call dropped, and when it asked to be woken."""
        qdisc = self.qdisc
        if qdisc.wake_ns != _NEVER:
            self.wake_ns = qdisc.wake_ns - _BOOT_NS
        if not qdisc.dropped:
            return
        filtered: int = getattr(qdisc, "ack_drops", 0)
        for packet in qdisc.dropped:
            if self.filtered < filtered:
                self.filtered += 1
                self._dropped(now, packet, _FILTERED)
            else:
                self._dropped(now, packet, reason)
        qdisc.dropped.clear()

    def _dropped(self, now: int, packet: Packet, reason: int) -> None:
        self.packets_dropped += 1
        self.bytes_dropped += packet.len
        self.drops.append((now, packet))
        if self.log is not None:
            self.log.drop(now, packet, reason)
