"""Every picture of ccsim; only this package imports matplotlib, once something is drawn."""

from __future__ import annotations

from ccsim.plot.draw import (
    FORMATS,
    PlottableRun,
    draw_comparison,
    draw_cost,
    draw_panel,
    draw_run,
    figure_for,
)
from ccsim.plot.options import PlotOptions, plot_options

__all__ = [
    "FORMATS",
    "PlotOptions",
    "PlottableRun",
    "draw_comparison",
    "draw_cost",
    "draw_panel",
    "draw_run",
    "figure_for",
    "plot_options",
]
