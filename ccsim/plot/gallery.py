"""A page of small multiples: one cell an algorithm, with its cwnd, throughput and queue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ccsim.plot.canvas import RunFigure, fitted, styled, text_width
from ccsim.plot.curves import cwnd_curve, throughput_curve, trace_curve
from ccsim.plot.draw import file_paths, write_figure
from ccsim.plot.picture import Curve
from ccsim.plot.reduce import bin_width_ns, decimate, occupied_bins
from ccsim.plot.style import COLOURS, DROP, GREY, LIMIT, MARKING, Look
from ccsim.plot.units import time_text
from ccsim.plot.view import PlottableRun, View, view_of
from ccsim.sim.traces import LinkTrace

__all__ = ["draw_gallery", "gallery_figure"]

# All in points (1/72 in); 7.1 in is the text width of a page of IEEE and ACM proceedings.
WIDTH = 7.1 * 72
LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 35.0, 25.0
COLUMNS = 4
GUTTER = 11.0  # between columns
STRIPS = (34.0, 19.0, 28.0)  # heights of cwnd, rate and queue
NAME, STRIP_GAP, ROW_GAP = 11.0, 4.0, 8.0
CELL = NAME + sum(STRIPS) + 2 * STRIP_GAP
TITLE_SIZE, NAME_SIZE, SMALL = 8.5, 7.5, 6.5
YLABEL = 20.0  # from the axes to their label
PIXELS = 400  # columns of a cell that can be told apart
RUG_BINS = 120
BIN_RTTS = 5
RUG = 0.13  # length of a drop's tick, as a share of the strip's height
HANDLE, HANDLE_PAD, ENTRY_GAP = 15.0, 4.0, 12.0

CWND, RATE, QUEUE = (Look(colour=colour, width=0.8) for colour in COLOURS[:3])


@dataclass(frozen=True)
class _Grid:
    """Where cells stand: row by row from the top left."""

    count: int

    @property
    def columns(self) -> int:
        return min(COLUMNS, self.count)

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    @property
    def width(self) -> float:
        """Of a cell [pt]."""
        free = WIDTH - LEFT - RIGHT - (self.columns - 1) * GUTTER
        return free / self.columns

    @property
    def height(self) -> float:
        """Of the page [pt]."""
        return TOP + self.rows * (CELL + ROW_GAP) - ROW_GAP + BOTTOM

    def box(self, index: int, strip: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a strip as shares of the page."""
        row, column = divmod(index, self.columns)
        left = LEFT + column * (self.width + GUTTER)
        above = sum(STRIPS[:strip]) + strip * STRIP_GAP
        top, h = TOP + row * (CELL + ROW_GAP) + NAME + above, self.height
        bottom = h - top - STRIPS[strip]
        return left / WIDTH, bottom / h, self.width / WIDTH, STRIPS[strip] / h

    def is_lowest(self, index: int) -> bool:
        """Report whether no cell stands below."""
        return index + self.columns >= self.count


@dataclass(frozen=True)
class _Scales:
    """What all cells have in common: the view, and the top of each strip's axis."""

    view: View
    cwnd: float
    rate: float
    queue: float


def draw_gallery(
    runs: Sequence[PlottableRun],
    labels: Sequence[str],
    title: str,
    out_dir: Path,
    formats: Sequence[str] = ("png", "pdf"),
    stem: str = "gallery",
) -> list[Path]:
    """Write the page as ``out_dir/stem.<format>`` and return the paths.

    Each run has one flow; ``labels`` name the cells. Each file appears whole or not at all, and the
    same runs give the same bytes. Raises ValueError as `ccsim.plot.draw_comparison` does.
    """
    paths = file_paths(out_dir, formats, stem)
    return write_figure(gallery_figure(runs, labels, title), paths)


def gallery_figure(runs: Sequence[PlottableRun], labels: Sequence[str], title: str) -> RunFigure:
    """Return the page as a figure: 7.1 in wide, as high as its rows of four need."""
    if not runs:
        raise ValueError("plot: runs: expected at least one run, got none")
    if len(labels) != len(runs):
        raise ValueError(f"plot: labels: expected {len(runs)}, one a run, got {len(labels)}")
    grid = _Grid(len(runs))
    view = _view(runs)
    drawn = [_curves(run, view) for run in runs]
    tops = [max(_top(curves[k]) for curves in drawn) for k in range(3)]
    capacity = max(view.capacities_bps, default=0) / view.rate.size
    buffer = max(view.buffers_packets, default=0) / view.queue_unit.size
    scales = _Scales(
        view, tops[0] * 1.08, max(tops[1], capacity) * 1.15, max(tops[2], buffer) * 1.3
    )
    with styled():
        figure = RunFigure(figsize=(WIDTH / 72, grid.height / 72), dpi=100)
        for index, (run, label, curves) in enumerate(zip(runs, labels, drawn, strict=True)):
            _draw_cell(figure, grid, index, run, label, curves, scales)
        _draw_head(figure, grid, title, view)
    return figure


def _view(runs: Sequence[PlottableRun]) -> View:
    """Return scales for all, with bins of several RTTs: narrow cells show no less."""
    view = view_of(runs)
    least_ns = max(BIN_RTTS * max(view.base_rtts_ns, default=0), view.bin_ns)
    bin_ns = bin_width_ns(view.duration_ns, least_ns, 1)
    return replace(view, bin_ns=bin_ns)


