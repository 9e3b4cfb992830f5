"""Figures as PGF, which LaTeX sets in the paper's own font: `\\input{run.pgf}` after
`\\usepackage{pgf}`.

matplotlib's own writer asks LaTeX how wide each text is. Here each text is anchored where it is
aligned, so nothing has to be measured; and no text is taken for commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO

from matplotlib.backends.backend_pgf import RendererPgf
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from ccsim.words import tex_text

__all__ = ["write_pgf"]

Measure = Callable[[str, float], tuple[float, float, float]]

HEAD = """\
% In the preamble: \\usepackage{pgf}; here: \\input{this file}.
\\begingroup
\\makeatletter
\\begin{pgfpicture}
"""
FOOT = "\\end{pgfpicture}\n\\makeatother\n\\endgroup\n"
HORIZONTAL = {"left": "left", "right": "right", "center": ""}
VERTICAL = {"top": "top", "bottom": "bottom", "baseline": "base"}


def write_pgf(figure: Figure, out: TextIO, measure: Measure) -> None:
    """Write a figure as a PGF picture of its size; ``measure`` tells a text's width, height and
    descent at a size [pt]."""
    width, height = figure.get_size_inches()
    out.write(HEAD)
    out.write(
        f"\\pgfpathrectangle{{\\pgfpointorigin}}{{\\pgfqpoint{{{width:f}in}}{{{height:f}in}}}}\n"
    )
    out.write("\\pgfusepath{use as bounding box, clip}\n")
    figure.draw(_Renderer(figure, out, measure))
    out.write(FOOT)


class _Renderer(RendererPgf):
    """matplotlib's, with texts anchored instead of measured."""

    def __init__(self, figure: Figure, out: TextIO, measure: Measure) -> None:
        super().__init__(figure, out)
        self._measure = measure

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Text | None = None,
    ) -> None:
        """Write a text at its anchor; a line of several at the middle of its baseline."""
        if mtext is None:
            anchor, (x, y) = "base", self._middle(x, y, s, prop, angle)
        else:
            anchor, (x, y) = (
                _anchor(mtext),
                mtext.get_transform().transform(mtext.get_unitless_position()),
            )
        size = prop.get_size_in_points()
        weight = r"\bfseries" if prop.get_weight() == "bold" else ""
        colour = ",".join(f"{part:f}" for part in gc.get_rgb()[:3])
        at = [f"x={x / self.dpi:f}in", f"y={y / self.dpi:f}in", anchor, f"rotate={angle:f}"]
        self.fh.write(
            f"\\definecolor{{textcolor}}{{rgb}}{{{colour}}}\n"
            f"\\pgftext[{','.join(part for part in at if part)}]{{\\color{{textcolor}}"
            f"\\fontsize{{{size:f}}}{{{size * 1.2:f}}}{weight}\\selectfont {tex_text(s)}}}\n"
        )

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        """Return what the text would take in matplotlib's own font [pixels]."""
        width, height, descent = self._measure(s, prop.get_size_in_points())
        scale = self.dpi / 72
        return width * scale, height * scale, descent * scale

    def _middle(
        self, x: float, y: float, s: str, prop: FontProperties, angle: float
    ) -> tuple[float, float]:
        half = self.get_text_width_height_descent(s, prop, False)[0] / 2
        return (x, y + half) if angle == 90 else (x + half, y)


def _anchor(text: Text) -> str:
    parts = (
        HORIZONTAL[text.get_horizontalalignment()],
        VERTICAL.get(text.get_verticalalignment(), ""),
    )
    return ",".join(part for part in parts if part)
