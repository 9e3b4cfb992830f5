"""The queue of `ccsim.net.fifo` as a qdisc, for hops that need more than its closed form: drop-tail
with room for a number of packets, the one on the line among them, and its marking at a threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ccsim.net.qdisc.base import BOOT_NS, Packet, set_ce
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.fifo import Pfifo

if TYPE_CHECKING:
    from ccsim.net.hop import Hop

__all__ = ["LineFifo"]


class LineFifo(Pfifo):
    """A FIFO that counts its ``hop``'s packet on the line.

    A packet is marked that finds more than ``mark_packets``, or has waited longer than ``mark_ns``
    when its own service begins; None: never.
    """

    __slots__ = ("hop", "mark_ns", "mark_packets")

    kind: ClassVar = "fifo"
    summary: ClassVar = "a FIFO of packets, with the one on the line: the tail is dropped"
    hop: Hop

    def __init__(
        self, limit: int, *, mark_packets: int | None = None, mark_ns: int | None = None
    ) -> None:
        self.mark_packets = mark_packets
        self.mark_ns = mark_ns
        super().__init__({"limit": limit}, BOOT_NS, Draws(0))

    def enqueue(self, packet: Packet, now: int) -> int:
        inside = self.qlen + self.hop.serving
        if inside >= self.limit:
            return self._refuse(packet)
        if self.mark_packets is not None and inside > self.mark_packets:
            set_ce(packet)
        return self._append(packet)

    def takes(self, length: int, now: int) -> bool:
        inside = self.qlen + self.hop.serving
        if inside >= self.limit or (self.mark_packets is not None and inside > self.mark_packets):
            return False
        self.qlen += 1
        self.backlog += length
        return True

    def gives(self, length: int, arrived: int, now: int) -> bool:
        if self.mark_ns is not None and now - arrived > self.mark_ns:
            return False
        return Pfifo.gives(self, length, arrived, now)

    def dequeue(self, now: int) -> Packet | None:
        packet = Pfifo.dequeue(self, now)
        waited = packet is not None and now - BOOT_NS - packet.arrived
        if packet is not None and self.mark_ns is not None and waited > self.mark_ns:
            set_ce(packet)
        return packet