def _curves(run: PlottableRun, view: View) -> tuple[Curve, Curve, Curve]:
    flow, link = run.result.flows[0], run.result.links[0]
    return (
        _thinned(cwnd_curve(flow, CWND, view.packets.size)),
        _thinned(throughput_curve(flow, RATE, view.bin_ns, view.rate.size)),
        _thinned(trace_curve(link.t_ns, link.queue_packets / view.queue_unit.size, QUEUE)),
    )


def _thinned(curve: Curve) -> Curve:
    t_s, y = decimate(curve.t_s, curve.y, PIXELS)
    return Curve(t_s, y, curve.look)


def _top(curve: Curve) -> float:
    values = curve.extremes()
    return float(values.max()) if len(values) else 0.0


def _draw_cell(
    figure: RunFigure,
    grid: _Grid,
    index: int,
    run: PlottableRun,
    label: str,
    curves: tuple[Curve, Curve, Curve],
    scales: _Scales,
) -> None:
    view = scales.view
    strips = (
        (curves[0], scales.cwnd, (), "cwnd"),
        (curves[1], scales.rate, view.capacities_bps, "rate"),
        (curves[2], scales.queue, view.buffers_packets, "queue"),
    )
    units = (1.0, view.rate.size, view.queue_unit.size)
    for strip, ((curve, top, limits, name), unit) in enumerate(zip(strips, units, strict=True)):
        axes = figure.add_axes(grid.box(index, strip))
        _dress(axes, top, view.duration_ns / 1e9)
        for limit in limits:
            axes.axhline(limit / unit, **_style(LIMIT))
        axes.add_line(Line2D(curve.t_s, curve.y, **_style(curve.look)))
        if strip == 2:
            for marking in view_of([run]).markings:
                axes.axhline(marking.packets / unit, **_style(MARKING))
            _draw_drops(axes, run.result.links[0], view.duration_ns)
        _label(axes, grid, index, strip, name)
    failed = " (failed)" if run.result.failed else ""
    left, bottom, _, height = grid.box(index, 0)
    text = fitted(label + failed, NAME_SIZE, grid.width)
    at = bottom + height + 2.0 / grid.height
    figure.text(left, at, text, fontsize=NAME_SIZE, fontweight="bold", va="bottom")


def _dress(axes: Axes, top: float, duration_s: float) -> None:
    axes.patch.set_visible(False)
    axes.set_xlim(0, duration_s or 1.0)
    axes.set_ylim(0, top or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(labelsize=SMALL, pad=1.5, length=2.0)


def _label(axes: Axes, grid: _Grid, index: int, strip: int, name: str) -> None:
    """Number the axes at the page's left and bottom edges alone."""
    first, lowest = index % grid.columns == 0, strip == 2 and grid.is_lowest(index)
    axes.tick_params(labelleft=first, labelbottom=lowest)
    if first:
        axes.set_ylabel(name, fontsize=SMALL, linespacing=1.0)
        axes.yaxis.set_label_coords(-YLABEL / grid.width, 0.5)
    if lowest:
        axes.set_xlabel("Time (s)", fontsize=SMALL, labelpad=1)


def _draw_drops(axes: Axes, link: LinkTrace, duration_ns: int) -> None:
    at = occupied_bins(link.drop_t_ns, duration_ns, RUG_BINS)
    transform = axes.get_xaxis_transform()
    axes.vlines(at, 1 - RUG, 1, DROP.colour, linewidths=DROP.width, transform=transform)


def _draw_head(figure: RunFigure, grid: _Grid, title: str, view: View) -> None:
    """Write the title, and below it what the lines are."""
    h = grid.height
    text = fitted(title, TITLE_SIZE, WIDTH - LEFT - RIGHT)
    figure.text(LEFT / WIDTH, (h - 4.0) / h, text, fontsize=TITLE_SIZE, va="top")
    bins = f"rate: throughput in bins of {time_text(view.bin_ns)} ({view.rate.name})"
    entries = (
        (CWND, f"cwnd ({view.packets.name})"),
        (RATE, bins),
        *((QUEUE, f"queue ({view.queue_unit.name})"), (DROP, "drop")),
        (LIMIT, "capacity, buffer"),
    )
    x, y = LEFT, (h - 21.0) / h
    for look, label in entries:
        handle = 4.0 if look.marker else HANDLE
        xs = [(x + handle / 2) / WIDTH] * 2 if look.marker else [x / WIDTH, (x + handle) / WIDTH]
        ys = [y - 2.5 / h, y + 2.5 / h] if look.marker else [y, y]
        figure.add_artist(Line2D(xs, ys, transform=figure.transFigure, **_style(look)))
        at = (x + handle + HANDLE_PAD) / WIDTH
        figure.text(at, y, label, fontsize=SMALL + 0.5, va="center", color=GREY)
        x += handle + HANDLE_PAD + text_width(label, SMALL + 0.5) + ENTRY_GAP


def _style(look: Look) -> dict[str, Any]:
    return {
        "color": look.colour,
        "linewidth": look.width,
        "linestyle": (0, look.dashes) if look.dashes else "-",
        "zorder": look.zorder,
    }
