"""The figures of docs/findings, drawn from the rows of the tables in results/published alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.plot.heat import shade, shade_colour
from ccsim.plot.style import COLOURS, GREY, dots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ccsim.plot.canvas import RunFigure

__all__ = ["draw_finding"]

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
DPI = 200
WIDTH_IN = 7.0
LEVEL = 0.05


@dataclass(frozen=True)
class FindingsPanel:
    """A metric of a table of cells and its label; ``only`` restricts to cells, ``digits`` and
    ``scale`` say how a number is written."""

    metric: str
    label: str
    only: Mapping[str, str] | None = None
    digits: int = 0
    scale: float = 1.0


def draw_finding(study: str, tables: Tables, out: Path) -> list[Path]:
    """Draw the figure of a published study, if it has one, into a folder; return the files.

    ``tables`` are the rows of its ``cells`` and, if variance was shared out, ``variance``. A quick
    form has the figure of its study, named as the quick form is.
    """
    from ccsim.plot.canvas import styled

    draw = FIGURES.get(study.removesuffix("-quick"))
    if draw is None:
        return []
    with styled():
        figure = draw(tables)
        file = out / f"{study}.png"
        out.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=DPI, metadata={"Software": None})
    return [file]


def _cells(tables: Tables, level: str) -> list[Row]:
    return [row for row in tables["cells"] if row["level"] == level]


def _panel_rows(cells: Sequence[Row], panel: FindingsPanel) -> list[Row]:
    only = {"metric": panel.metric, **(panel.only or {})}
    return [row for row in cells if all(row[key] == value for key, value in only.items())]


# --- maps -----------------------------------------------------------------------------------------


def _map_figure(cells: Sequence[Row], panels: Sequence[FindingsPanel], height: float) -> RunFigure:
    """Return maps old × new: the mean in each cell, coloured by size, bold where p < 0.05."""
    from ccsim.plot.canvas import RunFigure

    figure = RunFigure(figsize=(WIDTH_IN, height), layout="constrained")
    columns = 2
    axes = figure.subplots(-(-len(panels) // columns), columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=True):
        _draw_map(axis, panel, _panel_rows(cells, panel))
    return figure


def _draw_map(axis: Axes, panel: FindingsPanel, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(row["old"] for row in rows))
    top = max((abs(row["mean"]) for row in rows if row["mean"] is not None), default=1.0) or 1.0
    for row in rows:
        if row["mean"] is None:
            continue
        x, y = names.index(row["new"]), names.index(row["old"])
        shown = round(row["mean"] * panel.scale, panel.digits) / panel.scale  # what says 0 is white
        colour = shade_colour(shade(shown, top))
        axis.fill_between([x, x + 1], y, y + 1, color=colour, linewidth=0)
        _write(axis, (x + 0.5, y + 0.5), panel, row)
    axis.set(xlim=(0, len(names)), ylim=(len(names), 0))
    places = [i + 0.5 for i in range(len(names))]
    axis.set_xticks(places, names)
    axis.set_yticks(places, names)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_title(panel.label, fontsize=7.5, loc="left")
    axis.set_ylabel("from")
    axis.set_xlabel("to")


def _write(axis: Axes, at: tuple[float, float], panel: FindingsPanel, row: Row) -> None:
    p = row["p_holm"]
    weight = "bold" if p is not None and p < LEVEL else "normal"
    text = _number(row["mean"] * panel.scale, panel.digits)
    axis.text(*at, text, ha="center", va="center", fontsize=6.5, fontweight=weight)


def _number(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else f"{0:.{digits}f}"


# --- dots -----------------------------------------------------------------------------------------


def _dot_figure(
    cells: Sequence[Row], panels: Sequence[FindingsPanel], rows: str, series: str, height: float
) -> RunFigure:
    """Return dots with their 95 % intervals: a panel a metric, a line of dots for each row, a
    colour and marker for each series."""
    from ccsim.plot.canvas import RunFigure

    figure = RunFigure(figsize=(WIDTH_IN, height), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False).ravel()
    names = list(dict.fromkeys(row[rows] for row in cells))
    kinds = list(dict.fromkeys(row[series] for row in cells))
    for axis, panel in zip(axes, panels, strict=True):
        for row in _panel_rows(cells, panel):
            if row["mean"] is not None:
                y = names.index(row[rows]) + _offset(kinds.index(row[series]), len(kinds))
                _dot(axis, row, panel.scale, y, kinds.index(row[series]))
        _dress(axis, panel, names)
    handles = [axes[0].plot([], [], label=kind, **dots(i))[0] for i, kind in enumerate(kinds)]
    figure.legend(handles=handles, loc="outside upper left", ncols=6, frameon=False)
    return figure


def _offset(number: int, count: int) -> float:
    return 0.7 * ((number + 0.5) / count - 0.5)


def _dot(axis: Axes, row: Row, scale: float, y: float, series: int) -> None:
    mean = row["mean"] * scale
    low, high = (mean if row[end] is None else row[end] * scale for end in ("low", "high"))
    arms = [[max(mean - low, 0)], [max(high - mean, 0)]]
    axis.errorbar(mean, y, xerr=arms, elinewidth=0.8, **dots(series))


def _dress(axis: Axes, panel: FindingsPanel, names: Sequence[str]) -> None:
    axis.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.grid(visible=True, axis="x")
    for edge in range(1, len(names)):
        axis.axhline(edge - 0.5, color="#E4E4E4", linewidth=0.5, zorder=0)
    axis.set_xlabel(panel.label)


# --- shares ---------------------------------------------------------------------------------------


def _share_figure(rows: Sequence[Row], panels: Sequence[FindingsPanel]) -> RunFigure:
    """Return bars: of each factor the first-order and the total index, with their intervals."""
    from ccsim.plot.canvas import RunFigure

    figure = RunFigure(figsize=(WIDTH_IN, 2.3), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=True):
        some = _panel_rows(rows, panel)
        for y, row in enumerate(some):
            for kind, at, colour in (("first", -0.19, COLOURS[0]), ("total", 0.19, COLOURS[5])):
                _bar(axis, row, kind, y + at, colour)
        axis.set_yticks(range(len(some)), [row["factor"] for row in some])
        axis.set_ylim(len(some) - 0.5, -0.5)
        axis.set_xlim(0, 1)
        axis.grid(visible=False, axis="y")
        axis.grid(visible=True, axis="x")
        axis.set_title(panel.label, fontsize=7.5, loc="left")
        axis.set_xlabel("share of the variance")
    handles = [
        axes[0].fill_between([], [], color=colour, label=label)
        for label, colour in (("by itself", COLOURS[0]), ("with interactions", COLOURS[5]))
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
    return figure


def _bar(axis: Axes, row: Row, kind: str, y: float, colour: str) -> None:
    value, low, high = (row[f"{kind}{end}"] for end in ("", "_low", "_high"))
    if value is None or math.isnan(value):
        return
    axis.barh(y, value, height=0.36, color=colour)
    if low is not None and high is not None:
        axis.plot([max(low, 0), min(high, 1)], [y, y], color="black", linewidth=0.8)


# --- the studies ----------------------------------------------------------------------------------


def _swap_cost(tables: Tables) -> RunFigure:
    cells = _cells(tables, "beside, old, new")
    alone, beside = {"beside": "nobody"}, {"beside": "cubic"}
    panels = [
        FindingsPanel("extra_drops", "extra drops, alone [packets]", alone),
        FindingsPanel("peak_mb", "greatest deficit, alone [MB]", alone, digits=2),
        FindingsPanel("queue_excess_ms", "RTT excess, alone [ms]", alone),
        FindingsPanel(
            "neighbour_deficit_mb", "what a CUBIC neighbour loses in 10 s [MB]", beside, digits=1
        ),
    ]
    return _map_figure(cells, panels, 5.6)


def _swap_ecn(tables: Tables) -> RunFigure:
    panels = [
        FindingsPanel("deficit_mb", "what the flow loses in 5 s [MB]", digits=1),
        FindingsPanel("neighbour_deficit_mb", "what a CUBIC neighbour loses in 5 s [MB]", digits=1),
        FindingsPanel("queue_excess_ms", "RTT excess [ms]", digits=1),
        FindingsPanel("extra_drops", "extra drops [packets]"),
    ]
    return _map_figure(_cells(tables, "old, new"), panels, 5.9)


def _l4s(tables: Tables) -> RunFigure:
    panels = [
        FindingsPanel("ratio", "Prague's goodput over CUBIC's"),
        FindingsPanel("prague_excess_ms", "Prague's RTT less the path's [ms]"),
        FindingsPanel("cubic_excess_ms", "CUBIC's RTT less the path's [ms]"),
    ]
    return _dot_figure(_cells(tables, "line, rtt"), panels, "rtt", "line", 3.2)


def _swap_policy(tables: Tables) -> RunFigure:
    cells = _cells(tables, "pair, policy")
    panels = [
        FindingsPanel("extra_drops", "extra drops [packets]"),
        FindingsPanel("deficit_s", "deficit [s]"),
        FindingsPanel("queue_excess_ms", "RTT excess [ms]"),
    ]
    return _dot_figure(cells, panels, "policy", "pair", 3.6)


def _swap_aqm(tables: Tables) -> RunFigure:
    cells = _cells(tables, "queue, pair")
    panels = [
        FindingsPanel("neighbour_deficit_mb", "what the neighbour loses in 10 s [MB]"),
        FindingsPanel("extra_drops", "extra drops [packets]"),
        FindingsPanel("queue_excess_ms", "RTT excess [ms]"),
    ]
    return _dot_figure(cells, panels, "queue", "pair", 3.2)


def _swap_fleet(tables: Tables) -> RunFigure:
    cells = _cells(tables, "way, pair")
    panels = [
        FindingsPanel("old_gone_s", "old one gone after [s]"),
        FindingsPanel("web_mean_more_ms", "a transfer's mean time,\nmore than without [ms]"),
        FindingsPanel("web_p99_more_ms", "its 99th percentile,\nmore than without [ms]"),
    ]
    return _dot_figure(cells, panels, "way", "pair", 2.8)


def _swap_moment(tables: Tables) -> RunFigure:
    cells = _cells(tables, "pair, moment")
    panels = [
        FindingsPanel("extra_drops", "extra drops [packets]"),
        FindingsPanel("worst_ratio", "worst 200 ms in the 2 s after,\nshare of the 2 s before"),
        FindingsPanel("deficit_s", "deficit in 10 s [s]"),
    ]
    return _dot_figure(cells, panels, "moment", "pair", 2.6)


def _swap_periodic(tables: Tables) -> RunFigure:
    controls = ("never", "from the start")
    cells = [row for row in _cells(tables, "turns, pair") if row["turns"] not in controls]
    panels = [
        FindingsPanel("drops_more", "drops more than if swaps\ncost nothing [packets]"),
        FindingsPanel("rtos", "timeouts of both flows"),
        FindingsPanel("bulk_less_mb", "the flow's bytes less than\nif they cost nothing [MB]"),
    ]
    return _dot_figure(cells, panels, "turns", "pair", 2.6)


def _swap_parameter(tables: Tables) -> RunFigure:
    cells = _cells(tables, "change, state")
    panels = [
        FindingsPanel("extra_drops", "extra drops [packets]"),
        FindingsPanel("peak_mb", "greatest deficit [MB]"),
        FindingsPanel("worst_ratio", "worst 200 ms in the 2 s after,\nshare of the 2 s before"),
    ]
    return _dot_figure(cells, panels, "change", "state", 3.4)


def _swap_decides(tables: Tables) -> RunFigure:
    panels = [
        FindingsPanel("extra_drops", "extra drops"),
        FindingsPanel("deficit_mb", "deficit in bytes"),
        FindingsPanel("queue_excess_ms", "RTT excess"),
    ]
    return _share_figure(tables["variance"], panels)


FIGURES: dict[str, Callable[[Tables], RunFigure]] = {
    "swap_cost": _swap_cost,
    "swap_ecn_step": _swap_ecn,
    "swap_ecn_l4s": _swap_ecn,
    "l4s": _l4s,
    "swap_policy": _swap_policy,
    "swap_aqm": _swap_aqm,
    "swap_fleet": _swap_fleet,
    "swap_decides": _swap_decides,
    "swap_moment": _swap_moment,
    "swap_periodic": _swap_periodic,
    "swap_parameter": _swap_parameter,
}
"""For each study: what draws its figure from its tables."""
