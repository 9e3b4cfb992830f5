"""Intervals: bias-corrected and accelerated bootstrap (BCa), with their n and what to think of it.

Efron 1987, "Better bootstrap confidence intervals"; equation numbers are those of Efron and
Tibshirani 1993, "An introduction to the bootstrap", chapter 14. Everything is deterministic: the
resamples come from a seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FEW", "Interval", "bca_interval", "paired_differences", "student_interval"]

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Reduces the last axis of an array."""
NORMAL = NormalDist()
RESAMPLES = 9999
FEW = 6
"""Below this n a bootstrap interval is too narrow as a rule, and no exact signed-rank test can
reach p < 0.05 (2 / 2**5 = 0.0625)."""
_CELLS = 4_000_000
"""How many resampled values are in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval and the number of replications behind it.

    ``low`` and ``high`` are None where there is no interval; ``note`` says why, or why it should
    not be trusted.
    """

    estimate: float
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95
    note: str = ""

    @property
    def half_width(self) -> float:
        """Half the interval's length; infinite without one."""
        if self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.estimate:.4g} ({self.note or f'n = {self.n}: no interval'})"
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}] (n = {self.n})"


def paired_differences(values: ArrayLike, twins: ArrayLike) -> Floats:
    """Return value less twin for each seed, in order; pairs with a NaN are left out.

    ValueError if the two have different lengths.
    """
    x, y = np.asarray(values, dtype=np.float64), np.asarray(twins, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"expected pairs, got shapes {x.shape} and {y.shape}")
    differences = x - y
    return np.asarray(differences[~np.isnan(differences)])


def bca_interval(
    values: ArrayLike,
    statistic: Statistic | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a statistic of independent values (the mean) and its BCa interval.

    NaN values are left out. There is no interval of fewer than two values, nor of values that are
    all equal, whose resamples tell nothing. ValueError for a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected more than 0 and less than 1, got {confidence}")
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    reduce = _mean if statistic is None else statistic
    if len(x) < 2:
        estimate = float(reduce(x)) if len(x) else math.nan
        return Interval(estimate, None, None, len(x), confidence, f"n = {len(x)}: no interval")
    estimate = float(reduce(x))
    if np.all(x == x[0]):
        note = f"all {len(x)} values are equal: no interval"
        return Interval(float(x[0]), None, None, len(x), confidence, note)
    low, high = _bca(x, reduce, estimate, confidence, resamples, seed)
    note = f"n = {len(x)}: too few, the interval is too narrow as a rule" if len(x) < FEW else ""
    return Interval(estimate, low, high, len(x), confidence, note)


T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The 97.5th percentile of Student's t for 1 to 30 degrees of freedom (Fisher and Yates, table
III); beyond, the normal's is within 0.08 of it."""


def student_interval(values: ArrayLike) -> Interval:
    """Return the mean of independent values and its 95 % interval by Student's t: what a handful of
    values has, which are too few for a bootstrap. NaN values are left out; no interval of fewer
    than two, nor of values that are all equal."""
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[~np.isnan(x)]
    estimate = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return Interval(estimate, None, None, len(x), note=f"n = {len(x)}: no interval")
    if np.all(x == x[0]):
        note = f"all {len(x)} values are equal: no interval"
        return Interval(float(x[0]), None, None, len(x), note=note)
    t = T_975[len(x) - 2] if len(x) - 2 < len(T_975) else NORMAL.inv_cdf(0.975)
    half = t * float(x.std(ddof=1)) / math.sqrt(len(x))
    return Interval(estimate, estimate - half, estimate + half, len(x))


def _mean(x: Floats) -> Floats:
    return np.asarray(x.mean(axis=-1))


def _bca(
    x: Floats, reduce: Statistic, estimate: float, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the ends of the interval (eq. 14.9)."""
    replicates = _replicates(x, reduce, resamples, seed)
    bias = _bias(replicates, estimate)
    acceleration = _acceleration(x, reduce)
    tail = (1 - confidence) / 2
    low, high = (_corrected(alpha, bias, acceleration) for alpha in (tail, 1 - tail))
    ends = np.percentile(replicates, [100 * low, 100 * high])
    return float(ends[0]), float(ends[1])


def _replicates(x: Floats, reduce: Statistic, resamples: int, seed: int) -> Floats:
    """Return the statistic of resamples with replacement (fig. 6.1), drawn in blocks."""
    generator = np.random.default_rng(seed)
    block = max(_CELLS // len(x), 1)
    parts = []
    for first in range(0, resamples, block):
        shape = (min(block, resamples - first), len(x))
        parts.append(reduce(x[generator.integers(0, len(x), shape)]))
    return np.concatenate(parts)


def _bias(replicates: Floats, estimate: float) -> float:
    """Return z0, the bias correction (eq. 14.14); ties count half."""
    below = np.count_nonzero(replicates < estimate) + np.count_nonzero(replicates <= estimate)
    share = below / (2 * len(replicates))
    edge = 0.5 / len(replicates)
    return NORMAL.inv_cdf(min(max(share, edge), 1 - edge))


def _acceleration(x: Floats, reduce: Statistic) -> float:
    """Return a, the acceleration, from the jackknife (eq. 14.15); 0 if that does not vary."""
    kept = ~np.eye(len(x), dtype=np.bool_)
    if len(x) * len(x) > _CELLS:
        jackknife = np.array([reduce(np.delete(x, i)) for i in range(len(x))])
    else:
        without = np.broadcast_to(x, kept.shape)[kept].reshape(len(x), len(x) - 1)
        jackknife = reduce(without)
    away = jackknife.mean() - jackknife
    scale = float((away**2).sum()) ** 1.5
    return float((away**3).sum()) / (6 * scale) if scale > 0 else 0.0


def _corrected(alpha: float, bias: float, acceleration: float) -> float:
    """Return the percentile that stands for ``alpha`` (eq. 14.10)."""
    z = bias + NORMAL.inv_cdf(alpha)
    divisor = 1 - acceleration * z
    return NORMAL.cdf(bias + z / divisor) if divisor > 0 else float(alpha > 0.5)
