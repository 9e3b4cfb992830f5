"""A link that a trace drives, as mahimahi's mm-link (Netravali and others, 2015).

At each opportunity 1504 bytes may leave, of one packet or of several; a packet that needs more goes
on at the next one, and what finds no packet is lost. Opportunities up to an instant come before
what arrives at it, so a packet uses those of later milliseconds than its own.
"""

from __future__ import annotations

from ccsim.net.delivery_trace import OPPORTUNITY_BYTES, DeliveryTrace
from ccsim.net.qdisc.base import Packet, Qdisc
from ccsim.units import NS_PER_MS

__all__ = ["TraceLink"]


class TraceLink:
    """A queue whose packets leave at the opportunities of a trace.

    A packet in transit is no longer in the queue. ``departures`` are (time [ns], packet), in order;
    the caller empties it.
    """

    __slots__ = ("departures", "left_bytes", "next", "qdisc", "trace", "transit")

    def __init__(self, trace: DeliveryTrace, qdisc: Qdisc) -> None:
        self.trace = trace
        self.qdisc = qdisc
        self.next = 0  # the first opportunity that is still to come
        self.transit: Packet | None = None
        self.left_bytes = 0  # of the packet in transit
        self.departures: list[tuple[int, Packet]] = []

    def arrive(self, packet: Packet, now: int) -> int:
        """Take a packet; return the queue's verdict."""
        self.advance(now)
        return self.qdisc.enqueue(packet, now)

    def advance(self, now: int) -> None:
        """Use all opportunities up to and including ``now`` [ns]."""
        now_ms = now // NS_PER_MS
        past = self.trace.first_after(now_ms)
        while self.next < past:
            if self.transit is None and not self.qdisc.qlen:
                self.next = past
                return
            at_ms = self.trace.opportunity_ms(self.next)
            assert at_ms is not None
            self.next += 1
            self._use(at_ms * NS_PER_MS)

    def next_departure_ns(self) -> int | None:
        """Return the next opportunity [ns], before which nothing leaves; None after the last."""
        at_ms = self.trace.opportunity_ms(self.next)
        return None if at_ms is None else at_ms * NS_PER_MS

    def _use(self, at: int) -> None:
        """Use one opportunity."""
        room = OPPORTUNITY_BYTES
        while room:
            if self.transit is None:
                self.transit = self.qdisc.dequeue(at)
                if self.transit is None:
                    return
                self.left_bytes = self.transit.len
            sent = min(room, self.left_bytes)
            room -= sent
            self.left_bytes -= sent
            if not self.left_bytes:
                self.departures.append((at, self.transit))
                self.transit = None
