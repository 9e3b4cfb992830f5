"""The way of a flow's packets and ACKs: its delays without queueing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FlowPath"]


@dataclass(frozen=True)
class FlowPath:
    """Delays of a flow [ns]: sender to queue, line to receiver, receiver to sender; and those of
    hops between, beside what they queue."""

    access_ns: int
    out_ns: int
    back_ns: int
    hops_ns: int = 0

    @property
    def rtt_ns(self) -> int:
        """The round trip without queueing [ns]."""
        return self.access_ns + self.out_ns + self.back_ns + self.hops_ns
