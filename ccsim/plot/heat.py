"""Heat maps: what swaps cost, old × new, a map for each mechanism, state policy and path.

Colour tells the size in five steps, hue the sign: what costs is vermilion, what gains is blue. The
numbers are written into the cells, or at contours where the cells are many, so that nothing hangs
on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.plot.style import COLOURS, GREY

if TYPE_CHECKING:
    from ccsim.plot.canvas import RunFigure

__all__ = [
    "SHARES",
    "HeatCell",
    "HeatMap",
    "HeatSheet",
    "draw_heat",
    "heat_figure",
    "shade",
    "shade_colour",
]

COST, GAIN = COLOURS[1], COLOURS[0]
SHARES = (0.12, 0.26, 0.42, 0.60, 0.80)
"""How much of the colour each step mixes into the paper's."""
STEPS = len(SHARES)

# All in points (1/72 in).
CELL_WIDTH, CELL_HEIGHT = 60.0, 23.0  # at least: a cell grows with what is written in it
FINE = 7  # with this many values on both axes contours are drawn and cells have no texts
FINE_WIDTH, FINE_HEIGHT = 20.0, 15.0
LABELS, LABELS_MAX, GAP = 34.0, 110.0, 16.0
EDGE, TITLE, LEGEND = 8.0, 18.0, 24.0
SIZE, SMALL, LINE, SMALL_LINE = 7.0, 6.0, 8.6, 7.6
AXIS_TITLE = 11.0  # of an axis with numbers
STEP = 28.0  # of the legend
LEAST_WIDTH = 2 * EDGE + (2 * STEPS + 1) * STEP


@dataclass(frozen=True)
class HeatCell:
    """One cell: the number that colours it, its text, a smaller one below, all of it in words.

    ``strong``: its interval lies on one side of 0.
    """

    value: float | None
    text: str
    note: str = ""
    tip: tuple[str, ...] = ()
    strong: bool = False


