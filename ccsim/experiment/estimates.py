"""One number for the replications of one cell of a study: with its interval, its n, its censoring.

Means come with a BCa interval. Times that may not have come by the end of the observation have no
mean: their median does, and its interval from order statistics needs no distribution (Conover 1999,
section 3.2).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ccsim.experiment.statistics import FEW, bca_interval

__all__ = ["Estimate", "mean_estimate", "median_estimate"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate from ``n`` replications, of which ``censored`` only gave a lower bound.

    ``value`` is None without a replication, ``low`` and ``high`` are None without an interval.
    Where ``value_open`` or ``high_open`` is set, that number is a bound which the true one exceeds.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    kind: str = "mean"
    censored: int = 0
    value_open: bool = False
    high_open: bool = False

    @property
    def few(self) -> bool:
        """Whether so few replications have an interval that it is too narrow as a rule."""
        return self.low is not None and self.n < FEW

    @property
    def differs(self) -> bool:
        """Whether there is an interval to rely on, and it lies on one side of 0."""
        if self.low is None or self.high is None or self.few:
            return False
        return not self.low <= 0 <= self.high


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Return the mean and its 95 % BCa interval; NaN values are left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Estimate(None, None, None, 0)
    found = bca_interval(known, confidence=CONFIDENCE)
    return Estimate(found.estimate, found.low, found.high, found.n)


def median_estimate(values: Sequence[float], censored: Sequence[bool]) -> Estimate:
    """Return the median of times and its interval of at least 95 %, from order statistics.

    A censored time is a lower bound of one that is not known: the low end counts it as that, the
    high end as later than all others, so that the interval holds whichever it was. Where that makes
    a difference to the median, it is open. No interval below six values: from fewer none has that
    confidence.
    """
    pairs = [(v, c) for v, c in zip(values, censored, strict=True) if not math.isnan(v)]
    if not pairs:
        return Estimate(None, None, None, 0, "median")
    n, beyond = len(pairs), sum(c for _, c in pairs)
    least = sorted(value for value, _ in pairs)
    most = sorted(math.inf if c else value for value, c in pairs)
    value = statistics.median(least)
    value_open = statistics.median(most) != value
    row = _row(n)
    if row is None:
        return Estimate(value, None, None, n, "median", beyond, value_open)
    last = n - 1 - row
    high_open = math.isinf(most[last])
    high = least[last] if high_open else most[last]
    return Estimate(value, least[row], high, n, "median", beyond, value_open, high_open)


def _row(n: int) -> int | None:
    """Return the largest row r, from 0, such that the rows r and n - 1 - r of a sorted sample hold
    the median between them with 95 %: 1 - 2 P(Bin(n, 1/2) <= r); None if there is none.
    """
    tail, found = 0.0, None
    for row in range(n // 2):
        tail += math.comb(n, row) / 2**n
        if 1 - 2 * tail < CONFIDENCE:
            break
        found = row
    return found
