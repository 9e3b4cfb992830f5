"""pfifo, bfifo, pfifo_head_drop: first in, first out (``net/sched/sch_fifo.c``).

The queue takes packets until its limit and hands them out in order. A full pfifo or bfifo drops the
packet that arrives; pfifo_head_drop drops the oldest one instead and appends the new one, so that
what leaves is young and a sender learns of congestion one queue earlier.

=====  =======  =======  =================================================
limit  packets  1000     how many packets fit; of bfifo bytes, 1,514,000
=====  =======  =======  =================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import CONGESTION, DROPPED, OneQueue, Packet
from ccsim.net.qdisc.parameters import Parameter

__all__ = ["Bfifo", "Pfifo", "PfifoHeadDrop"]


class _Fifo(OneQueue):
    """What the three have in common."""

    __slots__ = ("drops", "limit")

    TRAINS: ClassVar = True
    OBSERVED: ClassVar = ("qlen", "backlog", "limit", "drops")

    def __init__(self, *args: Any, **options: Any) -> None:
        self.drops = 0
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        if "limit" in values:
            self.limit: int = values["limit"]

    def gives(self, length: int, arrived: int, now: int) -> bool:
        self.qlen -= 1
        self.backlog -= length
        return True

    def _refuse(self, packet: Packet) -> int:
        self.drops += 1
        self.dropped.append(packet)
        return DROPPED


class Pfifo(_Fifo):
    """A FIFO bounded in packets."""

    __slots__ = ()

    kind: ClassVar = "pfifo"
    summary: ClassVar = "a FIFO of packets: the tail is dropped"
    PARAMETERS: ClassVar = (Parameter("limit", "packets", 1000, "how many packets fit"),)

    def enqueue(self, packet: Packet, now: int) -> int:
        return self._append(packet) if self.qlen < self.limit else self._refuse(packet)

    def takes(self, length: int, now: int) -> bool:
        if self.qlen >= self.limit:
            return False
        self.qlen += 1
        self.backlog += length
        return True


class Bfifo(_Fifo):
    """A FIFO bounded in bytes."""

    __slots__ = ()

    kind: ClassVar = "bfifo"
    summary: ClassVar = "a FIFO of bytes: the tail is dropped"
    PARAMETERS: ClassVar = (Parameter("limit", "bytes", 1_514_000, "how many bytes fit"),)

    def enqueue(self, packet: Packet, now: int) -> int:
        fits = self.backlog + packet.len <= self.limit
        return self._append(packet) if fits else self._refuse(packet)

    def takes(self, length: int, now: int) -> bool:
        if self.backlog + length > self.limit:
            return False
        self.qlen += 1
        self.backlog += length
        return True


class PfifoHeadDrop(Pfifo):
    """A FIFO bounded in packets that makes room at its head."""

    __slots__ = ()

    kind: ClassVar = "pfifo_head_drop"
    summary: ClassVar = "a FIFO of packets: the head is dropped"
    decides: ClassVar = "service"
    PARAMETERS: ClassVar = (Parameter("limit", "packets", 1000, "how many packets fit", minimum=1),)

    def enqueue(self, packet: Packet, now: int) -> int:
        if self.qlen < self.limit:
            return self._append(packet)
        self._refuse(self._oldest())
        self._append(packet)
        return CONGESTION
