"""Rates of a line that change: when a transmission ends, and how early the next one can.

A line's capacity up to an instant is a piecewise linear function of time, in units of 10^-9 bit so
that all of it is integers. A transmission ends when the capacity has grown by its bits, so that one
under way goes on at a new rate, and through an outage not at all. A busy line loses no
fraction of a nanosecond: what has been served beyond the whole ones is kept.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ccsim.errors import CcsimError
from ccsim.net.qdisc.draws import Draws
from ccsim.units import NS_PER_S

__all__ = [
    "FOREVER",
    "ConstantRate",
    "PiecewiseRate",
    "ProcessError",
    "RateProcess",
    "check_pieces",
    "periodic",
    "random_walk",
    "with_outage",
]

_NS = NS_PER_S
FOREVER = (1 << 63) - 1  # later than anything that is simulated
Piece = tuple[int, int]  # from when [ns], how much from then on


class ProcessError(CcsimError, ValueError):
    """Pieces of a rate or delay that are none: what was expected, what came."""


class RateProcess:
    """What serves a line."""

    __slots__ = ()

    def finish(self, start: int, bits: int) -> int:
        """Transmit; return when that ends [ns]. Starts never go back, nor before the last end."""
        raise NotImplementedError

    def earliest(self, start: int, bits: int) -> int:
        """Return an instant before which no transmission that begins at ``start`` or later
        ends."""
        raise NotImplementedError

    def changes(self, t: int) -> int:
        """Return the next instant after ``t`` at which the rate changes; FOREVER if there is
        none."""
        raise NotImplementedError


class ConstantRate(RateProcess):
    """One rate [bit/s], with the arithmetic of `ccsim.net.fifo.Fifo`: the remainder of the division
    is carried from one packet to the next, also over idle time."""

    __slots__ = ("rate_bps", "remainder")

    def __init__(self, rate_bps: int) -> None:
        if rate_bps <= 0:
            raise ProcessError(f"expected a rate of more than 0 bit/s, got {rate_bps}")
        self.rate_bps = rate_bps
        self.remainder = 0

    def finish(self, start: int, bits: int) -> int:
        """Transmit; return when that ends."""
        self.remainder += bits * _NS
        service = self.remainder // self.rate_bps
        self.remainder -= service * self.rate_bps
        return start + service

    def earliest(self, start: int, bits: int) -> int:
        """Return the earliest end of what begins at ``start`` or later."""
        return start + bits * _NS // self.rate_bps

    def changes(self, t: int) -> int:
        """Return FOREVER."""
        return FOREVER


class PiecewiseRate(RateProcess):
    """Rates that are known beforehand, from instants on; 0 is an outage."""

    __slots__ = ("capacities", "rates", "served", "starts")

    def __init__(self, pieces: Iterable[Piece]) -> None:
        rows = check_pieces(pieces, "a rate")
        self.starts = [start for start, _ in rows]
        self.rates = [rate for _, rate in rows]
        self.capacities = [0]
        for (start, rate), (end, _) in pairwise(rows):
            self.capacities.append(self.capacities[-1] + rate * (end - start))
        self.served = 0  # the capacity at which the line will be free

    def capacity(self, t: int) -> int:
        """Return what could have been sent up to an instant [10^-9 bit]."""
        k = bisect_right(self.starts, t) - 1
        return self.capacities[k] + self.rates[k] * (t - self.starts[k])

    def reached(self, capacity: int) -> int:
        """Return when that much could have been sent: the nanosecond in which it is."""
        k = bisect_left(self.capacities, capacity) - 1
        k = max(k, 0)
        missing = capacity - self.capacities[k]
        if missing <= 0:
            return self.starts[k]
        return self.starts[k] + missing // self.rates[k] if self.rates[k] else FOREVER

    def finish(self, start: int, bits: int) -> int:
        """Transmit; return when that ends, FOREVER if the line stays silent before."""
        self.served = max(self.capacity(start), self.served) + bits * NS_PER_S
        return self.reached(self.served)

    def earliest(self, start: int, bits: int) -> int:
        """Return the earliest end of what begins at ``start`` or later: a piece that is faster than
        those before it counts from its own beginning."""
        k = bisect_right(self.starts, start) - 1
        fastest = max(self.rates[k:])
        return start + bits * NS_PER_S // fastest if fastest else FOREVER

    def changes(self, t: int) -> int:
        """Return the next instant after ``t`` at which the rate changes."""
        k = bisect_right(self.starts, t)
        return self.starts[k] if k < len(self.starts) else FOREVER


def check_pieces(pieces: Iterable[Piece], what: str) -> Sequence[Piece]:
    """Return pieces that begin at 0 and follow one another; ProcessError otherwise."""
    rows = list(pieces)
    if not rows or rows[0][0] != 0:
        raise ProcessError(f"expected {what} from time 0 on, got {rows[:1] or 'nothing'}")
    for (before, _), (start, _) in pairwise(rows):
        if start <= before:
            raise ProcessError(f"expected {what} at a later time than {before} ns, got {start} ns")
    for start, amount in rows:
        if amount < 0:
            raise ProcessError(f"expected {what} that is not negative at {start} ns, got {amount}")
    return rows


def with_outage(pieces: Iterable[Piece], at: int, length: int) -> list[Piece]:
    """Return rates with silence from ``at`` for ``length`` ns; then they are as they would be."""
    rows = check_pieces(pieces, "a rate")
    if at < 0 or length <= 0:
        raise ProcessError(f"expected an outage of more than 0 ns, got {length} ns at {at} ns")
    end = at + length
    after = [rate for start, rate in rows if start <= end][-1]
    before = [row for row in rows if row[0] < at]
    return [*before, (at, 0), (end, after), *(row for row in rows if row[0] > end)]


def periodic(cycle: Sequence[Piece], until: int) -> list[Piece]:
    """Return a cycle of (length [ns], amount) again and again up to an instant."""
    if not cycle or any(length <= 0 for length, _ in cycle):
        raise ProcessError(f"expected a cycle of lengths above 0 ns, got {list(cycle)}")
    pieces, at = [], 0
    while at <= until:
        for length, amount in cycle:
            pieces.append((at, amount))
            at += length
    return pieces


def random_walk(
    draws: Draws, first: int, step: int, bounds: tuple[int, int], every: int, until: int
) -> list[Piece]:
    """Return amounts that move by up to ``step`` up or down ``every`` ns, within ``bounds``."""
    low, high = bounds
    if not low <= first <= high or step <= 0 or every <= 0:
        raise ProcessError(
            f"expected a walk within {low} to {high} by steps above 0, got {first}, by {step} "
            f"every {every} ns"
        )
    pieces, amount = [], first
    for at in range(0, until + 1, every):
        pieces.append((at, amount))
        amount += draws.u64() % (2 * step + 1) - step
        amount = min(max(amount, low), high)
    return pieces
