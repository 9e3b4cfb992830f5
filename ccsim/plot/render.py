"""From a `Picture` to a figure: fixed panels, head and foot as tall as their text needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Transform, blended_transform_factory
from numpy.typing import ArrayLike

from ccsim.plot.canvas import RunFigure, fitted, styled, text_width
from ccsim.plot.envelope import with_envelopes
from ccsim.plot.options import COLUMNS, Size
from ccsim.plot.picture import Curve, LegendEntry, Mark, Panel, Picture, Points, Rug
from ccsim.plot.style import GREY, Look
from ccsim.plot.swap_labels import Layout, lay_out

__all__ = ["draw_in", "render"]

# All in points (1/72 in).
LEFT, RIGHT = 46.0, 11.0
YLABEL = 26.5  # from the axes to their label: a tick, four digits, air
PANEL, PANEL_GAP, LEAST_PANEL = 68.0, 9.0, 36.0
DETAIL, DETAIL_GAP = 0.33, 13.0  # what a swap's second takes of the axes' width
DETAIL_TICKS = (-0.4, 0.0, 0.4)
TIME_AXIS = 27.0  # its tick labels and name
EDGE = 4.0
TITLE_SIZE, SMALL = 8.0, 7.0
TITLE_ROW, LEGEND_ROW, LABEL_ROW, KEY_ROW = 13.0, 10.2, 9.5, 9.5
HANDLE, TICK_HANDLE, HANDLE_PAD = 18.0, 5.0, 4.0
TAB, ENTRY_GAP = 13.0, 6.0  # legend entries start at tab stops, so that rows line up
RUG = 0.07  # length of a drop's tick, as a share of the panel's height
MARK_GAP = 3.0  # least distance between the lines of one group of marks
MANY_LINES = 8  # of one group: from here on its span stands for those inside
BAND_ALPHA = 0.22
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
    """A figure's width, and the heights of its parts [pt]: key, time axis, panels, labels, legend,
    title."""

    width: float
    panels: int
    panel: float
    key_rows: int = 0
    label_rows: int = 0
    legend_rows: int = 0
    title: bool = True
    detail: bool = False

    @property
    def axes_width(self) -> float:
        return self.width - LEFT - RIGHT

    @property
    def main_width(self) -> float:
        """Of the axes less the second of a swap that stands beside them."""
        return self.axes_width - (self.detail_width + DETAIL_GAP if self.detail else 0.0)

    @property
    def detail_width(self) -> float:
        return DETAIL * (self.axes_width - DETAIL_GAP)

    @property
    def axes_bottom(self) -> float:
        return EDGE + self.key_rows * KEY_ROW + TIME_AXIS

    @property
    def axes_top(self) -> float:
        return self.axes_bottom + self.panels * (self.panel + PANEL_GAP) - PANEL_GAP

    @property
    def legend_top(self) -> float:
        pad = 4.0 + (2.0 if self.label_rows else 0.0)
        return self.axes_top + pad + self.label_rows * LABEL_ROW + self.legend_rows * LEGEND_ROW

    @property
    def height(self) -> float:
        return self.legend_top + (TITLE_ROW if self.title else 0.0) + EDGE

    def as_high_as(self, height: float) -> _Frame:
        """Return the frame with panels such that it has this height; ValueError if it is too low
        for them."""
        panel = self.panel + (height - self.height) / self.panels
        if panel < LEAST_PANEL:
            least = self.height + (LEAST_PANEL - self.panel) * self.panels
            expected = f"a height of at least {least / 72:.2f} in for {self.panels} panels"
            raise ValueError(f"plot: width: expected {expected}, got {height / 72:.2f} in")
        return replace(self, panel=panel)


def render(picture: Picture, size: Size | None = None) -> RunFigure:
    """Return the figure of ``picture``: one column (3.5 in) wide unless ``size`` says another
    width; as high as its panels need, or as ``size`` says. ValueError if that is too low."""
    size = size or COLUMNS["1col"]
    frame = _Frame(
        size.width,
        len(picture.panels),
        PANEL,
        title=bool(picture.title),
        detail=picture.detail is not None,
    )
    picture = with_envelopes(picture, frame.main_width, frame.detail_width)
    measure = partial(text_width, size=SMALL)
    marks = [_fit_mark(mark, frame) for mark in picture.marks]
    scale = frame.main_width / (picture.end_s - picture.start_s)
    at = [(mark.t_s - picture.start_s) * scale for mark in marks]
    layout = lay_out(marks, at, frame.main_width, measure)
    legend = _flow_legend(picture.legend, frame.width - 2 * EDGE)
    rows = max((entry.row + 1 for entry in legend), default=0)
    frame = replace(frame, key_rows=len(layout.key), label_rows=layout.rows, legend_rows=rows)
    frame = frame if size.height is None else frame.as_high_as(size.height)
    with styled():
        figure = RunFigure(figsize=(frame.width / 72, frame.height / 72), dpi=100)
        axes = _draw_panels(figure, picture, frame)
        _draw_head(figure, picture.title, legend, frame)
        _draw_marks(figure, axes, marks, layout, frame)
        if picture.detail is not None:
            _draw_detail(figure, axes, picture.detail, frame)
    return figure


def draw_in(ax: Axes, picture: Picture) -> None:
    """Draw a picture of one panel in axes of another figure, whose style stays.

    Lines are labelled, so that ``ax.legend()`` tells them apart. ValueError for several panels.
    """
    if len(picture.panels) != 1:
        names = ", ".join(panel.key for panel in picture.panels)
        raise ValueError(f"plot: panels: expected one panel for ax, got {names}")
    (panel,) = picture.panels
    figure = ax.get_figure(root=True)
    width = ax.get_window_extent().width * 72 / (figure.dpi if figure else 72.0)
    panel = with_envelopes(replace(picture, detail=None), width, width).panels[0]
    lines = _draw_contents(ax, panel, width)
    ax.set(xlabel="Time (s)", ylabel=panel.label, xlim=(picture.start_s, picture.end_s))
    looks = dict(picture.legend)
    for curve, line in zip(panel.curves, lines, strict=True):
        line.set_label(looks.pop(curve.look, f"_{curve.look.colour}"))
    for mark in picture.marks:
        _draw_instant(ax, mark)


def _draw_instant(ax: Axes, mark: Mark) -> None:
    """Draw a mark's line over the grid and under data."""
    look = mark.look.but(zorder=1.9)
    ax.add_line(_line([mark.t_s] * 2, [0, 1], look, ax.get_xaxis_transform()))


