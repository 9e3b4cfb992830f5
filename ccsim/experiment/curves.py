"""A study's matrix as curves: each metric over the one numeric factor, a line a series."""

from __future__ import annotations

from ccsim.experiment.heat_maps import by_one_number, caption_of, series_of, told
from ccsim.experiment.matrix import METRICS, Matrix, Metric
from ccsim.plot.response import CurveSheet, ResponseLine, ResponsePoint

__all__ = ["curve_sheets"]


def curve_sheets(matrix: Matrix) -> list[CurveSheet]:
    """Return a sheet for each metric that any cell has; none unless one factor is a number."""
    if not by_one_number(matrix):
        return []
    return [sheet for metric in METRICS if (sheet := _sheet(matrix, metric)).lines]


def _sheet(matrix: Matrix, metric: Metric) -> CurveSheet:
    (axis,) = matrix.axes
    series: dict[str, list[ResponsePoint]] = {}
    for cell in sorted(matrix.cells, key=lambda cell: cell.at):
        found = cell.estimates[metric.name]
        if found.value is not None:
            tip = (cell.swap, str(cell.conditions), *told(found, metric))
            point = ResponsePoint(cell.at[0], found.value, found.low, found.high, tip)
            series.setdefault(series_of(cell), []).append(point)
    estimates = [cell.estimates[metric.name] for cell in matrix.cells]
    return CurveSheet(
        name=metric.name,
        title=f"{metric.title} ({metric.unit})",
        x_title=axis.title,
        ticks=axis.values,
        log=axis.log,
        lines=tuple(ResponseLine(name, tuple(points)) for name, points in series.items()),
        caption=caption_of(estimates, "median" if metric.censored else "mean", bold=False),
    )
