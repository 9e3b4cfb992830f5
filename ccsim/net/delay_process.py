"""Delays of a line that change: when what has left it arrives.

The delay is that of the instant of departure. Where it falls, later packets can overtake earlier
ones, unless the line keeps their order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ccsim.net.rate_process import Piece, check_pieces

__all__ = ["DelayProcess"]


class DelayProcess:
    """Delays [ns] from instants on, known beforehand. With ``keep_order`` nothing arrives before
    what left earlier: departures are asked for in order then."""

    __slots__ = ("delays", "keep_order", "last", "only_ns", "starts")

    def __init__(self, pieces: Iterable[Piece], *, keep_order: bool = False) -> None:
        rows = check_pieces(pieces, "a delay")
        self.starts = [start for start, _ in rows]
        self.delays = [delay for _, delay in rows]
        self.keep_order = keep_order
        self.last = 0
        self.only_ns = rows[0][1] if len(rows) == 1 and not keep_order else -1

    def reach(self, departure: int) -> int:
        """Return when what leaves at an instant arrives."""
        if self.only_ns >= 0:
            return departure + self.only_ns
        at = departure + self.delays[bisect_right(self.starts, departure) - 1]
        if self.keep_order:
            at = self.last = max(at, self.last)
        return at

    def earliest(self, departure: int) -> int:
        """Return an instant before which nothing that leaves at ``departure`` or later arrives."""
        k = bisect_right(self.starts, departure) - 1
        first: int = departure + self.delays[k]
        for start, delay in zip(self.starts[k + 1 :], self.delays[k + 1 :], strict=True):
            first = min(first, start + delay)
        return max(first, self.last) if self.keep_order else first