def _fit_mark(mark: Mark, frame: _Frame) -> Mark:
    return replace(mark, label=fitted(mark.label, SMALL, frame.width - 60))


def _draw_panels(figure: RunFigure, picture: Picture, frame: _Frame) -> list[Axes]:
    axes = _column(figure, picture, frame, LEFT, frame.main_width)
    axes[-1].set_xlabel("Time (s)", labelpad=2)
    ticks = max(2, round(frame.main_width / 28))
    axes[0].xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    return axes


def _column(
    figure: RunFigure, picture: Picture, frame: _Frame, left: float, width: float
) -> list[Axes]:
    """Draw the panels of a picture below one another."""
    axes: list[Axes] = []
    for i, panel in enumerate(picture.panels):
        bottom = frame.axes_top - frame.panel - i * (frame.panel + PANEL_GAP)
        box = (left / frame.width, bottom / frame.height)
        axes.append(
            figure.add_axes(
                (*box, width / frame.width, frame.panel / frame.height),
                sharex=axes[0] if axes else None,
            )
        )
        _draw_panel(axes[-1], panel, width, frame.panel)
        axes[-1].tick_params(labelbottom=i == len(picture.panels) - 1)
    axes[0].set_xlim(picture.start_s, picture.end_s)
    return axes


def _draw_detail(figure: RunFigure, axes: Sequence[Axes], detail: Picture, frame: _Frame) -> None:
    """Draw a swap's second beside the panels, on their scales, and shade it in them."""
    left = LEFT + frame.main_width + DETAIL_GAP
    beside = _column(figure, detail, frame, left, frame.detail_width)
    ticks = [detail.origin_s + step for step in DETAIL_TICKS]
    beside[0].xaxis.set_major_locator(FixedLocator(ticks))
    beside[0].xaxis.set_major_formatter(lambda x, _: f"{x - detail.origin_s:.1g}".replace("-", "−"))
    beside[0].set_xlim(detail.start_s, detail.end_s)
    beside[-1].set_xlabel(f"from {detail.origin} (s)", labelpad=2)
    for ax in axes:
        ax.axvspan(detail.start_s, detail.end_s, color=SPAN, linewidth=0, zorder=0.4)
    for ax in beside:
        ax.tick_params(labelleft=False)
        for mark in detail.marks:
            _draw_instant(ax, mark)


