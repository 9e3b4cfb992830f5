"""The cost chart: microseconds per packet against rate, flows, RTT, loss and duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ccsim.plot.canvas import RunFigure, styled
from ccsim.plot.style import flow_look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cost_figure"]

PANEL_IN = 1.75  # width of a panel [inch]
HEIGHT_IN = 2.0
MARKERS = ("o", "s", "^", "D")


def cost_figure(rows: Sequence[Mapping[str, Any]]) -> RunFigure:
    """Return a panel for each axis of ``rows``, which have ``axis``, ``at``, ``algorithm`` and
    ``us_per_packet``; the panels share the cost's scale. ValueError without rows."""
    axes = list(dict.fromkeys(row["axis"] for row in rows))
    if not axes:
        raise ValueError("plot: rows: expected at least one measured point, got none")
    algorithms = list(dict.fromkeys(row["algorithm"] for row in rows))
    with styled():
        figure = RunFigure(figsize=(PANEL_IN * len(axes) + 0.5, HEIGHT_IN), layout="constrained")
        panels = figure.subplots(1, len(axes), sharey=True, squeeze=False)[0]
        for ax, axis in zip(panels, axes, strict=True):
            _draw(ax, [row for row in rows if row["axis"] == axis], algorithms)
            ax.set_xlabel(axis)
        panels[0].set_ylabel("cost (µs per packet)")
        panels[0].legend(frameon=False, loc="best", handlelength=1.6)
    return figure


def _draw(ax: Axes, rows: Sequence[Mapping[str, Any]], algorithms: Sequence[str]) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    for k, algorithm in enumerate(algorithms):
        points = sorted(
            (row["at"], row["us_per_packet"]) for row in rows if row["algorithm"] == algorithm
        )
        if points:
            look = flow_look(k, 0)
            x, y = zip(*points, strict=True)
            ax.plot(x, y, color=look.colour, marker=MARKERS[k % 4], ms=3, lw=0.9, label=algorithm)
    places = sorted({row["at"] for row in rows})
    ax.set_xticks(places, [f"{place:g}" for place in places])
    ax.minorticks_off()
    low, high = ax.get_ylim()
    ticks = [t for t in (0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if low <= t <= high]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
