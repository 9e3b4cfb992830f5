"""A recording and its simulation in one picture, below one another what both measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.style import COLOURS, GREY, shorten

__all__ = ["OverlayPanel", "draw_overlay"]

DPI = 200
WIDTH_IN = 7.0
PANEL_IN = 1.7
TITLE_MAX = 80
Floats = NDArray[np.floating[Any]]

OverlayPanel = tuple[str, tuple[Floats, Floats], tuple[Floats, Floats]]
"""(label with its unit, (times [s], values) recorded, (times [s], values) simulated)."""


def draw_overlay(title: str, panels: Sequence[OverlayPanel], out: Path) -> Path:
    """Write the panels as ``out`` (its suffix is the format) and return the path.

    Values hold until the next: curves are steps. Raises ValueError when there are no panels.
    """
    from ccsim.plot.canvas import RunFigure, shown, styled

    if not panels:
        raise ValueError(f"{title}: expected at least one panel, got none")
    with styled():
        figure = RunFigure(figsize=(WIDTH_IN, 0.8 + PANEL_IN * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, (label, recorded, simulated) in zip(axes, panels, strict=True):
            axis.step(*recorded, where="post", color=GREY, linewidth=1.6, label="recorded")
            axis.step(*simulated, where="post", color=COLOURS[1], linewidth=0.8, label="simulated")
            axis.set_ylabel(shown(label))
        axes[0].set_title(shown(shorten(title, TITLE_MAX)), loc="left")
        axes[0].legend(loc="upper right", frameon=False, ncols=2)
        axes[-1].set_xlabel("time (s)")
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=DPI, metadata={"Software": None})
    return out
