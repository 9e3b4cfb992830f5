"""mahimahi's queues of a link: drop-tail and drop-head, limited in packets and bytes (Netravali and
others, 2015).

Neither takes more than its limits, of which one or none may be missing. The drop-tail queue refuses
a packet with which it would exceed one; the drop-head queue takes it, and then drops from its head
until it is within both, so that a packet is dropped by itself only if it exceeds a limit alone.

=======  =======  =========  ====================
packets  packets  unlimited  how many packets fit
bytes    bytes    unlimited  how many bytes fit
=======  =======  =========  ====================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import CONGESTION, DROPPED, QUEUED, U64, OneQueue, Packet
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["DropHead", "DropTail"]

UNLIMITED = U64


class DropTail(OneQueue):
    """The queue that refuses."""

    __slots__ = ("limit_bytes", "limit_packets")

    kind: ClassVar = "mm_droptail"
    summary: ClassVar = "mahimahi's queue that drops its tail"
    PARAMETERS: ClassVar = (
        Parameter("packets", "packets", None, "how many packets fit", minimum=1),
        Parameter("bytes", "bytes", None, "how many bytes fit", minimum=1),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self.limit_packets = self.limit_bytes = UNLIMITED
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        self.limit_packets = values.get("packets", self.limit_packets)
        self.limit_bytes = values.get("bytes", self.limit_bytes)

    def enqueue(self, packet: Packet, now: int) -> int:
        full = self.qlen >= self.limit_packets or self.backlog + packet.len > self.limit_bytes
        if full:
            self.dropped.append(packet)
            return DROPPED
        return self._append(packet)


class DropHead(DropTail):
    """The queue that makes room."""

    __slots__ = ()

    kind: ClassVar = "mm_drophead"
    summary: ClassVar = "mahimahi's queue that drops its head"
    decides: ClassVar = "service"

    def enqueue(self, packet: Packet, now: int) -> int:
        self._append(packet)
        verdict = QUEUED
        while self.qlen > self.limit_packets or self.backlog > self.limit_bytes:
            self.dropped.append(self._oldest())
            verdict = CONGESTION
        return verdict
