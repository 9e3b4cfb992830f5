"""A run's events, grouped once by kind and flow, so that each look-up is a bisection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from ccsim.sim.traces import Event

__all__ = ["Instants"]


class Instants:
    """The instants [ns] of events by kind and flow, in order of time."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._times: dict[tuple[str, str], list[int]] = {}
        for event in events:
            self._times.setdefault((event.kind, event.flow), []).append(event.t_ns)
        for times in self._times.values():
            times.sort()

    def count(self, kind: str, flow: str, t0_ns: int, t1_ns: int) -> int:
        """Return how many events of a kind a flow had in ``[t0, t1)``."""
        times = self._times.get((kind, flow), [])
        return max(bisect_left(times, t1_ns) - bisect_left(times, t0_ns), 0)

    def first(self, kind: str, flow: str, t_ns: int) -> int | None:
        """Return the first instant from ``t_ns`` on at which a flow had an event of a kind."""
        times = self._times.get((kind, flow), [])
        row = bisect_left(times, t_ns)
        return times[row] if row < len(times) else None