@dataclass(frozen=True)
class HeatMap:
    """One map: names of rows and columns, and a cell (or None) for each pair."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[HeatCell | None, ...], ...]


@dataclass(frozen=True)
class HeatSheet:
    """The maps of one metric, ``across`` beside one another; ``top`` is the largest size.

    ``axes`` are the titles of rows and columns; ``numeric``: both are numbers with a unit.
    """

    name: str
    title: str
    maps: tuple[HeatMap, ...]
    across: int
    top: float
    axes: tuple[str, str] = ("old", "new")
    caption: str = ""
    numeric: bool = False

    @property
    def fine(self) -> bool:
        """Whether its maps are so fine that contours tell more than numbers in cells."""
        sides = [len(side) for one in self.maps for side in (one.rows, one.columns)]
        return self.numeric and min(sides, default=0) >= FINE

    def edges(self) -> list[float]:
        """Return the sizes at which the steps of colour end."""
        return [self.top * (step / STEPS) ** 2 for step in range(1, STEPS + 1)]

    @property
    def gains(self) -> bool:
        """Whether any cell is below 0."""
        return any(
            (cell.value or 0) < 0 for m in self.maps for row in m.cells for cell in row if cell
        )


def shade(value: float | None, top: float) -> int:
    """Return the step of colour, -5 (gains most) to 5 (costs most): the root of the share of
    ``top``, so that small ones can be told apart beside a large one."""
    if not value or top <= 0:
        return 0
    step = min(math.ceil(STEPS * math.sqrt(abs(value) / top) - 1e-9), STEPS)
    return int(math.copysign(step, value))


def shade_colour(step: int, paper: str = "#ffffff") -> str:
    """Return the colour of a step on a paper's."""
    if not step:
        return paper
    share = SHARES[abs(step) - 1]
    ink = COST if step > 0 else GAIN
    mixed = (
        round(share * int(ink[i : i + 2], 16) + (1 - share) * int(paper[i : i + 2], 16))
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def draw_heat(
    sheets: Sequence[HeatSheet], out_dir: Path, formats: Sequence[str] = ("png", "pdf")
) -> list[Path]:
    """Write each sheet as ``out_dir/matrix_<metric>.<format>`` and return the paths.

    Each file appears whole or not at all, and the same sheet gives the same bytes. ValueError for a
    format that is none.
    """
    from ccsim.plot.draw import file_paths, write_figure

    written: list[Path] = []
    for sheet in sheets:
        paths = file_paths(out_dir, formats, f"matrix_{sheet.name}")
        written += write_figure(heat_figure(sheet), paths)
    return written


@dataclass(frozen=True)
class _Layout:
    """Sizes of the maps of a sheet [pt], such that no text is cut."""

    cell: tuple[float, float]
    labels: float
    heads: int
    titles: int
    side: float
    """Of the rotated title of rows with numbers."""

    def map_width(self, sheet: HeatSheet) -> float:
        return self.left + max(len(m.columns) for m in sheet.maps) * self.cell[0]

    @property
    def left(self) -> float:
        """From a map's edge to its cells."""
        return self.side + self.labels

    @property
    def top(self) -> float:
        """From a map's edge to its cells: titles, the columns' title if it is one, headings."""
        axis = AXIS_TITLE if self.side else 0.0
        return 4.0 + self.titles * LINE + axis + self.heads * LINE + 4.0


def _layout(sheet: HeatSheet) -> _Layout:
    from ccsim.plot.canvas import text_width, wrapped

    heads = [name for one in sheet.maps for name in one.columns]
    names = [name for one in sheet.maps for name in one.rows]
    cells = [cell for one in sheet.maps for row in one.cells for cell in row if cell]
    cells = [] if sheet.fine else cells
    words = [word for name in heads for word in name.split(" ")]
    width = max(
        FINE_WIDTH if sheet.fine else CELL_WIDTH,
        *(text_width(word, SIZE) + 4 for word in words),
        *(text_width(cell.text, SIZE) + 6 for cell in cells),
        *(text_width(cell.note, SMALL) + 4 for cell in cells),
    )
    rows = [wrapped(name, SIZE, LABELS_MAX) for name in names]
    labels = max(
        0.0 if sheet.numeric else LABELS,
        *(text_width(line, SIZE) for lines in rows for line in lines),
    )
    corner = 0.0 if sheet.numeric else text_width(_corner(sheet), SMALL)
    labels = max(labels, corner) + 9
    least = FINE_HEIGHT if sheet.fine else CELL_HEIGHT
    height = max(least, max(len(lines) for lines in rows) * LINE + 6)
    head_lines = max(len(wrapped(name, SIZE, width - 3)) for name in heads)
    side = AXIS_TITLE if sheet.numeric else 0.0
    across = side + labels + max(len(one.columns) for one in sheet.maps) * width
    titles = max(len(wrapped(one.title, SIZE, across)) for one in sheet.maps)
    return _Layout((width, height), labels, head_lines, titles, side)


def _corner(sheet: HeatSheet) -> str:
    return f"{sheet.axes[0]} \\ {sheet.axes[1]}"


def heat_figure(sheet: HeatSheet) -> RunFigure:
    """Return the figure of one sheet."""
    from ccsim.plot.canvas import RunFigure, styled, wrapped

    columns, rows = _extent(sheet)
    layout = _layout(sheet)
    across = layout.map_width(sheet)
    one_row = layout.top + max(len(m.rows) for m in sheet.maps) * layout.cell[1] + GAP
    width = max(2 * EDGE + columns * (across + GAP) - GAP, LEAST_WIDTH)
    caption = wrapped(sheet.caption, SMALL, width - 2 * EDGE)
    height = 2 * EDGE + TITLE + rows * one_row + LEGEND + len(caption) * SMALL_LINE
    with styled():
        figure = RunFigure(figsize=(width / 72, height / 72), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        _text(axes, EDGE, EDGE + 6, sheet.title, size=8.5, weight="bold")
        for number, one in enumerate(sheet.maps):
            left = EDGE + (number % columns) * (across + GAP)
            top = EDGE + TITLE + (number // columns) * one_row
            _draw_map(axes, sheet, one, layout, left, top)
        _draw_legend(axes, sheet, EDGE + TITLE + rows * one_row, caption)
    return figure


def _extent(sheet: HeatSheet) -> tuple[int, int]:
    columns = max(min(sheet.across, len(sheet.maps)), 1)
    return columns, -(-len(sheet.maps) // columns)


def _draw_map(
    axes: Any, sheet: HeatSheet, one: HeatMap, layout: _Layout, left: float, top: float
) -> None:
    width, height = layout.cell
    room = layout.left + len(one.columns) * width
    _lines(axes, left, top + 8, one.title, room, SIZE, color="#000000")
    x0, y0 = left + layout.left, top + layout.top
    middle = (x0 + len(one.columns) * width / 2, y0 + len(one.rows) * height / 2)
    if sheet.numeric:
        above = y0 - 6 - layout.heads * LINE
        _text(axes, middle[0], above, sheet.axes[1], ha="center", weight="bold")
        at = (left + AXIS_TITLE / 2, middle[1])
        _text(axes, *at, sheet.axes[0], ha="center", rotation=90, weight="bold")
    else:
        _text(axes, x0 - 5, y0 - 6, _corner(sheet), size=SMALL, ha="right", color=GREY)
    for k, name in enumerate(one.columns):
        x = x0 + (k + 0.5) * width
        _lines(axes, x, y0 - 6, name, width - 3, SIZE, ha="center", upwards=True)
    for k, name in enumerate(one.rows):
        y = y0 + (k + 0.5) * height
        _lines(axes, x0 - 5, y, name, LABELS_MAX, SIZE, ha="right", centred=True)
    for x, y, cell in _placed(one, x0, y0, layout):
        _draw_cell(axes, sheet, cell, x, y, layout)
    if sheet.fine:
        _draw_contours(axes, sheet, one, x0, y0, layout)


def _lines(
    axes: Any,
    x: float,
    y: float,
    text: str,
    width: float,
    size: float,
    *,
    upwards: bool = False,
    centred: bool = False,
    **look: Any,
) -> None:
    """Write a text in as many lines as it takes: from ``y`` down, up to it, or about it."""
    from ccsim.plot.canvas import wrapped

    lines = wrapped(text, size, width)
    back = (len(lines) - 1) * LINE
    first = y - back if upwards else y - back / 2 if centred else y
    for number, line in enumerate(lines):
        _text(axes, x, first + number * LINE, line, size=size, **look)


def _placed(
    one: HeatMap, x0: float, y0: float, layout: _Layout
) -> Iterator[tuple[float, float, HeatCell | None]]:
    for i, row in enumerate(one.cells):
        for j, cell in enumerate(row):
            yield x0 + j * layout.cell[0], y0 + i * layout.cell[1], cell


def _draw_cell(
    axes: Any, sheet: HeatSheet, cell: HeatCell | None, x: float, y: float, layout: _Layout
) -> None:
    from matplotlib.patches import Rectangle

    width, height = layout.cell
    colour = shade_colour(shade(cell.value, sheet.top)) if cell else "#f4f4f4"
    box: dict[str, Any] = {"facecolor": colour, "edgecolor": "#ffffff", "linewidth": 1.0}
    axes.add_patch(Rectangle((x, y), width, height, **box))
    if cell is None or sheet.fine:
        return
    middle, lift = x + width / 2, 4.5 if cell.note else 0.0
    weight = "bold" if cell.strong else "normal"
    _text(axes, middle, y + height / 2 - lift, cell.text, ha="center", weight=weight)
    if cell.note:
        _text(axes, middle, y + height / 2 + 5.5, cell.note, size=SMALL, ha="center")


def _draw_contours(
    axes: Any, sheet: HeatSheet, one: HeatMap, x0: float, y0: float, layout: _Layout
) -> None:
    """Draw the lines on which a step of colour ends, with their values."""
    import numpy as np

    found = [
        [np.nan if c is None or c.value is None else c.value for c in row] for row in one.cells
    ]
    values = np.ma.masked_invalid(np.array(found, dtype=np.float64))
    edges = sheet.edges()[:-1]
    both = (*(-edge for edge in reversed(edges)), 0.0, *edges)
    levels = [level for level in both if values.min() < level < values.max()]
    if not levels:
        return
    width, height = layout.cell
    x = x0 + (np.arange(len(one.columns)) + 0.5) * width
    y = y0 + (np.arange(len(one.rows)) + 0.5) * height
    lines = axes.contour(x, y, values, levels=levels, colors="#3a3a3a", linewidths=0.6)
    axes.clabel(
        lines, fontsize=SMALL, fmt=lambda value: f"{value:.2g}".replace("-", "\N{MINUS SIGN}")
    )


def _draw_legend(axes: Any, sheet: HeatSheet, y: float, caption: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    steps = range(-STEPS if sheet.gains else 0, STEPS + 1)
    edges = [0.0, *sheet.edges()]
    for k, step in enumerate(steps):
        x = EDGE + k * STEP
        box: dict[str, Any] = {
            "facecolor": shade_colour(step),
            "edgecolor": "#d0d0d0",
            "linewidth": 0.5,
        }
        axes.add_patch(Rectangle((x, y), STEP, 7, **box))
        size = math.copysign(edges[abs(step)], step)
        text = f"{size:.2g}".replace("-", "\N{MINUS SIGN}") if step else "0"
        _text(axes, x + STEP / 2, y + 13, text, size=SMALL, ha="center")
    for number, line in enumerate(caption):
        _text(axes, EDGE, y + 23 + number * SMALL_LINE, line, size=SMALL, color=GREY)


def _text(axes: Any, x: float, y: float, text: str, size: float = SIZE, **look: Any) -> None:
    axes.text(x, y, text, fontsize=size, **{"va": "center", **look})
