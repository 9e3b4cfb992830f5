"""What swaps cost on a kernel against what was simulated: a panel a metric, a point a pair and
path, with both intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ccsim.plot.style import GREY, dots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AgreementPanel", "AgreementPoint", "draw_agreement"]

DPI = 200
WIDTH_IN = 7.0
PANEL_IN = 2.2
COLUMNS = 3
Spread = tuple[float, float, float]
"""Mean and the ends of its interval, equal to it where there is none."""


@dataclass(frozen=True)
class AgreementPoint:
    """One pair on one path; ``series`` says which path, and so colour and marker."""

    series: str
    kernel: Spread
    simulated: Spread
    apart: bool


@dataclass(frozen=True, eq=False)
class AgreementPanel:
    """One metric: its label with the unit, its points, and a line of text (a correlation).

    Beyond ``linear`` on either side of 0 the axes are logarithmic; None: nowhere.
    """

    label: str
    points: Sequence[AgreementPoint]
    text: str
    linear: float | None = None


def draw_agreement(panels: Sequence[AgreementPanel], out: Path) -> Path:
    """Write the panels as ``out`` (its suffix is the format) and return the path.

    On the diagonal kernel and simulation are equal; points that part are ringed. Raises ValueError
    when there are no panels.
    """
    from ccsim.plot.canvas import RunFigure, styled

    if not panels:
        raise ValueError("expected at least one panel, got none")
    series = list(dict.fromkeys(point.series for panel in panels for point in panel.points))
    rows = -(-len(panels) // COLUMNS)
    with styled():
        figure = RunFigure(figsize=(WIDTH_IN, 0.5 + PANEL_IN * rows), layout="constrained")
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axis, panel in zip(axes, panels, strict=False):
            _draw(axis, panel, series)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        handles = [_handle(axes[0], number, name) for number, name in enumerate(series)]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
        figure.supxlabel("on the kernel", fontsize=7.5)
        figure.supylabel("simulated", fontsize=7.5)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=DPI, metadata={"Software": None} if out.suffix == ".png" else None)
    return out


def _handle(axis: Axes, number: int, name: str) -> object:
    return axis.plot([], [], label=name, **dots(number))[0]


def _draw(axis: Axes, panel: AgreementPanel, series: Sequence[str]) -> None:
    for point in panel.points:
        x, y = point.kernel, point.simulated
        axis.errorbar(
            x[0],
            y[0],
            xerr=_arms(x),
            yerr=_arms(y),
            elinewidth=0.6,
            **dots(series.index(point.series)),
        )
        if point.apart:
            axis.plot(x[0], y[0], "o", markersize=8, mfc="none", mec="black", mew=0.8)
    ends = [end for point in panel.points for end in (*point.kernel, *point.simulated)]
    pad = 0.05 * (max(ends) - min(ends)) or 1.0
    if panel.linear is not None:
        axis.set_xscale("symlog", linthresh=panel.linear)
        axis.set_yscale("symlog", linthresh=panel.linear)
    span = (min(ends) - pad, max(ends) + pad)
    if panel.linear is not None:
        _decades(axis, span, panel.linear)
    axis.plot(span, span, color=GREY, linewidth=0.6, zorder=0)
    axis.set(xlim=span, ylim=span)
    axis.set_box_aspect(1)
    axis.grid(visible=True, axis="both")
    axis.set_title(panel.label, fontsize=7.5, loc="left")
    axis.text(0.97, 0.04, panel.text, transform=axis.transAxes, ha="right", fontsize=6.5)


def _decades(axis: Axes, span: tuple[float, float], linear: float) -> None:
    """Put ticks at 0 and at each power of ten from ``linear`` on that lies within the span."""
    from matplotlib.ticker import NullLocator

    powers = [linear * 10**k for k in range(8)]
    ticks = [x for x in (*(-x for x in reversed(powers)), 0.0, *powers) if span[0] <= x <= span[1]]
    for one in (axis.xaxis, axis.yaxis):
        one.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        one.set_minor_locator(NullLocator())


def _arms(spread: Spread) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    value, low, high = spread
    return np.array([[value - low], [high - value]])
