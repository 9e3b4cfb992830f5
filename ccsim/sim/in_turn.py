"""Flows that share something: they act in the order of time, not one after the other.

The programs of compiled objects share variables and maps among all connections. A window is
computed flow by flow, which others cannot notice. These would see each other's values at the wrong
times, and which ones would depend on where windows are cut.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Protocol

__all__ = ["Turn", "advance_in_turn"]


class Turn(Protocol):
    """A flow that waits for its turn."""

    index: int
    closed_ns: int | None

    def next_event_ns(self) -> int:
        """Return when its next event is due; no later than it is."""

    def advance(self, horizon_ns: int) -> None:
        """Let everything happen before a time."""


def advance_in_turn(flows: Iterable[Turn], horizon_ns: int) -> None:
    """Let everything happen to the flows before the horizon, an instant at a time; of one instant
    in the order of their indices."""
    turns = [(flow.next_event_ns(), flow.index, flow) for flow in flows]
    heapq.heapify(turns)
    while turns and turns[0][0] < horizon_ns:
        t, index, flow = turns[0]
        flow.advance(t + 1)
        if flow.closed_ns is None:
            heapq.heapreplace(turns, (flow.next_event_ns(), index, flow))
        else:
            heapq.heappop(turns)
