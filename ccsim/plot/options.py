"""What may be asked of a run's picture: a part of its time, panels, a size, a title, twins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ccsim.units import parse_time_ns
from ccsim.words import did_you_mean

__all__ = ["COLUMNS", "PANELS", "TWINS", "PlotOptions", "Size", "plot_options", "size_of"]

PANELS = (
    *("throughput", "cwnd", "rtt", "queue", "inflight", "pacing", "marks"),
    *("sojourn", "probability", "probes", "connections", "slowdown"),
)
TWINS = ("auto", "none", "a", "b", "both")
POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0}
MAX_TITLE = 200  # characters; in print a picture has room for some forty
LEAST, MOST = 120.0, 2880.0  # sides of a picture that can be drawn [pt]


@dataclass(frozen=True)
class Size:
    """A picture's width, and its height unless the panels decide it [pt]."""

    width: float
    height: float | None = None


COLUMNS = {"1col": Size(3.5 * 72), "2col": Size(7.16 * 72)}
"""One and both columns of IEEE's and ACM's proceedings."""


@dataclass(frozen=True)
class PlotOptions:
    """How a run is drawn; the defaults are the picture that `ccsim run` draws.

    ``start_ns`` and ``end_ns`` bound the time axis (None: the run's own). No ``panels``: those
    that the run calls for. No ``title``: the run's name; an empty one: none. ``twins``: ``auto``
    draws their throughput where one flow was swapped; the others draw them in every panel, or not
    at all. ``detail``: whether the second around a swap stands beside it, and at which instant
    (None: the first swap that is short).
    """

    start_ns: int | None = None
    end_ns: int | None = None
    panels: tuple[str, ...] = ()
    size: Size = COLUMNS["1col"]
    title: str | None = None
    twins: str = "auto"
    detail: bool = True
    detail_ns: int | None = None

    def asks_for_twin(self, which: str) -> bool:
        """Report whether a twin ("a" or "b") is asked for by name."""
        return self.twins in (which, "both")

    def span_ns(self, duration_ns: int) -> tuple[int, int]:
        """Return the ends of the time axis of a run; ValueError if it has nothing there."""
        start = self.start_ns or 0
        end = duration_ns if self.end_ns is None else min(self.end_ns, duration_ns)
        if start < end or (self.start_ns is None and self.end_ns is None):
            return start, end
        got = f"from {start / 1e9:g} s to {(self.end_ns or duration_ns) / 1e9:g} s"
        raise ValueError(
            f"plot: expected a span of time within the run's {duration_ns / 1e9:g} s, got {got}"
        )


def plot_options(
    *,
    start: str | None = None,
    end: str | None = None,
    panels: str | Sequence[str] = (),
    width: str = "1col",
    title: str | None = None,
    twins: str = "auto",
    detail: str = "auto",
) -> PlotOptions:
    """Return the options from what people write; ValueError names what was expected.

    ``start`` and ``end`` are times such as "19 s", ``panels`` names from `PANELS`, ``width`` is
    "1col", "2col" or a size as `size_of` takes it, ``title`` a text or "none", ``twins`` one of
    `TWINS`, ``detail`` "auto", "none" or an instant.
    """
    if title is not None and len(title) > MAX_TITLE:
        raise ValueError(f"plot: title: expected at most {MAX_TITLE} characters, got {len(title)}")
    if twins not in TWINS:
        raise ValueError(f"plot: twins: expected one of {', '.join(TWINS)}, got {twins!r}")
    return PlotOptions(
        start_ns=None if start is None else parse_time_ns(start),
        end_ns=None if end is None else parse_time_ns(end),
        panels=_panels(panels),
        size=size_of(width),
        title="" if title == "none" else title,
        twins=twins,
        detail=detail != "none",
        detail_ns=None if detail in ("auto", "none") else parse_time_ns(detail),
    )


def _panels(names: str | Sequence[str]) -> tuple[str, ...]:
    parts = [part for part in names.split(",") if part] if isinstance(names, str) else names
    found = tuple(dict.fromkeys(part.strip() for part in parts))
    for name in found:
        if name not in PANELS:
            hint = did_you_mean(name, PANELS)
            expected = f"plot: panels: expected names from {', '.join(PANELS)}"
            raise ValueError(f"{expected}, got {name!r}{hint}")
    return found


def size_of(text: str) -> Size:
    """Return the size that is written as 1col, 2col, 84mm, 3.3x2.5in or 84mmx60mm."""
    if text in COLUMNS:
        return COLUMNS[text]
    found = re.fullmatch(
        r"(\d+(?:\.\d+)?)\s*(in|cm|mm|pt)?(?:\s*[x×]\s*(\d+(?:\.\d+)?)\s*(in|cm|mm|pt)?)?",
        text.strip(),
    )
    if found is not None:
        width, own, height, unit = found.groups()
        unit = unit or own or "in"
        sides = [float(width) * POINTS[own or unit], *([float(height)] if height else [])]
        sides[1:] = [side * POINTS[unit] for side in sides[1:]]
        if all(LEAST <= side <= MOST for side in sides):
            return Size(*sides)
    limits = f"from {LEAST / 72:.3g} to {MOST / 72:g} in"
    expected = f"1col, 2col, or a width or WxH {limits} a side (as 3.3x2.5in, 84mm)"
    raise ValueError(f"plot: width: expected {expected}, got {text!r}")
