"""How pictures look: colour-blind-safe colours, line styles, sizes, and literal text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "BAND",
    "CAPACITY",
    "COLOURS",
    "DROP",
    "FAILED_SWAP",
    "GREY",
    "LIMIT",
    "MARK",
    "MARKING",
    "NAME_MAX",
    "RANDOM_LOSS",
    "SSTHRESH",
    "STYLE",
    "SWAP",
    "TWIN_A",
    "TWIN_B",
    "Look",
    "dots",
    "drawable",
    "flow_look",
    "shorten",
]

# Okabe and Ito, "Color Universal Design" (2008), without yellow, which vanishes on white paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6E6E6E"
NAME_MAX = 24  # characters of a user's name that are shown

Dashes = tuple[float, ...]
DASHES: tuple[Dashes, ...] = ((), (5.0, 1.2), (6.0, 1.2, 1.2, 1.2), (2.4, 1.0), (1.0, 1.0))

# Applied on top of matplotlib's own defaults, so that a user's matplotlibrc changes no bytes.
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same glyphs everywhere
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "axes.grid.axis": "y",  # vertical lines are swaps
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.solid_joinstyle": "round",
    "lines.scale_dashes": True,
    "text.parse_math": False,  # a name with $ in it is a name
    "pdf.fonttype": 42,  # TrueType, embedded
    "ps.fonttype": 42,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ccsim",  # the same ids in every drawing
    "savefig.facecolor": "white",
    "path.simplify": True,
}


@dataclass(frozen=True)
class Look:
    """How a line is drawn: dashes in line widths (empty: solid), width [pt], opacity, order."""

    colour: str = GREY
    dashes: Dashes = ()
    width: float = 0.9
    alpha: float = 1.0
    zorder: float = 3.0
    marker: str = ""  # in a legend: | a tick, = a band, nothing a line

    def but(self, **changes: Any) -> Look:
        """Return the same look with some fields changed."""
        return replace(self, **changes)


BAND = Look(marker="=")  # of a line that turns too often to be drawn as one
CAPACITY = Look(colour="#A9A9A9", width=0.5, zorder=1.9)
LIMIT = Look(colour="#8A8A8A", dashes=(1.2, 1.6), width=0.8, zorder=2.0)
MARKING = Look(colour="#7A4FBF", dashes=(4.0, 1.4, 1.0, 1.4), width=0.7, zorder=2.1)
SSTHRESH = Look(colour=GREY, dashes=(3.0, 1.6), width=0.6, zorder=2.5)
TWIN_A = Look(colour="#9C9C9C", dashes=(4.0, 1.2), width=0.7, zorder=2.2)
TWIN_B = Look(colour="#DDA3C4", width=0.8, zorder=2.1)
DROP = Look(colour="#000000", width=0.5, marker="|")
MARK = Look(colour="#7A4FBF", width=0.4, marker="|")
RANDOM_LOSS = Look(colour="#D55E00", width=0.5, marker="|")
SWAP = Look(colour="#4A4A4A", width=0.6, zorder=4.0)
FAILED_SWAP = SWAP.but(dashes=(1.0, 1.5))


def flow_look(index: int, styles: int | None = None) -> Look:
    """Return the look of a flow, group or run; ``styles`` picks another's dash pattern."""
    dashes = DASHES[(index if styles is None else styles) % len(DASHES)]
    return Look(colour=COLOURS[index % len(COLOURS)], dashes=dashes)


def shorten(text: str, limit: int = NAME_MAX) -> str:
    """Return ``text``, cut to ``limit`` characters with an ellipsis at its end."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def drawable(text: str, has_glyph: Callable[[str], bool]) -> str:
    """Return ``text``, what the font cannot draw written as its code point: ``\\u{4e2d}``."""
    return "".join(
        c if c == " " or (c.isprintable() and has_glyph(c)) else f"\\u{{{ord(c):x}}}" for c in text
    )


def dots(number: int) -> dict[str, Any]:
    """Return how the dots of a series look, which differ in colour and shape."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 3.2,
        "markeredgewidth": 0,
        "linestyle": "none",
    }
