"""What decides: Sobol's indices of a complete grid, exactly.

Sobol 1993 and Homma, Saltelli 1996. Where every combination of the factors' levels was run, the
means that the indices are made of are plain means over an axis, and nothing is estimated but what
chance does; the last axis is the seeds, which count as a factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.statistics import Interval, student_interval

__all__ = ["CHANCE", "Share", "grid_of", "shares", "sobol_indices"]

Floats = NDArray[np.float64]
CHANCE = "chance"
"""What the seeds' axis is called."""


@dataclass(frozen=True, slots=True)
class Share:
    """A factor's share of the variance: by itself (``first``) and with all in which it takes part
    (``total``), each with its 95 % interval over seeds."""

    factor: str
    first: Interval
    total: Interval


def grid_of(
    rows: Sequence[Mapping[str, Any]], factors: Sequence[str], seed: str, metric: str
) -> Floats:
    """Return a metric's values with an axis for each factor and the last for seeds.

    ValueError if a combination is missing, is there twice, or has no value.
    """
    names = (*factors, seed)
    levels = [list(dict.fromkeys(row[name] for row in rows)) for name in names]
    grid = np.full([len(some) for some in levels], math.nan)
    for row in rows:
        place = tuple(some.index(row[name]) for some, name in zip(levels, names, strict=True))
        value = row[metric]
        grid[place] = math.nan if value is None else value
    if len(rows) != grid.size or np.isnan(grid).any():
        missing = int(np.isnan(grid).sum())
        raise ValueError(
            f"{metric}: expected one value for each of {grid.size} combinations of "
            f"{', '.join(names)}, got {len(rows)} rows, and {missing} have none"
        )
    return grid


def sobol_indices(grid: Floats) -> tuple[Floats, Floats]:
    """Return first-order and total indices, one an axis; NaN where nothing varies.

    First: Var(E[f | x_i]) / Var(f). Total: E[Var(f | all but x_i)] / Var(f).
    """
    variance = grid.var()
    axes = range(grid.ndim)
    with np.errstate(invalid="ignore"):
        first = [grid.mean(axis=tuple(a for a in axes if a != axis)).var() for axis in axes]
        total = [grid.var(axis=axis).mean() for axis in axes]
        return np.array(first) / variance, np.array(total) / variance


def shares(grid: Floats, factors: Sequence[str]) -> list[Share]:
    """Return each factor's share and that of chance, by the jackknife over seeds (Student's t of
    its pseudo-values)."""
    n = grid.shape[-1]
    whole = np.stack(sobol_indices(grid))
    without = [
        np.stack(sobol_indices(np.delete(grid, s, axis=-1))) if n > 1 else whole for s in range(n)
    ]
    pseudo = np.stack([n * whole - (n - 1) * one for one in without])
    return [
        Share(
            name,
            *(_with(whole[kind, i], student_interval(pseudo[:, kind, i])) for kind in (0, 1)),
        )
        for i, name in enumerate((*factors, CHANCE))
    ]


def _with(estimate: float, jackknifed: Interval) -> Interval:
    """Return the plain estimate with the width of the jackknife's interval."""
    half = jackknifed.half_width
    n = jackknifed.n
    if math.isinf(half):
        return Interval(float(estimate), None, None, n, note=jackknifed.note)
    return Interval(float(estimate), float(estimate) - half, float(estimate) + half, n)
