"""Tests of paired differences, corrected for how many there are, and sizes of effects.

Wilcoxon's signed ranks (Wilcoxon 1945, exact with ties), sign flips (Fisher 1935), Holm's
correction (Holm 1979), Cliff's delta (Cliff 1993), Cohen's d of pairs (Cohen 1988, d_z), and how
many pairs a difference takes (Guenther 1981).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LEVEL",
    "cliffs_delta",
    "detectable_difference",
    "holm",
    "least_p",
    "paired_cohens_d",
    "pairs_needed",
    "pairs_to_tell",
    "permutation_p",
    "wilcoxon_p",
]

Floats = NDArray[np.float64]
NORMAL = NormalDist()
LEVEL = 0.05
EXACT_RANKS = 200
"""Up to that many pairs the signed ranks' distribution is worked out exactly."""
EXACT_FLIPS = 16
"""Up to that many pairs all sign flips are tried."""
FLIPS = 99_999


def wilcoxon_p(differences: ArrayLike) -> float:
    """Return the two-sided p of the signed-rank test that differences are symmetric about 0.

    Differences of 0 are left out, as Wilcoxon did; equal ones share their mean rank, and the
    distribution given the ranks is exact up to 200 pairs, normal with corrections for ties and
    continuity beyond. 1 if nothing is left.
    """
    d = _finite(differences)
    d = d[d != 0]
    if not len(d):
        return 1.0
    doubled = _doubled_ranks(np.abs(d))
    positive = int(doubled[d > 0].sum())
    if len(d) > EXACT_RANKS:
        return _normal_p(doubled, positive)
    counts = np.zeros(int(doubled.sum()) + 1)
    counts[0] = 1.0
    for rank in doubled:  # each rank counts as positive or not, with equal chances
        shifted = np.zeros_like(counts)
        shifted[rank:] = counts[: len(counts) - rank]
        counts = (counts + shifted) / 2
    below, above = counts[: positive + 1].sum(), counts[positive:].sum()
    return float(min(2 * min(below, above), 1.0))


def permutation_p(differences: ArrayLike, seed: int = 0) -> float:
    """Return the two-sided p of the test that flips the signs of differences, on their mean.

    All flips up to 16 pairs; else 99,999 random ones beside the one observed (Phipson, Smyth
    2010), so that p is never 0. 1 without a difference.
    """
    d = _finite(differences)
    if not len(d) or not d.any():
        return 1.0
    rounding = 1e-12 * float(np.abs(d).sum())  # sums in another order differ in the last bits
    observed = abs(float(d.sum())) - rounding
    if len(d) <= EXACT_FLIPS:
        bits = np.arange(1 << len(d))[:, None] >> np.arange(len(d)) & 1
        return float(np.mean(np.abs((1 - 2 * bits) @ d) >= observed))
    generator = np.random.default_rng(seed)
    reached = 0
    for first in range(0, FLIPS, 10_000):
        signs = generator.integers(0, 2, (min(10_000, FLIPS - first), len(d)))
        reached += int(np.count_nonzero(np.abs((1 - 2 * signs) @ d) >= observed))
    return (reached + 1) / (FLIPS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given (Holm 1979); NaN stays."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), math.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def least_p(pairs: int, tests: int) -> float:
    """Return the least p, corrected after Holm, that a signed-rank test of that many pairs can give
    among that many tests: that of differences of one sign, 2 / 2^n times the number of tests."""
    return min(tests * 2.0 / 2.0**pairs, 1.0)


def pairs_to_tell(tests: int) -> int:
    """Return from how many pairs on one of that many tests can give less than `LEVEL`."""
    return math.floor(math.log2(2 * tests / LEVEL)) + 1


def cliffs_delta(x: ArrayLike, y: ArrayLike) -> float:
    """Return P(X > Y) - P(X < Y) over all pairs of values, -1 to 1; NaN without values."""
    a, b = _finite(x), np.sort(_finite(y))
    if not len(a) or not len(b):
        return math.nan
    smaller = np.searchsorted(b, a, side="left")
    larger = len(b) - np.searchsorted(b, a, side="right")
    return float((smaller - larger).sum()) / (len(a) * len(b))


def paired_cohens_d(differences: ArrayLike) -> float:
    """Return the mean of differences over their standard deviation (d_z); NaN below two.

    NaN, too, for differences that are all equal, which have no spread to be measured by.
    """
    d = _finite(differences)
    if len(d) < 2:
        return math.nan
    mean, spread = float(d.mean()), float(d.std(ddof=1))
    return math.nan if spread == 0 or np.all(d == d[0]) else mean / spread


def pairs_needed(
    spread: float, difference: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Return how many seeds a paired two-sided test takes to find a mean ``difference``.

    ``spread`` is the standard deviation of the differences, in the same unit. n = (z_{1-α/2} +
    z_{power})² (spread / difference)² + z²_{1-α/2} / 2 (Guenther 1981), a normal approximation to
    the paired t-test, within one pair of its exact n; Wilcoxon's test takes about 5 % more
    (its efficiency is 3/π). ValueError for a difference of 0 or odd chances.
    """
    if not difference or math.isnan(difference):
        raise ValueError(f"difference: expected other than 0, got {difference}")
    z_alpha, z_power = _quantiles(alpha, power)
    if spread == 0:
        return 2
    exact = ((z_alpha + z_power) * spread / difference) ** 2 + z_alpha**2 / 2
    return max(math.ceil(exact), 2)


def detectable_difference(
    spread: float, pairs: int, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the mean difference that this many seeds find with that power; inverse of
    `pairs_needed`, infinite where no difference is found by so few."""
    z_alpha, z_power = _quantiles(alpha, power)
    left = pairs - z_alpha**2 / 2
    return (z_alpha + z_power) * spread / math.sqrt(left) if left > 0 else math.inf


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"alpha, power: expected between 0 and 1, got {alpha} and {power}")
    return NORMAL.inv_cdf(1 - alpha / 2), NORMAL.inv_cdf(power)


def _finite(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    return x[~np.isnan(x)]


def _doubled_ranks(x: Floats) -> NDArray[np.int64]:
    """Return twice the ranks from 1 on; equal values share their mean rank, so these are whole."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (2 * last - counts + 1)[inverse].astype(np.int64)


def _normal_p(doubled: NDArray[np.int64], positive: int) -> float:
    """Return the normal approximation; the variance is Σ rank² / 4, whatever the ties."""
    ranks = doubled / 2
    away = abs(positive / 2 - ranks.sum() / 2)
    z = max(away - 0.5, 0.0) / math.sqrt(float((ranks**2).sum()) / 4)
    return 2 * (1 - NORMAL.cdf(z))
