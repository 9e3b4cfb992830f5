"""A study's matrix as heat maps: one sheet a metric, its maps by mechanism, policy and path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccsim.experiment.estimates import Estimate
from ccsim.experiment.matrix import METRICS, Cell, Conditions, Matrix, Metric
from ccsim.experiment.statistics import FEW
from ccsim.plot.heat import HeatCell, HeatMap, HeatSheet

__all__ = ["MAX_MAPS", "estimate_text", "heat_sheets", "interval_text", "number_text"]

MAX_MAPS = 60
"""A design with more conditions than these (a random one) is shown as a ranking alone."""
CAPTIONS = {
    "mean": "mean, 95 % BCa interval; bold: the interval lies on one side of 0",
    "median": "median, 95 % interval from order statistics; > : beyond what was observed",
}


def heat_sheets(matrix: Matrix) -> list[HeatSheet]:
    """Return a sheet for each metric that any cell has; none for a study without swaps.

    Several pairs: old × new, a map for each of the conditions. One pair alone: mechanisms and
    policies × paths, in one map.
    """
    if not matrix.cells or len(matrix.conditions) > MAX_MAPS:
        return []
    sheets = [_sheet(matrix, metric) for metric in METRICS]
    return [sheet for sheet in sheets if sheet.top >= 0]


def _sheet(matrix: Matrix, metric: Metric) -> HeatSheet:
    pairs = {(cell.old, cell.new) for cell in matrix.cells}
    maps = _by_conditions(matrix, metric) if len(pairs) > 1 else _of_one_pair(matrix, metric)
    estimates = [cell.estimates[metric.name] for cell in matrix.cells]
    sizes = [abs(one.value) for one in estimates if one.value is not None]
    kind = "median" if metric.censored else "mean"
    return HeatSheet(
        name=metric.name,
        title=f"{metric.title} ({metric.unit})",
        maps=tuple(maps),
        across=max(len({conditions.path for conditions in matrix.conditions}), 1),
        top=max(sizes, default=-1.0),
        axes=("old", "new") if len(pairs) > 1 else ("by", "on"),
        caption=f"{CAPTIONS[kind]}; n = {_n_text(estimates)}{_warning(estimates)}",
    )


def _n_text(estimates: Sequence[Estimate]) -> str:
    numbers = sorted({one.n for one in estimates})
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _warning(estimates: Sequence[Estimate]) -> str:
    few = any(one.few for one in estimates)
    return f"; below {FEW} intervals are too narrow as a rule, none is bold" if few else ""


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
        tip=(cell.swap, str(cell.conditions), *_told(estimate, metric)),
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


def _told(estimate: Estimate, metric: Metric) -> list[str]:
    """Return an estimate in words: what it is, its interval, its n, what was censored."""
    if estimate.value is None:
        return ["not measured"]
    told = [f"{estimate.kind} {estimate_text(estimate, metric)} {metric.unit}"]
    interval = interval_text(estimate, metric)
    few = ", too narrow as a rule" if estimate.few else ""
    told.append(f"95 % interval {interval}{few}" if interval else "no interval")
    censored = f", {estimate.censored} of them censored" if estimate.censored else ""
    return [*told, f"n = {estimate.n}{censored}"]
