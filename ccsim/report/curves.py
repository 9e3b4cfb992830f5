"""Curves of a study as HTML: one SVG a metric, whose points show every figure when pointed at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ccsim.plot.response import CurveSheet, ResponsePoint
from ccsim.plot.style import COLOURS
from ccsim.report.heat import tabs
from ccsim.report.markup import Markup, tag

__all__ = ["curve_section"]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 12, 44


def curve_section(sheets: Sequence[CurveSheet]) -> Markup:
    """Return the sheets, one of which is shown at a time; all of them on paper."""
    pages = [(sheet.name, sheet.title, _sheet(sheet)) for sheet in sheets]
    return tag("div", tabs("heat", pages), class_="heat-maps")


def _sheet(sheet: CurveSheet) -> Markup:
    entries = [
        tag(
            "span",
            tag("svg", _line([(0, 6), (18, 6)], k), width=18, height=12, aria_hidden="true"),
            line.label,
            class_="entry",
        )
        for k, line in enumerate(sheet.lines)
    ]
    legend = tag("p", *entries, class_="small curve-legend")
    return tag("div", legend, _Plot(sheet).svg(), tag("p", sheet.caption, class_="small"))


def _look(index: int) -> str:
    return f"c{index % len(COLOURS)}"


def _line(points: Sequence[tuple[float, float]], index: int) -> Markup:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = "6 3" if index % 2 else None
    return tag("path", d=f"M{path}", class_=f"line {_look(index)}", stroke_dasharray=dash)


class _Plot:
    """One pair of axes."""

    def __init__(self, sheet: CurveSheet) -> None:
        self.sheet = sheet
        low, high = sheet.span()
        room = 0.08 * ((high - low) or 1.0)
        self.low, self.high = low - room * (low < 0), high + room
        ends = [self._scaled(sheet.ticks[0]), self._scaled(sheet.ticks[-1])]
        air = 0.04 * ((ends[1] - ends[0]) or 1.0)
        self.first, self.last = ends[0] - air, ends[1] + air

    def svg(self) -> Markup:
        """Return the whole picture, which shrinks with the page."""
        parts = [*self._grid(), *self._ticks()]
        for k, line in enumerate(self.sheet.lines):
            parts.append(_line([(self.x(p.x), self.y(p.value)) for p in line.points], k))
            parts += [mark for point in line.points for mark in self._point(point, k)]
        title = f"{self.sheet.title} over {self.sheet.x_title}"
        size = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "group", "aria_label": title}
        return tag("svg", *parts, **size, class_="curves")

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.sheet.log else value

    def x(self, value: float) -> float:
        """Return where a value of the factor stands."""
        share = (self._scaled(value) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value of the metric stands."""
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    def _grid(self) -> Iterator[Markup]:
        step = _step(self.high - self.low)
        for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            y = round(self.y(k * step), 1)
            yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid")
            text = f"{k * step:.6g}".replace("-", "\N{MINUS SIGN}")
            yield tag("text", text, x=LEFT - 7, y=y + 4, text_anchor="end")
        y = round(self.y(0.0), 1)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="axis")

    def _ticks(self) -> Iterator[Markup]:
        bottom, last = HEIGHT - BOTTOM, -math.inf
        for value in self.sheet.ticks:
            x = round(self.x(value), 1)
            yield tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis")
            if x - last >= 40:
                yield tag("text", f"{value:.9g}", x=x, y=bottom + 17, text_anchor="middle")
                last = x
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield tag("text", self.sheet.x_title, x=middle, y=HEIGHT - 8, text_anchor="middle")

    def _point(self, point: ResponsePoint, index: int) -> Iterator[Markup]:
        x, y = round(self.x(point.x), 1), round(self.y(point.value), 1)
        if point.low is not None and point.high is not None:
            low, high = round(self.y(point.low), 1), round(self.y(point.high), 1)
            path = f"M{x} {low}V{high}M{x - 4} {low}h8M{x - 4} {high}h8"
            yield tag("path", d=path, class_=f"line {_look(index)}")
        told = "\n".join(point.tip)
        size = {"cx": x, "cy": y, "r": 4}
        said = {"tabindex": "0", "data_tip": told, "aria_label": told.replace("\n", ", ")}
        yield tag("circle", **size, **said, class_=f"dot {_look(index)}", role="img")


def _step(span: float) -> float:
    """Return a round step that makes about five of a span."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(k * power for k in (1, 2, 5, 10) if span / (k * power) <= 6)
