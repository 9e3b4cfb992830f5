"""Curves of a study: a metric over one numeric factor, with its interval at each value.

One line a series (a swap, a mechanism, a path), each value with n replications behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.plot.style import GREY, LIMIT, flow_look

if TYPE_CHECKING:
    from ccsim.plot.canvas import RunFigure

__all__ = ["CurveSheet", "ResponseLine", "ResponsePoint", "curve_figure", "draw_curves"]

# All in points (1/72 in); 3.5 in is one column of IEEE and ACM proceedings.
WIDTH, PLOT, LEFT, RIGHT = 3.5 * 72, 128.0, 46.0, 10.0
TITLE, ENTRY, AXIS, CAPTION, EDGE = 16.0, 10.0, 30.0, 8.0, 6.0
SMALL, NOTE = 7.0, 6.0


@dataclass(frozen=True)
class ResponsePoint:
    """A value of the factor, the estimate there, its interval if there is one, and all in words."""

    x: float
    value: float
    low: float | None
    high: float | None
    tip: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResponseLine:
    """One series: its label and its points, by the factor."""

    label: str
    points: tuple[ResponsePoint, ...]


@dataclass(frozen=True)
class CurveSheet:
    """The curves of one metric; ``ticks`` are the factor's values, ``log`` tells its axis."""

    name: str
    title: str
    x_title: str
    ticks: tuple[float, ...]
    log: bool
    lines: tuple[ResponseLine, ...]
    caption: str

    def span(self) -> tuple[float, float]:
        """Return the lowest and highest that the axis must hold, 0 included."""
        ends = [0.0]
        for point in (point for line in self.lines for point in line.points):
            ends += [end for end in (point.value, point.low, point.high) if end is not None]
        return min(ends), max(ends)


def draw_curves(
    sheets: Sequence[CurveSheet], out_dir: Path, formats: Sequence[str] = ("png", "pdf")
) -> list[Path]:
    """Write each sheet as ``out_dir/curve_<metric>.<format>`` and return the paths, as
    `ccsim.plot.heat.draw_heat` does."""
    from ccsim.plot.draw import file_paths, write_figure

    written: list[Path] = []
    for sheet in sheets:
        paths = file_paths(out_dir, formats, f"curve_{sheet.name}")
        written += write_figure(curve_figure(sheet), paths)
    return written


def curve_figure(sheet: CurveSheet) -> RunFigure:
    """Return the figure of one sheet."""
    from matplotlib.lines import Line2D

    from ccsim.plot.canvas import RunFigure, styled, wrapped

    entries = [wrapped(line.label, SMALL, WIDTH - LEFT - 2 * EDGE) for line in sheet.lines]
    legend = sum(map(len, entries)) * ENTRY
    caption = wrapped(sheet.caption, NOTE, WIDTH - 2 * EDGE)
    title = wrapped(sheet.title, 8.5, WIDTH - 2 * EDGE)
    foot = AXIS + len(caption) * CAPTION + EDGE
    height = EDGE + len(title) * TITLE + legend + 8.0 + PLOT + foot
    with styled():
        figure = RunFigure(figsize=(WIDTH / 72, height / 72), dpi=100)
        box = (LEFT / WIDTH, foot / height, (WIDTH - LEFT - RIGHT) / WIDTH, PLOT / height)
        axes = figure.add_axes(box)
        _dress(axes, sheet)
        for k, line in enumerate(sheet.lines):
            _draw_line(axes, line, k)
        y = height - EDGE
        for text in title:
            at: dict[str, Any] = {"va": "top", "fontweight": "bold", "fontsize": 8.5}
            figure.text(EDGE / WIDTH, y / height, text, **at)
            y -= TITLE
        for k, lines in enumerate(entries):
            look = flow_look(k)
            xs, ys = [EDGE / WIDTH, (EDGE + 18) / WIDTH], [(y - 4.2) / height] * 2
            style: dict[str, Any] = {"color": look.colour, "linewidth": 1.1, "marker": "o"}
            style |= {"markersize": 2.6, "linestyle": (0, look.dashes) if look.dashes else "-"}
            figure.add_artist(Line2D(xs, ys, transform=figure.transFigure, **style))
            for text in lines:
                figure.text((EDGE + 24) / WIDTH, y / height, text, va="top", fontsize=SMALL)
                y -= ENTRY
        for k, text in enumerate(caption):
            at_y = (EDGE + (len(caption) - 1 - k) * CAPTION) / height
            figure.text(EDGE / WIDTH, at_y, text, fontsize=NOTE, color=GREY)
    return figure


def _dress(axes: Any, sheet: CurveSheet) -> None:
    """Set scales: the factor's values are its ticks, the metric's axis holds 0."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if sheet.log:
        axes.set_xscale("log")
    shown = _apart(sheet)
    axes.xaxis.set_major_locator(FixedLocator(list(shown)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.9g}"))
    low, high = sheet.span()
    room = 0.08 * ((high - low) or 1.0)
    axes.set_ylim(low - room * (low < 0), high + room)
    axes.axhline(0.0, color=LIMIT.colour, linewidth=0.6, zorder=1.5)
    axes.set_xlabel(sheet.x_title, labelpad=2)


def _apart(sheet: CurveSheet) -> list[float]:
    """Return the ticks that have room for a number: about 20 pt from one to the next."""
    import math

    def at(value: float) -> float:
        return math.log(value) if sheet.log else value

    span = (at(sheet.ticks[-1]) - at(sheet.ticks[0])) or 1.0
    least = 20.0 / (WIDTH - LEFT - RIGHT) * span
    kept: list[float] = []
    for tick in sheet.ticks:
        if not kept or at(tick) - at(kept[-1]) >= least:
            kept.append(tick)
    return kept


def _draw_line(axes: Any, line: ResponseLine, index: int) -> None:
    look = flow_look(index)
    xs = [point.x for point in line.points]
    style: dict[str, Any] = {"color": look.colour, "linewidth": 1.1, "zorder": 3}
    dashes = (0, look.dashes) if look.dashes else "-"
    axes.plot(xs, [p.value for p in line.points], linestyle=dashes, marker="o", ms=2.6, **style)
    for point in line.points:
        if point.low is not None and point.high is not None:
            ends = [point.low, point.high]
            axes.plot([point.x] * 2, ends, marker="_", ms=4.0, **{**style, "linewidth": 0.8})
