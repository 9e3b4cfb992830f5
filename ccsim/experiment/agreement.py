"""Whether a kernel and the simulator agree on what swaps cost: metric by metric, each with its
interval, and over all cells by rank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.estimates import Estimate, mean_estimate
from ccsim.experiment.statistics import FEW

__all__ = ["RESOLUTION", "estimate_of", "figure", "overlap", "part", "rank_correlation"]

RESOLUTION: Mapping[str, float] = {
    "deficit_s": 0.02,
    "deficit_peak_bytes": 15_000,
    "dip_worst_ratio": 0.02,
    "drops_in_second_after": 2,
    "extra_drops": 2,
    "rtos": 0,
    "queue_excess_ms": 1.0,
    "rtt_p99_ms": 0.5,
    "longest_stall_s": 0.01,
    "neighbour_harm": 0.02,
    "jain_index": 0.01,
}
"""What is compared of a swap, and a difference of means that is none: two samples of the smoothed
RTT or of bytes, a packet or two, a hundredth of a share."""
ELSEWHERE = {"neighbour_harm": ("neighbours", "harm"), "jain_index": ("fairness", "jain_index")}


def figure(swap: Mapping[str, Any], metric: str) -> float:
    """Return a metric of a measured swap, of everybody, or else of the first flow that the swap
    reached; NaN if there is none."""
    place, key = ELSEWHERE.get(metric, ("total", metric))
    for row in (swap.get(place) or {}, *swap["flows"][:1]):
        if isinstance(row.get(key), int | float):
            return float(row[key])
    return math.nan


def estimate_of(values: Sequence[float]) -> Estimate:
    """Return the mean of the values that are known; one distinct outcome has no interval."""
    known = [value for value in values if not math.isnan(value)]
    if len(set(known)) == 1:
        return Estimate(known[0], None, None, len(known))
    return mean_estimate(known)


def part(kernel: Estimate, simulated: Estimate, resolution: float, few: int = FEW) -> bool:
    """Return whether two intervals do not overlap and the means differ by more than can be told;
    never where the kernel has fewer than ``few`` values, which make its interval too narrow."""
    if kernel.n < few:
        return False
    if kernel.value is None or simulated.value is None:
        return (kernel.value is None) != (simulated.value is None)
    if abs(kernel.value - simulated.value) <= resolution:
        return False
    return not overlap(kernel, simulated)


def overlap(one: Estimate, other: Estimate) -> bool:
    """Return whether two intervals overlap; a value without one is held against the other's."""
    if one.value is None or other.value is None:
        return (one.value is None) == (other.value is None)
    (low, high), (from_, to) = _ends(one), _ends(other)
    return low <= to and from_ <= high


def _ends(estimate: Estimate) -> tuple[float, float]:
    value = math.nan if estimate.value is None else estimate.value
    low, high = estimate.low, estimate.high
    return value if low is None else low, value if high is None else high


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Spearman's coefficient, ties at their mean rank (1904); NaN for fewer than six pairs
    that are known, of which it says next to nothing, or where one side is all equal."""
    pairs = np.array([p for p in zip(x, y, strict=True) if not any(map(math.isnan, p))])
    if len(pairs) < FEW:
        return math.nan
    a, b = _ranks(pairs[:, 0]), _ranks(pairs[:, 1])
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else math.nan


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])
