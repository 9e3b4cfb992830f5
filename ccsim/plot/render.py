"""From a `Picture` to a figure: fixed panels, head and foot as tall as their text needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Transform, blended_transform_factory
from numpy.typing import ArrayLike

from ccsim.plot.canvas import RunFigure, fitted, styled, text_width
from ccsim.plot.picture import Curve, LegendEntry, Mark, Panel, Picture, Points, Rug
from ccsim.plot.style import GREY, Look
from ccsim.plot.swap_labels import Layout, lay_out

__all__ = ["render"]

# All in points (1/72 in); 3.5 in is one column of IEEE and ACM proceedings.
WIDTH = 3.5 * 72
LEFT, RIGHT = 46.0, 8.0
YLABEL = 26.5  # from the axes to their label: a tick, four digits, air
AXES_WIDTH = WIDTH - LEFT - RIGHT
PANEL, PANEL_GAP = 68.0, 9.0
TIME_AXIS = 27.0  # its tick labels and name
EDGE = 4.0
TITLE_SIZE, SMALL = 8.0, 7.0
TITLE_ROW, LEGEND_ROW, LABEL_ROW, KEY_ROW = 13.0, 10.2, 9.5, 9.5
HANDLE, TICK_HANDLE, HANDLE_PAD = 18.0, 5.0, 4.0
TAB, ENTRY_GAP = 13.0, 6.0  # legend entries start at tab stops, so that rows line up
RUG = 0.07  # length of a drop's tick, as a share of the panel's height
MARK_GAP = 3.0  # least distance between the lines of one group of marks
MANY_LINES = 8  # of one group: from here on its span stands for those inside
SPAN = "#F0F0F0"  # behind a group of marks, from its first to its last
OFF_SCALE_Y = 0.9  # where a limit beyond the scale is named, as a share of the panel's height


@dataclass(frozen=True)
class _Entry:
    """A legend entry and where it stands: ``x`` [pt from the left], row 0 on top."""

    look: Look
    text: str
    x: float
    row: int


@dataclass(frozen=True)
class _Frame:
    """Heights of a figure's parts [pt]: key, time axis, panels, labels, legend, title."""

    panels: int
    key_rows: int
    label_rows: int
    legend_rows: int

    @property
    def axes_bottom(self) -> float:
        return EDGE + self.key_rows * KEY_ROW + TIME_AXIS

    @property
    def axes_top(self) -> float:
        return self.axes_bottom + self.panels * (PANEL + PANEL_GAP) - PANEL_GAP

    @property
    def legend_top(self) -> float:
        pad = 4.0 + (2.0 if self.label_rows else 0.0)
        return self.axes_top + pad + self.label_rows * LABEL_ROW + self.legend_rows * LEGEND_ROW

    @property
    def height(self) -> float:
        return self.legend_top + TITLE_ROW + EDGE


def render(picture: Picture) -> RunFigure:
    """Return the figure of ``picture``: one column (3.5 in) wide, about 5.5 in high."""
    measure = partial(text_width, size=SMALL)
    marks = [_fit_mark(mark) for mark in picture.marks]
    scale = AXES_WIDTH / (picture.duration_s or 1.0)
    layout = lay_out(marks, [mark.t_s * scale for mark in marks], AXES_WIDTH, measure)
    legend = _flow_legend(picture.legend)
    rows = max((entry.row + 1 for entry in legend), default=0)
    frame = _Frame(len(picture.panels), len(layout.key), layout.rows, rows)
    with styled():
        figure = RunFigure(figsize=(WIDTH / 72, frame.height / 72), dpi=100)
        axes = _draw_panels(figure, picture, frame)
        _draw_head(figure, picture.title, legend, frame)
        _draw_marks(figure, axes, marks, layout, frame)
    return figure


def _fit_mark(mark: Mark) -> Mark:
    return Mark(mark.t_s, fitted(mark.label, SMALL, WIDTH - 60), mark.look)


