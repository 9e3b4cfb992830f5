"""What a figure shows, as plain data: panels of curves over one time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.style import LIMIT, Look

__all__ = [
    "Curve",
    "LegendEntry",
    "Limit",
    "Mark",
    "Panel",
    "Picture",
    "Points",
    "Rug",
    "y_range",
]

Floats = NDArray[np.float64]
LegendEntry = tuple[Look, str]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line: times [s] and values in the panel's unit; ``low`` and ``high`` bound its band.

    ``samples`` are all times and values of a line that shows fewer of them.
    """

    t_s: Floats
    y: Floats
    look: Look
    low: Floats | None = None
    high: Floats | None = None
    samples: tuple[Floats, Floats] | None = None

    def extremes(self) -> Floats:
        """Return every finite value that the panel's limits must hold."""
        values = np.concatenate([v for v in (self.y, self.low, self.high) if v is not None])
        return values[np.isfinite(values)]


@dataclass(frozen=True, eq=False)
class Points:
    """Dots at times [s] and values; the look's width is their diameter."""

    t_s: Floats
    y: Floats
    look: Look


@dataclass(frozen=True)
class Limit:
    """A horizontal line for what bounds the data: link capacity, base RTT, buffer."""

    y: float
    text: str  # shown only when the line lies off the panel's scale
    look: Look = LIMIT


@dataclass(frozen=True, eq=False)
class Rug:
    """Short ticks along the top edge of a panel, one for each time [s]."""

    t_s: Floats
    look: Look


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes: its label with the unit, a second line to it, contents and y range."""

    label: str
    note: str
    curves: tuple[Curve, ...]
    limits: tuple[Limit, ...]
    y: tuple[float, float]
    rugs: tuple[Rug, ...] = ()
    integer: bool = False  # counts: no ticks between whole numbers
    points: tuple[Points, ...] = ()
    log: bool = False  # the y axis, which then must not begin at 0
    key: str = ""  # what it is called where panels are chosen


@dataclass(frozen=True)
class Mark:
    """An instant [s] marked across all panels, and its label."""

    t_s: float
    label: str
    look: Look


@dataclass(frozen=True, eq=False)
class Picture:
    """A whole figure: title, length of the time axis [s], panels from the top, legend, marks.

    ``start_s`` is where the time axis begins; ``detail`` a part of it in which the same panels
    stand once more, beside them, its time told from ``origin_s``, called ``origin``.
    """

    title: str
    duration_s: float
    panels: tuple[Panel, ...]
    legend: tuple[LegendEntry, ...]
    marks: tuple[Mark, ...]
    start_s: float = 0.0
    detail: Picture | None = None
    origin_s: float = 0.0
    origin: str = ""

    @property
    def end_s(self) -> float:
        """Where the time axis ends."""
        return self.start_s + (self.duration_s or 1.0)


def y_range(
    curves: Iterable[Curve],
    limits: Sequence[Limit],
    *,
    headroom: float,
    least_share: float = 0.0,
) -> tuple[float, float]:
    """Return a y range from 0 for the curves and the limits of which they fill ``least_share``.

    A limit far above all data would press the curves flat: it is left off the scale, and room is
    left to name it. ``headroom`` is the height of the range as a multiple of the highest thing in
    it.
    """
    values = [c.extremes() for c in curves]
    highest = max((float(v.max()) for v in values if len(v)), default=0.0)
    shown = [limit.y for limit in limits if not highest or highest >= least_share * limit.y]
    top = max([highest, *shown])
    if len(shown) < len(limits):
        headroom = max(headroom, 1.3)
    return 0.0, top * headroom if top > 0 else 1.0
