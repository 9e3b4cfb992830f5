"""A hop whose line is a trace of deliveries, with mahimahi's rules (`ccsim.net.trace_link`)."""

from __future__ import annotations

from typing import Any

from ccsim.net.delay_process import DelayProcess
from ccsim.net.delivery_trace import OPPORTUNITY_BYTES, DeliveryTrace
from ccsim.net.hop import Hop
from ccsim.net.qdisc.base import AQM, BOOT_NS, NEVER, Packet, Qdisc
from ccsim.net.rate_process import FOREVER, ConstantRate
from ccsim.units import NS_PER_MS

__all__ = ["TraceHop"]


class TraceHop(Hop):
    """A hop whose packets leave at a trace's opportunities.

    An opportunity comes before what arrives at its instant; one that finds no packet is lost, and
    what one packet leaves of it serves the next.
    """

    __slots__ = ("left_bytes", "next", "trace", "transit")

    def __init__(
        self, qdisc: Qdisc, trace: DeliveryTrace, delay: DelayProcess, **options: Any
    ) -> None:
        super().__init__(qdisc, ConstantRate(1), delay, **options)
        self.trace = trace
        self.next = 0  # the first opportunity that is still to come
        self.transit: Packet | None = None
        self.left_bytes = 0  # of the packet in transit

    def bound_ns(self) -> int:
        """Return the first opportunity that is not used: nothing leaves before it."""
        if self._waits():
            return self._instant(self.next)
        return self._instant(self.trace.first_after((self.known_ns - 1) // NS_PER_MS))

    def on_line(self) -> int:
        """Return the length of the packet that has left in part [bytes]."""
        return 0 if self.transit is None else self.transit.len

    def _waits(self) -> bool:
        return self.transit is not None or self.qdisc.qlen > 0

    def _instant(self, opportunity: int) -> int:
        at_ms = self.trace.opportunity_ms(opportunity)
        return FOREVER if at_ms is None else at_ms * NS_PER_MS

    def _due_ns(self) -> int:
        """Return when the next opportunity is that may find a packet."""
        return self._instant(self.next) if self._waits() else FOREVER

    def _arrive(self, now: int, packet: Packet) -> None:
        """Take a packet; the opportunities up to now that found none are lost."""
        if not self._waits():
            self.next = self.trace.first_after(now // NS_PER_MS)
        super()._arrive(now, packet)

    def _serve(self, now: int) -> None:
        """Ask for nothing before an opportunity."""

    def _act(self, now: int) -> None:
        """Use one opportunity."""
        self.next += 1
        room = OPPORTUNITY_BYTES
        while room:
            if self.transit is None:
                self.transit = self._next_packet(now)
                self.serving = self.transit is not None
                if self.transit is None:
                    return
                self.left_bytes = self.transit.len
            sent = min(room, self.left_bytes)
            room -= sent
            self.left_bytes -= sent
            if not self.left_bytes:
                self.out.append((now, self.delay.reach(now), self.transit))
                self.transit, self.serving = None, False

    def _next_packet(self, now: int) -> Packet | None:
        qdisc = self.qdisc
        qdisc.wake_ns = NEVER
        packet = qdisc.dequeue(now + BOOT_NS)
        if qdisc.dropped:
            self._collect(now, AQM)
        if packet is not None:
            self.packets_out += 1
            self.bytes_out += packet.len
            if self.log is not None:
                self._note(now, packet)
        return packet