def _draw_panel(ax: Axes, panel: Panel, width: float, height: float) -> None:
    ax.patch.set_visible(False)  # swap lines run beneath, over all panels
    _draw_contents(ax, panel, width)
    ax.set_ylabel(_label(panel, height), linespacing=1.05, fontsize=SMALL)
    ax.yaxis.set_label_coords(-YLABEL / width, 0.5)


def _label(panel: Panel, height: float) -> str:
    """Return a panel's label with its note, or, where it is too low for that, its unit below."""
    if text_width(panel.label, SMALL) > height + PANEL_GAP / 2:
        return panel.label.replace(" (", "\n(")
    note = panel.note if text_width(panel.note, SMALL) <= height + PANEL_GAP else ""
    return f"{panel.label}\n{note}".strip()


def _draw_contents(ax: Axes, panel: Panel, width: float) -> list[Line2D]:
    """Draw what a panel holds on its scale; return the lines of its curves."""
    if panel.log:
        _set_log(ax, panel.y)
    else:
        ax.set_ylim(*panel.y)
        steps = [1, 2, 2.5, 5, 10]
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=steps, integer=panel.integer))
    for points in panel.points:
        _draw_points(ax, points)
    lines = [_draw_curve(ax, curve) for curve in panel.curves]
    for rug in panel.rugs:
        _draw_rug(ax, rug)
    _draw_limits(ax, panel, width)
    return lines


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


def _draw_limits(ax: Axes, panel: Panel, width: float) -> None:
    """Draw the limits as lines, and name those that lie beyond the scale."""
    beyond = []
    for limit in panel.limits:
        if limit.y <= panel.y[1]:
            ax.add_line(_line([0, 1], [limit.y] * 2, limit.look, ax.get_yaxis_transform()))
        else:
            beyond.append(limit.text)
    if beyond:
        text = fitted("off scale: " + ", ".join(beyond), SMALL, width - 4)
        at: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(0.995, OFF_SCALE_Y, text, fontsize=SMALL, color=GREY, **at)


def _draw_rug(ax: Axes, rug: Rug) -> None:
    transform = ax.get_xaxis_transform()
    look = rug.look
    ax.vlines(rug.t_s, 1 - RUG, 1, look.colour, linewidths=look.width, transform=transform)


def _draw_curve(ax: Axes, curve: Curve) -> Line2D:
    if curve.low is not None and curve.high is not None:
        band: dict[str, Any] = {"color": curve.look.colour, "alpha": BAND_ALPHA, "linewidth": 0}
        ax.fill_between(curve.t_s, curve.low, curve.high, zorder=2.0, **band)
    line = _line(curve.t_s, curve.y, curve.look, ax.transData)
    ax.add_line(line)
    return line


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