def _draw_panels(figure: RunFigure, picture: Picture, frame: _Frame) -> list[Axes]:
    axes: list[Axes] = []
    for i, panel in enumerate(picture.panels):
        bottom = frame.axes_top - PANEL - i * (PANEL + PANEL_GAP)
        box = (LEFT / WIDTH, bottom / frame.height, AXES_WIDTH / WIDTH, PANEL / frame.height)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        _draw_panel(axes[-1], panel)
        axes[-1].tick_params(labelbottom=i == len(picture.panels) - 1)
    axes[-1].set_xlabel("Time (s)", labelpad=2)
    axes[0].set_xlim(0, picture.duration_s or 1.0)
    axes[0].xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    return axes


def _draw_panel(ax: Axes, panel: Panel) -> None:
    ax.patch.set_visible(False)  # swap lines run beneath, over all panels
    if panel.log:
        _set_log(ax, panel.y)
    else:
        ax.set_ylim(*panel.y)
        steps = [1, 2, 2.5, 5, 10]
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=steps, integer=panel.integer))
    ax.set_ylabel(f"{panel.label}\n{panel.note}".strip(), linespacing=1.05, fontsize=SMALL)
    ax.yaxis.set_label_coords(-YLABEL / AXES_WIDTH, 0.5)
    for points in panel.points:
        _draw_points(ax, points)
    for curve in panel.curves:
        _draw_curve(ax, curve)
    for rug in panel.rugs:
        _draw_rug(ax, rug)
    _draw_limits(ax, panel)


def _set_log(ax: Axes, y: tuple[float, float]) -> None:
    """Scale the y axis by decades, with plain numbers at 1, 10, 100, …, and at 3, 30 if few."""
    ax.set_yscale("log")
    ax.set_ylim(*y)
    subs = (1.0, 2.0, 5.0) if y[1] < 10 * y[0] else (1.0, 3.0) if y[1] < 1000 * y[0] else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(10, subs=subs, numticks=8))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")


def _draw_points(ax: Axes, points: Points) -> None:
    look = points.look
    style: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": look.width}
    line = Line2D(points.t_s, points.y, markeredgewidth=0, color=look.colour, alpha=look.alpha)
    line.set(**style, zorder=2.4)
    ax.add_line(line)


def _draw_limits(ax: Axes, panel: Panel) -> None:
    """Draw the limits as lines, and name those that lie beyond the scale."""
    beyond = []
    for limit in panel.limits:
        if limit.y <= panel.y[1]:
            ax.add_line(_line([0, 1], [limit.y] * 2, limit.look, ax.get_yaxis_transform()))
        else:
            beyond.append(limit.text)
    if beyond:
        text = fitted("off scale: " + ", ".join(beyond), SMALL, AXES_WIDTH - 4)
        at: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(0.995, OFF_SCALE_Y, text, fontsize=SMALL, color=GREY, **at)


def _draw_rug(ax: Axes, rug: Rug) -> None:
    transform = ax.get_xaxis_transform()
    look = rug.look
    ax.vlines(rug.t_s, 1 - RUG, 1, look.colour, linewidths=look.width, transform=transform)


def _draw_curve(ax: Axes, curve: Curve) -> None:
    if curve.low is not None and curve.high is not None:
        band: dict[str, Any] = {"color": curve.look.colour, "alpha": 0.22, "linewidth": 0}
        ax.fill_between(curve.t_s, curve.low, curve.high, zorder=2.0, **band)
    ax.add_line(_line(curve.t_s, curve.y, curve.look, ax.transData))


def _line(x: ArrayLike, y: ArrayLike, look: Look, transform: Transform) -> Line2D:
    return Line2D(
        x,
        y,
        transform=transform,
        color=look.colour,
        linewidth=look.width,
        alpha=look.alpha,
        linestyle=(0, look.dashes) if look.dashes else "-",
        zorder=look.zorder,
        dash_capstyle="butt",
    )


def _flow_legend(entries: Sequence[LegendEntry]) -> list[_Entry]:
    """Return where each entry goes: left to right at tab stops, then onto the next row.

    Ticks are short and go where the first row has room.
    """
    placed: list[_Entry] = []
    room, ends = WIDTH - 2 * EDGE, [0.0]
    for look, text in entries:
        text = fitted(text, SMALL, room - HANDLE - HANDLE_PAD)
        width = _handle(look) + HANDLE_PAD + text_width(text, SMALL)
        rows = range(len(ends)) if look.marker else [len(ends) - 1]
        row = next((row for row in rows if not ends[row] or ends[row] + width <= room), len(ends))
        if row == len(ends):
            ends.append(0.0)
        placed.append(_Entry(look, text, EDGE + ends[row], row))
        ends[row] = TAB * math.ceil((ends[row] + width + ENTRY_GAP) / TAB)
    return placed


