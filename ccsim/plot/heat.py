"""Heat maps: what swaps cost, old × new, a map for each mechanism, state policy and path.

Colour tells the size in five steps, hue the sign: what costs is vermilion, what gains is blue. The
numbers are written into the cells, so that nothing hangs on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.plot.style import COLOURS, GREY, shorten

if TYPE_CHECKING:
    from ccsim.plot.canvas import RunFigure

__all__ = ["SHARES", "HeatCell", "HeatMap", "HeatSheet", "draw_heat", "shade", "shade_colour"]

COST, GAIN = COLOURS[1], COLOURS[0]
SHARES = (0.12, 0.26, 0.42, 0.60, 0.80)
"""How much of the colour each step mixes into the paper's."""
STEPS = len(SHARES)

# All in points (1/72 in).
CELL_WIDTH, CELL_HEIGHT = 60.0, 23.0
LABELS, HEADS, GAP = 46.0, 30.0, 16.0
EDGE, TITLE, LEGEND = 8.0, 18.0, 34.0
SIZE, SMALL = 7.0, 5.6


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
    """The maps of one metric, ``across`` beside one another; ``top`` is the largest size."""

    name: str
    title: str
    maps: tuple[HeatMap, ...]
    across: int
    top: float
    axes: tuple[str, str] = ("old", "new")
    caption: str = ""

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
        written += write_figure(_figure(sheet), paths)
    return written


def _figure(sheet: HeatSheet) -> RunFigure:
    from ccsim.plot.canvas import RunFigure, styled

    columns, rows = _extent(sheet)
    size = [HEADS + max(len(m.rows) for m in sheet.maps) * CELL_HEIGHT + GAP]
    width = 2 * EDGE + columns * (_map_width(sheet) + GAP) - GAP
    width = max(width, 300.0)
    height = 2 * EDGE + TITLE + LEGEND + rows * size[0]
    with styled():
        figure = RunFigure(figsize=(width / 72, height / 72), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        _text(axes, EDGE, EDGE + 6, sheet.title, size=8.5, weight="bold")
        for number, one in enumerate(sheet.maps):
            left = EDGE + (number % columns) * (_map_width(sheet) + GAP)
            top = EDGE + TITLE + (number // columns) * size[0]
            _draw_map(axes, sheet, one, left, top)
        _draw_legend(axes, sheet, height - EDGE - LEGEND + 10)
    return figure


def _extent(sheet: HeatSheet) -> tuple[int, int]:
    columns = max(min(sheet.across, len(sheet.maps)), 1)
    return columns, -(-len(sheet.maps) // columns)


def _map_width(sheet: HeatSheet) -> float:
    return LABELS + max(len(m.columns) for m in sheet.maps) * CELL_WIDTH


def _draw_map(axes: Any, sheet: HeatSheet, one: HeatMap, left: float, top: float) -> None:
    from ccsim.plot.canvas import fitted

    room = LABELS + len(one.columns) * CELL_WIDTH
    _text(axes, left, top + 8, fitted(one.title, SIZE, room), color="#000000")
    x0, y0 = left + LABELS, top + HEADS
    corner = f"{sheet.axes[0]} \\ {sheet.axes[1]}"
    _text(axes, x0 - 5, y0 - 6, corner, size=SMALL, ha="right", color=GREY)
    for k, name in enumerate(one.columns):
        label = fitted(name, SIZE, CELL_WIDTH - 2)
        _text(axes, x0 + (k + 0.5) * CELL_WIDTH, y0 - 6, label, ha="center")
    for k, name in enumerate(one.rows):
        label = fitted(name, SIZE, LABELS - 6)
        _text(axes, x0 - 5, y0 + (k + 0.5) * CELL_HEIGHT, label, ha="right")
    for x, y, cell in _placed(one, x0, y0):
        _draw_cell(axes, sheet, cell, x, y)


def _placed(one: HeatMap, x0: float, y0: float) -> Iterator[tuple[float, float, HeatCell | None]]:
    for i, row in enumerate(one.cells):
        for j, cell in enumerate(row):
            yield x0 + j * CELL_WIDTH, y0 + i * CELL_HEIGHT, cell


def _draw_cell(axes: Any, sheet: HeatSheet, cell: HeatCell | None, x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    from ccsim.plot.canvas import fitted

    colour = shade_colour(shade(cell.value, sheet.top)) if cell else "#f4f4f4"
    box: dict[str, Any] = {"facecolor": colour, "edgecolor": "#ffffff", "linewidth": 1.0}
    axes.add_patch(Rectangle((x, y), CELL_WIDTH, CELL_HEIGHT, **box))
    if cell is None:
        return
    middle, lift = x + CELL_WIDTH / 2, 4.5 if cell.note else 0.0
    weight = "bold" if cell.strong else "normal"
    _text(axes, middle, y + CELL_HEIGHT / 2 - lift, cell.text, ha="center", weight=weight)
    if cell.note:
        note = fitted(cell.note, SMALL, CELL_WIDTH - 2)
        _text(axes, middle, y + CELL_HEIGHT / 2 + 5.5, note, size=SMALL, ha="center")


def _draw_legend(axes: Any, sheet: HeatSheet, y: float) -> None:
    from matplotlib.patches import Rectangle

    steps = range(-STEPS if sheet.gains else 0, STEPS + 1)
    edges = [0.0, *sheet.edges()]
    for k, step in enumerate(steps):
        x = EDGE + k * 24
        box: dict[str, Any] = {
            "facecolor": shade_colour(step),
            "edgecolor": "#d0d0d0",
            "linewidth": 0.5,
        }
        axes.add_patch(Rectangle((x, y), 24, 7, **box))
        size = math.copysign(edges[abs(step)], step)
        text = f"{size:.2g}".replace("-", "\N{MINUS SIGN}") if step else "0"
        _text(axes, x + 12, y + 13, text, size=SMALL, ha="center")
    _text(axes, EDGE, y + 21, shorten(sheet.caption, 120), size=SMALL, color=GREY)


def _text(axes: Any, x: float, y: float, text: str, size: float = SIZE, **look: Any) -> None:
    axes.text(x, y, text, fontsize=size, **{"va": "center", **look})
