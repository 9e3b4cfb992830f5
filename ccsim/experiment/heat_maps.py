"""A study's matrix as heat maps: one sheet a metric, its maps by mechanism, policy and path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ccsim.experiment.axes import Axis
from ccsim.experiment.estimates import Estimate
from ccsim.experiment.matrix import METRICS, Cell, Conditions, Matrix, Metric
from ccsim.experiment.statistics import FEW
from ccsim.plot.heat import HeatCell, HeatMap, HeatSheet

__all__ = [
    "MAX_MAPS",
    "by_one_number",
    "caption_of",
    "estimate_text",
    "heat_sheets",
    "interval_text",
    "number_text",
    "series_of",
    "told",
]

MAX_CURVES, MAX_NUMERIC = 8, 24
"""That many lines can be told apart, and that many small maps looked through."""
MAX_MAPS = 60
"""A design with more conditions than these (a random one) is shown as a ranking alone."""
CAPTIONS = {
    "mean": "mean, 95 % BCa interval; bold: the interval lies on one side of 0",
    "median": "median, 95 % interval from order statistics; > : beyond what was observed",
}


def heat_sheets(matrix: Matrix) -> list[HeatSheet]:
    """Return a sheet for each metric that any cell has; none for a study without swaps.

    Two or three factors that are numbers, and few series: maps with numeric axes, a map for each
    series and value of the third. Several pairs: old × new, a map for each of the conditions. One
    pair alone: mechanisms and policies × paths, in one map. None for one number, which is a curve.
    """
    if not matrix.cells or by_one_number(matrix):
        return []
    numeric = _by_numbers(matrix)
    if len(matrix.conditions) > MAX_MAPS and not numeric:
        return []
    sheets = [_sheet(matrix, metric, numeric=numeric) for metric in METRICS]
    return [sheet for sheet in sheets if sheet.top >= 0]


def by_one_number(matrix: Matrix) -> bool:
    """Report whether the design is one number and a few series: curves show it."""
    return len(matrix.axes) == 1 and len(_series(matrix)) <= MAX_CURVES


def _by_numbers(matrix: Matrix) -> bool:
    """Report whether two or three numbers make full grids: maps with numeric axes show it."""
    if len(matrix.axes) not in (2, 3):
        return False
    places = math.prod(len(axis.values) for axis in matrix.axes)
    series = len(_series(matrix))
    maps = series * (min(len(axis.values) for axis in matrix.axes) if len(matrix.axes) > 2 else 1)
    return maps <= MAX_NUMERIC and 4 * len(matrix.cells) >= 3 * places * series


def _series(matrix: Matrix) -> list[str]:
    """Return what the design varies beside its numbers: swaps, mechanisms, paths with labels."""
    return list(dict.fromkeys(series_of(cell) for cell in matrix.cells))


def series_of(cell: Cell) -> str:
    """Return ``cubic → bbr by setsockopt``: all of a cell's conditions that are no numbers."""
    return f"{cell.swap} by {cell.series}"


def _sheet(matrix: Matrix, metric: Metric, *, numeric: bool = False) -> HeatSheet:
    pairs = {(cell.old, cell.new) for cell in matrix.cells}
    if numeric:
        maps, across, axes = _numeric_maps(matrix, metric)
    else:
        maps = _by_conditions(matrix, metric) if len(pairs) > 1 else _of_one_pair(matrix, metric)
        across = max(len({conditions.path for conditions in matrix.conditions}), 1)
        axes = ("old", "new") if len(pairs) > 1 else ("by", "on")
    estimates = [cell.estimates[metric.name] for cell in matrix.cells]
    sizes = [abs(one.value) for one in estimates if one.value is not None]
    kind = "median" if metric.censored else "mean"
    return HeatSheet(
        name=metric.name,
        title=f"{metric.title} ({metric.unit})",
        maps=tuple(maps),
        across=across,
        top=max(sizes, default=-1.0),
        axes=axes,
        numeric=numeric,
        caption=caption_of(estimates, kind),
    )


def _numeric_maps(matrix: Matrix, metric: Metric) -> tuple[list[HeatMap], int, tuple[str, str]]:
    """Return the maps, how many stand side by side, and the titles of rows and columns.

    The factor with the fewest values tells three-way maps apart; of the others the first runs to
    the right and the second upwards.
    """
    axes = list(matrix.axes)
    third = min(axes, key=lambda axis: len(axis.values)) if len(axes) > 2 else None
    x, y = (axis for axis in axes if axis is not third)
    found = {(series_of(cell), cell.at): cell for cell in matrix.cells}
    maps = []
    for series in _series(matrix):
        for extra in third.values if third else (None,):
            title = series if third is None else f"{series}, {_placed_text(third, extra)}"

            def find(row: str, column: str, here: str = series, z: float | None = extra) -> Any:
                value = {x.name: float(column), y.name: float(row)}
                if third is not None:
                    value[third.name] = float(z or 0.0)
                return found.get((here, tuple(value[axis.name] for axis in axes)))

            rows, columns = _ticks(y)[::-1], _ticks(x)
            maps.append(_map(title, rows, columns, find, metric))
    return maps, len(third.values) if third else 3, (y.title, x.title)


