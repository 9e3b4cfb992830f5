"""Marking at a threshold: a packet that finds more than so much queued bears CE (RFC 3168; the
step of RFC 8257 section 4.1, ``ce_threshold`` of ``fq_codel``).

The decision falls at the arrival, from the departures of what was queued before; it changes neither
departures nor drops. Packets that are not ECN-capable pass unmarked, and are not dropped for it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ccsim.spec import Path

__all__ = ["DelayStep", "Marker", "PacketStep", "make_marker"]

Column = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Marker(Protocol):
    """Decides which packets of a FIFO would bear CE."""

    def marks(self, queued: Column, arrivals: Column, departures: Column) -> Flags:
        """Return which of the packets that arrived at ``arrivals`` [ns] are marked.

        ``queued`` holds the departures of all packets accepted, in order: of those that may have
        been inside when the first arrived, and of these and others since. ``departures`` are the
        packets' own, negative for one that was not accepted and is not marked.
        """


class PacketStep:
    """Marks a packet that finds more than ``threshold`` packets, with the one in service."""

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold

    def marks(self, queued: Column, arrivals: Column, departures: Column) -> Flags:
        """See `Marker`: the packet ``threshold + 1`` places ahead is still inside."""
        ahead = queued.searchsorted(departures) - (self.threshold + 1)
        inside = queued[np.maximum(ahead, 0)] > arrivals
        return inside & (ahead >= 0) & (departures >= 0)


class DelayStep:
    """Marks a packet that has to wait longer than ``threshold_ns`` until its own service."""

    def __init__(self, threshold_ns: int) -> None:
        self.threshold_ns = threshold_ns

    def marks(self, queued: Column, arrivals: Column, departures: Column) -> Flags:
        """See `Marker`: service begins when the packet ahead has left."""
        ahead = queued.searchsorted(departures) - 1
        waits = queued[np.maximum(ahead, 0)] - arrivals > self.threshold_ns
        return waits & (ahead >= 0) & (departures >= 0)


def make_marker(path: Path) -> Marker | None:
    """Return the marker of a path; None if it does not mark."""
    if path.ecn_mark_packets is not None:
        return PacketStep(path.ecn_mark_packets)
    return None if path.ecn_mark_ns is None else DelayStep(path.ecn_mark_ns)
