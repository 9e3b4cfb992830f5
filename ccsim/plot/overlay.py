"""A recording and its simulation in one picture: what both measured, panel below panel."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.style import COLOURS, SWAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OverlayMark", "OverlayPanel", "draw_overlay"]

DPI = 200
WIDTH_IN = 7.0
PANEL_IN = 1.7
TITLE_LINE = 96  # characters
TITLE_LINES = 3
MARK_SIZE = 6.5
# What is recorded is broad and pale, so that it shows beneath.
LABELS = ("recorded", "simulated")
SHADES = ("#A8A8A8", COLOURS[1])
WIDTHS = (2.6, 0.8)  # of lines [pt],
POINTS = (4.5, 1.6)  # and of points
Floats = NDArray[np.floating[Any]]
Curve = tuple[Floats, Floats]
OverlayMark = tuple[float, str]
"""(instant [s], what happened then)."""


@dataclass(frozen=True, eq=False)
class OverlayPanel:
    """One measure: its label with the unit, and (times [s], values) recorded and simulated.

    Values hold until the next, or are single ``points``. ``names`` are what the values 0, 1, …
    mean, if they are no amounts.
    """

    label: str
    recorded: Curve
    simulated: Curve
    points: bool = False
    names: tuple[str, ...] = ()


def draw_overlay(
    title: str, panels: Sequence[OverlayPanel], out: Path, marks: Sequence[OverlayMark] = ()
) -> Path:
    """Write the panels as ``out`` (its suffix is the format) and return the path.

    ``marks`` are drawn across all panels. Raises ValueError when there are no panels.
    """
    from ccsim.plot.canvas import RunFigure, styled

    if not panels:
        raise ValueError(f"{title}: expected at least one panel, got none")
    with styled():
        figure = RunFigure(figsize=(WIDTH_IN, 0.8 + PANEL_IN * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
            for at, _ in marks:
                axis.axvline(at, color=SWAP.colour, linewidth=SWAP.width, zorder=1)
        _tell_marks(axes[0], marks)
        lines = textwrap.wrap(title, TITLE_LINE, max_lines=TITLE_LINES, placeholder=" …")
        axes[0].set_title(_text("\n".join(lines)), loc="left")
        known = axes[0].get_legend_handles_labels()
        figure.legend(*known, loc="outside upper right", ncols=2, frameon=False)
        axes[-1].set_xlabel("time (s)")
        axes[-1].set_xlim(left=0)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=DPI, metadata={"Software": None})
    return out


def _draw(axis: Axes, panel: OverlayPanel) -> None:
    from matplotlib.ticker import MaxNLocator

    curves = zip((panel.recorded, panel.simulated), LABELS, SHADES, WIDTHS, POINTS, strict=True)
    for (times, values), label, colour, width, size in curves:
        if panel.points:
            axis.plot(
                times, values, ".", color=colour, label=label, markersize=size, markeredgewidth=0
            )
        else:
            axis.step(times, values, where="post", color=colour, label=label, linewidth=width)
    axis.set_ylabel(_text(panel.label))
    if panel.names:
        axis.set_yticks(range(len(panel.names)), panel.names)
        axis.set_ylim(-0.3, len(panel.names) - 0.7)
    else:
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=2))


def _tell_marks(axis: Axes, marks: Sequence[OverlayMark]) -> None:
    """Write into the first panel what happened."""
    for at, what in marks:
        axis.annotate(
            _text(what),
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -6),
            textcoords="offset points",
            fontsize=MARK_SIZE,
        )


def _text(text: str) -> str:
    from ccsim.plot.canvas import shown

    return "\n".join(map(shown, text.split("\n")))