def _flow_legend(entries: Sequence[LegendEntry], room: float) -> list[_Entry]:
    """Return where each entry goes: left to right at tab stops, then onto the next row.

    Ticks are short and go where the first row has room.
    """
    placed: list[_Entry] = []
    ends = [0.0]
    for look, text in entries:
        text = fitted(text, SMALL, room - HANDLE - HANDLE_PAD)
        width = _handle(look) + HANDLE_PAD + text_width(text, SMALL)
        rows = range(len(ends)) if look.marker == "|" else [len(ends) - 1]
        row = next((row for row in rows if not ends[row] or ends[row] + width <= room), len(ends))
        if row == len(ends):
            ends.append(0.0)
        placed.append(_Entry(look, text, EDGE + ends[row], row))
        ends[row] = TAB * math.ceil((ends[row] + width + ENTRY_GAP) / TAB)
    return placed


def _draw_head(figure: RunFigure, title: str, legend: Sequence[_Entry], frame: _Frame) -> None:
    """Draw the title and, row by row below it, the legend."""
    title = fitted(title, TITLE_SIZE, frame.width - 2 * EDGE)
    top = frame.height - EDGE
    _text(figure, frame, EDGE, top, title, size=TITLE_SIZE, va="top")
    for entry in legend:
        y = frame.legend_top - (entry.row + 0.5) * LEGEND_ROW
        _draw_handle(figure, frame, entry.x, y, entry.look)
        x = entry.x + _handle(entry.look) + HANDLE_PAD
        _text(figure, frame, x, y, entry.text, va="center_baseline")


def _handle(look: Look) -> float:
    return TICK_HANDLE if look.marker == "|" else HANDLE


def _draw_handle(figure: RunFigure, frame: _Frame, x: float, y: float, look: Look) -> None:
    if look.marker == "|":
        xs, ys = [x + TICK_HANDLE / 2] * 2, [y - 2.5, y + 2.5]
    else:
        xs, ys = [x, x + HANDLE], [y, y]
    if look.marker == "=":
        box = (x / frame.width, (y - 3) / frame.height), HANDLE / frame.width, 6 / frame.height
        band: dict[str, Any] = {"alpha": BAND_ALPHA, "linewidth": 0}
        band["transform"] = figure.transFigure
        figure.add_artist(Rectangle(*box, facecolor=look.colour, **band))
    line = _line(
        [v / frame.width for v in xs], [v / frame.height for v in ys], look, figure.transFigure
    )
    figure.add_artist(line)


def _draw_marks(
    figure: RunFigure, axes: Sequence[Axes], marks: Sequence[Mark], layout: Layout, frame: _Frame
) -> None:
    """Draw each mark as a line from the time axis up to its text, and the key at the foot."""
    start, end = axes[0].get_xlim()
    scale = frame.main_width / (end - start)
    for text in layout.texts:
        bottom = frame.axes_top + 2.5 + text.row * LABEL_ROW
        members = [marks[i] for i in text.marks]
        for mark in _thinned(members, scale):
            _draw_mark(figure, axes, mark, frame, bottom)
        if len(members) > 1:
            for ax in axes:
                ax.axvspan(members[0].t_s, members[-1].t_s, color=SPAN, linewidth=0, zorder=0.4)
        _text(figure, frame, LEFT + text.x, bottom + 1.0, text.text, ha="center", va="bottom")
    for i, row in enumerate(layout.key):
        y = EDGE + (len(layout.key) - i - 1) * KEY_ROW
        _text(figure, frame, EDGE, y, fitted(row, SMALL, frame.width - 2 * EDGE), va="bottom")


def _draw_mark(
    figure: RunFigure, axes: Sequence[Axes], mark: Mark, frame: _Frame, bottom: float
) -> None:
    """Draw one line in every panel, over grid and under data, and through the gaps between."""
    for ax in axes:
        _draw_instant(ax, mark)
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
    figure.text(x / frame.width, y / frame.height, text, fontsize=size, **alignment)