def _draw_head(figure: RunFigure, title: str, legend: Sequence[_Entry], frame: _Frame) -> None:
    """Draw the title and, row by row below it, the legend."""
    title = fitted(title, TITLE_SIZE, WIDTH - 2 * EDGE)
    top = frame.height - EDGE
    _text(figure, frame, EDGE, top, title, size=TITLE_SIZE, va="top")
    for entry in legend:
        y = frame.legend_top - (entry.row + 0.5) * LEGEND_ROW
        _draw_handle(figure, frame, entry.x, y, entry.look)
        x = entry.x + _handle(entry.look) + HANDLE_PAD
        _text(figure, frame, x, y, entry.text, va="center_baseline")


def _handle(look: Look) -> float:
    return TICK_HANDLE if look.marker else HANDLE


def _draw_handle(figure: RunFigure, frame: _Frame, x: float, y: float, look: Look) -> None:
    if look.marker:
        xs, ys = [x + TICK_HANDLE / 2] * 2, [y - 2.5, y + 2.5]
    else:
        xs, ys = [x, x + HANDLE], [y, y]
    line = _line([v / WIDTH for v in xs], [v / frame.height for v in ys], look, figure.transFigure)
    figure.add_artist(line)


def _draw_marks(
    figure: RunFigure, axes: Sequence[Axes], marks: Sequence[Mark], layout: Layout, frame: _Frame
) -> None:
    """Draw each mark as a line from the time axis up to its text, and the key at the foot."""
    for text in layout.texts:
        bottom = frame.axes_top + 2.5 + text.row * LABEL_ROW
        members = [marks[i] for i in text.marks]
        for mark in _thinned(members, AXES_WIDTH / axes[0].get_xlim()[1]):
            _draw_mark(figure, axes, mark, frame, bottom)
        if len(members) > 1:
            for ax in axes:
                ax.axvspan(members[0].t_s, members[-1].t_s, color=SPAN, linewidth=0, zorder=0.4)
        _text(figure, frame, LEFT + text.x, bottom + 1.0, text.text, ha="center", va="bottom")
    for i, row in enumerate(layout.key):
        y = EDGE + (len(layout.key) - i - 1) * KEY_ROW
        _text(figure, frame, EDGE, y, fitted(row, SMALL, WIDTH - 2 * EDGE), va="bottom")


def _draw_mark(
    figure: RunFigure, axes: Sequence[Axes], mark: Mark, frame: _Frame, bottom: float
) -> None:
    """Draw one line in every panel, over grid and under data, and through the gaps between."""
    for ax in axes:
        look = mark.look.but(zorder=1.9)
        ax.add_line(_line([mark.t_s] * 2, [0, 1], look, ax.get_xaxis_transform()))
    ends = [frame.axes_bottom / frame.height, bottom / frame.height]
    transform = blended_transform_factory(axes[0].transData, figure.transFigure)
    figure.add_artist(_line([mark.t_s] * 2, ends, mark.look.but(zorder=-1), transform))


def _thinned(marks: Sequence[Mark], scale: float) -> list[Mark]:
    """Return the marks less those inside a dense group, which would make one black bar.

    Of many, the first and the last stay: their span is shaded, and more lines would hide the data.
    """
    kept = list(marks[:1])
    for mark in marks[1:-1]:
        if (mark.t_s - kept[-1].t_s) * scale >= MARK_GAP:
            kept.append(mark)
    return (kept if len(kept) < MANY_LINES else kept[:1]) + list(marks[1:][-1:])


def _text(
    figure: RunFigure,
    frame: _Frame,
    x: float,
    y: float,
    text: str,
    *,
    size: float = SMALL,
    **alignment: Any,
) -> None:
    figure.text(x / WIDTH, y / frame.height, text, fontsize=size, **alignment)
