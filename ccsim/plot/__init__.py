"""Every picture of ccsim; only this package imports matplotlib, once something is drawn."""

from __future__ import annotations

from ccsim.plot.draw import FORMATS, PlottableRun, draw_comparison, draw_cost, draw_run, figure_for

__all__ = ["FORMATS", "PlottableRun", "draw_comparison", "draw_cost", "draw_run", "figure_for"]
