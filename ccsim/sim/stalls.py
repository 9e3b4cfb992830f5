"""Stalls of a host, drawn second by second, so that a time tells by itself whether it falls into
one.

Where they are given by quantiles of lateness, write S(x) for the share of what falls due that is
late by more than x. Stalls of length D that begin at random, a rate r of them longer than x, make
S(x) the integral of r from x on, so r(x) = -S'(x). Between the 99th and the 99.9th percentile S is
a power of x; from there r falls to nothing at the maximum.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.distributions import draw
from ccsim.spec import Distribution, Stalls

__all__ = ["LONGEST_NS", "HostStalls", "draws_of", "lengths_ns", "mean_gap_ns", "uniform"]

Column = NDArray[np.int64]
Shares = NDArray[np.float64]

LONGEST_NS = NS_PER_S = 1_000_000_000
KEPT = 4  # seconds, of which those that follow are asked again and again


class HostStalls:
    """The stalls of one host; ``seed`` decides them."""

    def __init__(self, stalls: Stalls, seed: int) -> None:
        self.stalls = stalls
        self.gap_ns = stalls.gap_ns if stalls.length_ns else mean_gap_ns(stalls)
        self._seed = seed
        self._own: dict[int, tuple[Column, Column]] = {}
        self._seconds: dict[int, tuple[list[int], list[int]]] = {}

    def awake(self, t_ns: int) -> int:
        """Return ``t_ns``, or the end of the stall that it falls into."""
        starts, ends = self._second(t_ns // NS_PER_S)
        k = bisect_right(starts, t_ns) - 1
        return ends[k] if k >= 0 and t_ns < ends[k] else t_ns

    def awake_column(self, t_ns: Column) -> Column:
        """Like `awake`, with each of many times."""
        seconds = t_ns // NS_PER_S
        awake = t_ns.copy()
        for number in range(int(seconds.min()), int(seconds.max()) + 1):
            starts, ends = self._second(number)
            if starts:
                here = np.flatnonzero(seconds == number)
                k = np.searchsorted(starts, t_ns[here], side="right") - 1
                until = np.where(k >= 0, np.array(ends)[k], 0)
                awake[here] = np.maximum(t_ns[here], until)
        return awake

    def _second(self, number: int) -> tuple[list[int], list[int]]:
        """Return when stalls begin that reach into a second, and up to when the host stalls then,
        both ascending."""
        found = self._seconds.get(number)
        if found is None:
            found = self._seconds[number] = self._made(number)
            while len(self._seconds) > KEPT:
                del self._seconds[next(iter(self._seconds))]
        return found

    def _made(self, number: int) -> tuple[list[int], list[int]]:
        starts, ends = self._drawn(number)
        if number:
            _, before = self._drawn(number - 1)
            if len(before) and before.max() > number * NS_PER_S:  # one goes on from there
                starts = np.concatenate(([number * NS_PER_S], starts))
                ends = np.concatenate(([before.max()], ends))
        return starts.tolist(), np.maximum.accumulate(ends).tolist() if len(ends) else []

    def _drawn(self, number: int) -> tuple[Column, Column]:
        """Return when the stalls begin and end that begin in a second."""
        found = self._own.get(number)
        if found is None:
            found = self._own[number] = self._draw(number)
            while len(self._own) > KEPT:
                del self._own[next(iter(self._own))]
        return found

    def _draw(self, number: int) -> tuple[Column, Column]:
        bits = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        likely = NS_PER_S / self.gap_ns
        many = math.ceil(likely + 6 * math.sqrt(likely)) + 1
        at = np.empty(0, dtype=np.int64)
        while not len(at) or at[-1] < NS_PER_S:
            gaps = np.ceil(-np.log1p(-uniform(bits, many)) * self.gap_ns).astype(np.int64)
            at = np.concatenate((at, (at[-1] if len(at) else 0) + np.cumsum(gaps)))
        at = at[at < NS_PER_S]
        lengths = np.minimum(self._lengths(uniform(bits, len(at))), LONGEST_NS)
        starts = at + number * NS_PER_S
        return starts, starts + lengths

    def _lengths(self, shares: Shares) -> Column:
        length = self.stalls.length_ns
        if length is None:
            return lengths_ns(self.stalls, shares)
        return np.array(draws_of(length, shares), dtype=np.int64)


def draws_of(distribution: Distribution, shares: Shares) -> list[int]:
    """Return the numbers below which such shares of all draws lie."""
    return [draw(distribution, float(u)) for u in shares]


def uniform(bits: np.random.PCG64, n: int) -> Shares:
    """Return uniform numbers in [0, 1), multiples of 2**-53."""
    raw: NDArray[np.uint64] = bits.random_raw(n)
    found: Shares = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


def mean_gap_ns(stalls: Stalls) -> float:
    """Return how far apart stalls begin that are longer than the 99th percentile of lateness
    [ns]."""
    return 100 * stalls.p99_ns / _power(stalls)


def lengths_ns(stalls: Stalls, shares: Shares) -> Column:
    """Return the lengths [ns] that ``shares`` (0 to 1) of all stalls exceed."""
    power, p99, p999 = _power(stalls), float(stalls.p99_ns), float(stalls.p999_ns)
    share_beyond = (p999 / p99) ** -(1 + power)  # of stalls longer than the 99.9th percentile
    rate_beyond = power * 0.001 / p999
    tail = float(stalls.max_ns) - p999
    bend = max(rate_beyond * tail / 0.001 - 1, 0.0)
    shares = np.maximum(shares, 1e-12)
    power_law = p99 * shares ** (-1 / (1 + power))
    within = np.minimum(shares / share_beyond, 1.0)
    beyond = p999 + tail * (1 - (within ** (1 / bend) if bend else 0.0 * within))
    return np.where(shares > share_beyond, power_law, beyond).astype(np.int64)


def _power(stalls: Stalls) -> float:
    return math.log(10) / math.log(stalls.p999_ns / stalls.p99_ns)
