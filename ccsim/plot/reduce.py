"""Fewer points, same picture: binning, decimation and grouping of trace columns (NumPy alone)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bin_delivered", "bin_width_ns", "decimate", "occupied_bins", "on_grid", "percentiles"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_BINS = 600  # three bins a point on a column 3.5 in wide: finer is ink, not information


def bin_width_ns(duration_ns: int, base_rtt_ns: int, interval_ns: int) -> int:
    """Return the display bin [ns]: 1, 2 or 5 times a power of ten, no finer than what can be seen.

    The bin is at least one base RTT (below it, throughput shows ACK clumping), at least one
    recording interval ``interval_ns``, and such that no more than 600 bins span ``duration_ns``.
    """
    least = max(base_rtt_ns, interval_ns, -(-duration_ns // MAX_BINS), 1)
    return next(width for width in _round_widths() if width >= least)


def _round_widths() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def bin_delivered(
    t_ns: Ints, delivered_bytes: Ints, bin_ns: int, start_ns: int, end_ns: int
) -> tuple[Ints, Floats]:
    """Return the edges [ns] of the bins between two times and the bytes delivered in each.

    Edges are the multiples of ``bin_ns`` inside (start, end) and both ends; a sliver shorter than
    half a bin joins its neighbour, since a rate over a sliver is noise. Between samples delivery
    counts as linear; the bins sum to what was delivered from ``start_ns`` to ``end_ns``. No samples
    or an empty span give no bins.
    """
    if not len(t_ns) or end_ns <= start_ns:
        return np.zeros(0, np.int64), np.zeros(0)
    first = start_ns // bin_ns + 1
    inner = np.arange(first, -(-end_ns // bin_ns), dtype=np.int64) * bin_ns
    inner = inner[(inner - start_ns >= bin_ns / 2) & (end_ns - inner >= bin_ns / 2)]
    edges = np.concatenate(([start_ns], inner, [end_ns]))
    if t_ns[0] > start_ns:
        t_ns = np.concatenate(([start_ns], t_ns))
        delivered_bytes = np.concatenate(([0], delivered_bytes))
    at_edges = np.interp(edges, t_ns, delivered_bytes.astype(np.float64))
    return edges, np.diff(at_edges)


def decimate(t: Floats, y: Floats, columns: int, thickness: float = 0.0) -> tuple[Floats, Floats]:
    """Return the points of ``t, y`` that a plot ``columns`` pixels wide can tell apart.

    Of each pixel column the first, last, lowest and highest points stay, in their order, so that no
    peak is lost and the line enters and leaves every column where it did. NaN (a gap) survives as
    one point a column. Where the points of a column differ by less than ``thickness`` times the
    range of all, each becomes their mean: nobody sees what is smaller than the line is thick, but
    its ups and downs would use a dashed line's dashes up and make it look solid.
    """
    n = len(t)
    if n <= 4 * columns or t[-1] <= t[0]:
        return t, y
    column = np.minimum(((t - t[0]) * (columns / (t[-1] - t[0]))).astype(np.int64), columns - 1)
    y = _flattened(y, column, thickness)
    keep = np.zeros(n, dtype=bool)
    by_time = _ends_of_groups(column)
    keep[by_time] = True
    gap = np.isnan(y)
    for key in (np.where(gap, np.inf, y), np.where(gap, -np.inf, y)):  # NaN never is an extreme
        order = np.lexsort((key, column))
        keep[order[_ends_of_groups(column)]] = True
    return t[keep], y[keep]


def _flattened(y: Floats, column: Ints, thickness: float) -> Floats:
    """Return ``y`` with the mean instead of the points of a column that are almost equal."""
    finite = y[np.isfinite(y)]
    if not thickness or not len(finite):
        return y
    first = np.flatnonzero(np.diff(column, prepend=-1))
    low, high = (extreme.reduceat(y, first) for extreme in (np.minimum, np.maximum))  # NaN stays
    lengths = np.diff(first, append=len(y))
    mean = np.add.reduceat(y, first) / lengths
    flat = high - low < thickness * float(np.ptp(finite))
    return np.where(np.repeat(flat, lengths), np.repeat(mean, lengths), y)


def _ends_of_groups(group: Ints) -> Ints:
    """Return the index of the first and of the last row of each run of equal values."""
    steps = np.flatnonzero(np.diff(group))
    return np.concatenate(([0], steps, steps + 1, [len(group) - 1]))


def occupied_bins(t_ns: Ints, duration_ns: int, bins: int) -> Floats:
    """Return the centres [s] of those of ``bins`` equal bins that hold at least one instant."""
    if not len(t_ns) or duration_ns <= 0:
        return np.zeros(0)
    index = np.unique(np.clip(t_ns * bins // duration_ns, 0, bins - 1))
    return np.asarray((index + 0.5) * (duration_ns / bins) / 1e9)


def on_grid(t_ns: Ints, y: NDArray[np.generic], grid_ns: Ints, end_ns: int) -> Floats:
    """Return the last sample up to each grid time; NaN before the first and after ``end_ns``."""
    out = np.full(len(grid_ns), np.nan)
    index = np.searchsorted(t_ns, grid_ns, side="right") - 1
    inside = (index >= 0) & (grid_ns <= end_ns)
    out[inside] = y[index[inside]]
    return out


def percentiles(rows: Floats, quantiles: Sequence[float]) -> list[Floats]:
    """Return nearest-rank quantiles down each column of ``rows[flow, time]``, NaN left out."""
    ranked = np.sort(rows, axis=0)  # NaN sorts last
    count = np.sum(~np.isnan(rows), axis=0)
    at = np.arange(rows.shape[1])
    return [ranked[np.rint(q * np.maximum(count - 1, 0)).astype(np.int64), at] for q in quantiles]
