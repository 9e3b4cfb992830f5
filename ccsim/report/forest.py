"""Rankings: the worst and the best cells with their intervals, drawn beside one another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.experiment.estimates import Estimate
from ccsim.experiment.heat_maps import estimate_text, interval_text, number_text
from ccsim.experiment.matrix import METRICS, Cell, Metric
from ccsim.report.markup import Markup, tag
from ccsim.report.numbers import NONE, decimal
from ccsim.report.sortable_tables import Column, number, table, word

__all__ = ["cells_table", "ranking", "span_of"]

WIDTH, HEIGHT = 200, 18


def ranking(cells: Sequence[Cell], metric: Metric, span: tuple[float, float]) -> Markup:
    """Return cells in their order, each with its estimate, interval, n and a picture of them.

    ``span`` is what the pictures show, from left to right: see `span_of`.
    """
    columns = [
        Column("rank", lambda row: row["rank"], lambda row: float(row["rank"])),
        word("swap", "swap"),
        word("by, on", "conditions"),
        Column(
            metric.title,
            lambda row: estimate_text(row["estimate"], metric),
            lambda row: row["estimate"].value,
        ),
        Column(
            "95 % interval",
            lambda row: interval_text(row["estimate"], metric) or NONE,
            lambda row: row["estimate"].low,
        ),
        Column("n", lambda row: row["estimate"].n, lambda row: float(row["estimate"].n)),
        Column(
            f"{number_text(span[0], metric)} to {number_text(span[1], metric)}",
            lambda row: _picture(row["estimate"], *span),
            lambda row: row["estimate"].value,
        ),
    ]
    if metric is METRICS[0]:
        columns.append(number("p (Holm)", "p", 3))
    rows = [
        {
            "rank": rank,
            "swap": cell.swap,
            "conditions": str(cell.conditions),
            "estimate": cell.estimates[metric.name],
            "p": _known(cell.p),
        }
        for rank, cell in enumerate(cells, start=1)
    ]
    return table(columns, rows, metric.unit)


def span_of(cells: Sequence[Cell], metric: Metric) -> tuple[float, float]:
    """Return what holds all estimates and intervals of a metric, and 0."""
    ends = [end for cell in cells for end in _ends(cell.estimates[metric.name])]
    return min([0.0, *ends]), max([0.0, *ends])


def _known(p: float) -> float | None:
    return None if math.isnan(p) else p


def _ends(estimate: Estimate) -> list[float]:
    return [end for end in (estimate.value, estimate.low, estimate.high) if end is not None]


def _picture(estimate: Estimate, low: float, high: float) -> Markup:
    """Return the interval as a line, the estimate as a dot, and where 0 is."""

    def x(value: float) -> float:
        return round(6 + (value - low) / ((high - low) or 1.0) * (WIDTH - 12), 1)

    middle = HEIGHT / 2
    parts = [tag("line", x1=x(0), x2=x(0), y1=0, y2=HEIGHT, class_="zero-line")]
    if estimate.low is not None and estimate.high is not None:
        ends = {"x1": x(estimate.low), "x2": x(estimate.high)}
        parts.append(tag("line", **ends, y1=middle, y2=middle, class_="interval-line"))
    if estimate.value is not None:
        parts.append(tag("circle", cx=x(estimate.value), cy=middle, r=3.5, class_="estimate"))
    size = {"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    return tag("svg", *parts, **size, class_="forest", aria_hidden="true")


def cells_table(cells: Sequence[Cell]) -> Markup:
    """Return every cell with every metric: estimate, interval and n in one, sorted by estimate."""
    columns = [
        word("swap", "swap"),
        word("by", "via"),
        word("state", "state"),
        word("on", "path"),
        *(_metric_column(metric) for metric in METRICS),
        Column("n", lambda row: row["n"], lambda row: float(row["n"])),
        Column("p of the deficit (Holm)", lambda row: decimal(row["p"], 3), lambda row: row["p"]),
    ]
    rows = [
        {
            "swap": cell.swap,
            "via": cell.conditions.via,
            "state": cell.conditions.state,
            "path": cell.conditions.path,
            "n": max(one.n for one in cell.estimates.values()),
            "p": _known(cell.p),
            **cell.estimates,
        }
        for cell in cells
    ]
    return table([column for column in columns if _told(column, rows)], rows)


def _told(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    return not rows or any(column.show(row) != NONE for row in rows)


def _metric_column(metric: Metric) -> Column:
    def show(row: Mapping[str, Any]) -> str:
        interval = interval_text(row[metric.name], metric)
        text = estimate_text(row[metric.name], metric)
        return f"{text} [{interval}]" if interval else text

    def key(row: Mapping[str, Any]) -> float | None:
        value: float | None = row[metric.name].value
        return value

    return Column(f"{metric.title} ({metric.unit})", show, key)
