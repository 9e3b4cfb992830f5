"""Trace columns as compact JSON: whole numbers, as differences, thinned where they are too many."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccsim.plot.reduce import decimate

__all__ = ["pack_times", "pack_values", "packed_series", "thinned"]

US = 1_000
Floats = NDArray[np.float64]


def pack_times(t_ns: ArrayLike) -> list[int]:
    """Return times as ``[unit, first, step, count, step, count, …]``: the unit in whole
    microseconds, the largest of which all others are multiples, then these multiples.

    Of no times it is ``[1]``.
    """
    t_us = np.round(np.asarray(t_ns, dtype=np.float64) / US).astype(np.int64)
    unit = max(int(np.gcd.reduce(t_us)), 1) if len(t_us) else 1
    packed = [unit, *(t_us[:1] // unit).tolist()]
    for step, same in groupby((np.diff(t_us) // unit).tolist()):
        packed += (step, len(list(same)))
    return packed


def pack_values(values: ArrayLike, size: float) -> list[int | None]:
    """Return values in whole multiples of ``size``, each less the one before; None for NaN.

    The first is given in full. An error never grows: it is the rounding of that value alone.
    """
    units = np.asarray(values, dtype=np.float64) / size
    known = np.isfinite(units)
    whole = np.round(units[known]).astype(np.int64)
    packed: list[int | None] = [None] * len(units)
    steps = np.diff(whole, prepend=np.int64(0)).tolist()
    for row, step in zip(np.flatnonzero(known).tolist(), steps, strict=True):
        packed[row] = step
    return packed


def thinned(t_ns: ArrayLike, values: ArrayLike, points: int) -> tuple[Floats, Floats]:
    """Return at most about ``points`` rows, with the lowest and highest of each stretch kept.

    The times stay in nanoseconds; few enough rows are returned as they are.
    """
    times = np.asarray(t_ns, dtype=np.float64)
    return decimate(times, np.asarray(values, dtype=np.float64), max(points // 4, 1))


def packed_series(t_ns: ArrayLike, values: ArrayLike, points: int, size: float) -> dict[str, Any]:
    """Return ``t``, ``values`` and ``size`` of a line as the page's scripts unpack them."""
    times, kept = thinned(t_ns, values, points)
    return {"t": pack_times(times), "values": pack_values(kept, size), "size": size}
