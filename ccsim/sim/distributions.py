"""Random numbers of given distributions, one uniform number each, so that a stream of them can be
read off by hand.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ccsim.spec import Distribution

__all__ = ["Uniform", "draw", "mean"]


class Uniform:
    """A stream of uniform numbers in [0, 1), multiples of 2**-53, from one seed."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def __call__(self) -> float:
        """Return the next one."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53


def draw(distribution: Distribution, u: float) -> int:
    """Return the number, rounded up, below which a share ``u`` in [0, 1) of all draws lie."""
    kind, value = distribution.kind, distribution.value
    if kind == "fixed":
        return value
    if kind == "exponential":
        return math.ceil(-math.log1p(-u) * value)
    if kind == "pareto":
        shape, top = distribution.shape, distribution.top
        within = 1.0 - u * (1.0 - (value / top) ** shape)
        found: float = value * within ** (-1.0 / shape)
        return min(math.ceil(found), top)
    return _from_table(distribution.points, u)


def _from_table(points: Sequence[tuple[int, float]], u: float) -> int:
    k = max(bisect_left(points, u, key=lambda point: point[1]), 1)
    (low, before), (high, share) = points[k - 1], points[k]
    if u <= before:  # the first point's own share
        return int(low)
    return math.ceil(low + (high - low) * (u - before) / (share - before))


def mean(distribution: Distribution) -> float:
    """Return the mean of a distribution, without the rounding up of `draw`."""
    kind, value = distribution.kind, distribution.value
    if kind == "pareto":
        return _pareto_mean(value, distribution.shape, distribution.top)
    if kind == "table":
        points = distribution.points
        inside = sum((a + b) / 2 * (q - p) for (a, p), (b, q) in pairwise(points))
        return float(points[0][0] * points[0][1] + inside)
    return float(value)


def _pareto_mean(low: float, shape: float, top: float) -> float:
    """Return the mean of a Pareto distribution cut at ``top`` (Johnson, Kotz and Balakrishnan,
    Continuous Univariate Distributions, section 20.8)."""
    ratio = low / top
    scale: float = low / (1.0 - ratio**shape)
    if shape == 1.0:
        return scale * math.log(top / low)
    cut: float = 1.0 - ratio ** (shape - 1.0)
    return scale * shape / (shape - 1.0) * cut