def _ticks(axis: Axis) -> tuple[str, ...]:
    return tuple(f"{value:.9g}" for value in axis.values)


def _placed_text(axis: Axis, value: float | None) -> str:
    name, _, unit = axis.title.partition(" (")
    return f"{name} {value:g} {unit.rstrip(')')}".rstrip()


def caption_of(estimates: Sequence[Estimate], kind: str, *, bold: bool = True) -> str:
    """Return what is said below a picture of estimates: their kind, intervals and n."""
    told = CAPTIONS[kind] if bold else CAPTIONS[kind].partition("; bold")[0]
    lone = "; no interval of n = 1" if any(one.n == 1 for one in estimates) else ""
    return f"{told}; n = {_n_text(estimates)}{lone}{_warning(estimates, bold=bold)}"


def _n_text(estimates: Sequence[Estimate]) -> str:
    numbers = sorted({one.n for one in estimates if one.value is not None}) or [0]
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _warning(estimates: Sequence[Estimate], *, bold: bool) -> str:
    few = any(one.few for one in estimates)
    told = f"; below {FEW} intervals are too narrow as a rule"
    return f"{told}{', none is bold' * bold}" if few else ""


def _by_conditions(matrix: Matrix, metric: Metric) -> list[HeatMap]:
    names = matrix.algorithms
    found = {(cell.old, cell.new, cell.conditions): cell for cell in matrix.cells}
    return [
        _map(
            str(conditions),
            names,
            names,
            lambda old, new, here=conditions: found.get((old, new, here)),  # type: ignore[misc]
            metric,
        )
        for conditions in _in_rows(matrix.conditions)
    ]


def _in_rows(conditions: Sequence[Conditions]) -> list[Conditions]:
    """Return conditions such that those of one mechanism and policy stand together, in order."""
    ways = list(dict.fromkeys((one.via, one.state) for one in conditions))
    paths = list(dict.fromkeys(one.path for one in conditions))
    return sorted(
        conditions, key=lambda one: (ways.index((one.via, one.state)), paths.index(one.path))
    )


def _of_one_pair(matrix: Matrix, metric: Metric) -> list[HeatMap]:
    ways = tuple(dict.fromkeys(_way(one) for one in matrix.conditions))
    paths = tuple(dict.fromkeys(one.path or "all" for one in matrix.conditions))
    found = {(_way(c.conditions), c.conditions.path or "all"): c for c in matrix.cells}
    title = matrix.cells[0].swap
    return [_map(title, ways, paths, lambda way, path: found.get((way, path)), metric)]


def _way(conditions: Conditions) -> str:
    return str(Conditions(conditions.via, conditions.state, ""))


def _map(
    title: str,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    find: Callable[[str, str], Cell | None],
    metric: Metric,
) -> HeatMap:
    cells = tuple(
        tuple(
            _heat_cell(cell, metric) if (cell := find(row, column)) else None for column in columns
        )
        for row in rows
    )
    return HeatMap(title, rows, columns, cells)


def _heat_cell(cell: Cell, metric: Metric) -> HeatCell:
    estimate = cell.estimates[metric.name]
    return HeatCell(
        value=None if estimate.value is None else round(estimate.value, metric.digits),
        text=estimate_text(estimate, metric),
        note=interval_text(estimate, metric).replace(" … ", "…"),  # cells are narrow
        tip=(cell.swap, str(cell.conditions), *told(estimate, metric)),
        strong=metric.difference and estimate.differs,
    )


def estimate_text(estimate: Estimate, metric: Metric) -> str:
    """Return ``0.12``, ``> 4.0`` for a bound, a dash for none."""
    if estimate.value is None:
        return "–"
    return f"{'> ' * estimate.value_open}{number_text(estimate.value, metric)}"


def interval_text(estimate: Estimate, metric: Metric) -> str:
    """Return ``0.10 … 0.15``; an open end is marked, empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    high = f"{'> ' * estimate.high_open}{number_text(estimate.high, metric)}"
    return f"{number_text(estimate.low, metric)} … {high}"


def number_text(value: float, metric: Metric) -> str:
    """Return a number with the metric's decimals and a true minus."""
    text = f"{value:.{metric.digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}")


def told(estimate: Estimate, metric: Metric) -> list[str]:
    """Return an estimate in words: what it is, its interval, its n, what was censored."""
    if estimate.value is None:
        return ["not measured"]
    words = [f"{estimate.kind} {estimate_text(estimate, metric)} {metric.unit}"]
    interval = interval_text(estimate, metric)
    few = ", too narrow as a rule" if estimate.few else ""
    words.append(f"95 % interval {interval}{few}" if interval else "no interval")
    censored = f", {estimate.censored} of them censored" if estimate.censored else ""
    return [*words, f"n = {estimate.n}{censored}"]
