"""The picture of a scenario's hops and routes, for the page: boxes, and an arrow a step of a route.

What goes forth runs from left to right, above; hops that lead back alone lie below, from right to
left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ccsim.plot.style import COLOURS, shorten
from ccsim.plot.topology import Box, DrawnRoute, Topology, topology_of
from ccsim.report.markup import Markup, tag

__all__ = ["topology_section"]

BOX_WIDTH, BOX_HEIGHT = 208, 44
COLUMN, ROW = 270, 76
MARGIN = 70  # beside the boxes, for what comes from hosts and goes to them
STUB = 46
APART = 7  # px between the arrows of routes
NAME_MAX, SAID_MAX = 22, 38  # characters


def topology_section(scenario: Mapping[str, Any]) -> Markup | None:
    """Return the picture of a resolved scenario's hops; None where there is but a path."""
    if not scenario.get("hops"):
        return None
    topology = topology_of(scenario)
    columns = 1 + max(box.column for box in topology.boxes)
    rows = 1 + max(box.row for box in topology.boxes)
    width = 2 * MARGIN + (columns - 1) * COLUMN + BOX_WIDTH
    height = rows * ROW + 22 * len(topology.ways)
    picture = tag(
        "svg",
        *_arrows(topology),
        *(_box(box) for box in topology.boxes),
        *_legend(topology, rows * ROW),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label="hops and routes",
        class_="topology",
        width=width,
        height=height,
    )
    return tag("section", tag("h2", "Hops"), picture, id="hops")


def _corner(box: Box) -> tuple[int, int]:
    return MARGIN + box.column * COLUMN, box.row * ROW + 16


def _box(box: Box) -> Markup:
    x, y = _corner(box)
    middle = x + BOX_WIDTH / 2
    line, _, rest = box.text.partition(", ")
    said = {"text_anchor": "middle", "fill": "currentColor"}
    return tag(
        "g",
        tag("title", f"{box.name}: {box.text}"),
        tag(
            "rect",
            x=x,
            y=y,
            width=BOX_WIDTH,
            height=BOX_HEIGHT,
            rx=5,
            fill="Canvas",
            stroke="currentColor",
        ),
        tag("text", shorten(box.name, NAME_MAX), x=middle, y=y + 17, font_size=13, **said),
        tag("text", shorten(f"{line}, {rest}", SAID_MAX), x=middle, y=y + 34, font_size=10, **said),
    )


def _arrows(topology: Topology) -> Iterator[Markup]:
    """Yield the steps of each route in its colour, side by side where several go the same way."""
    boxes = {box.name: box for box in topology.boxes}
    for number, way in enumerate(topology.ways):
        colour = COLOURS[number % len(COLOURS)]
        shift = APART * (number - (len(topology.ways) - 1) / 2)
        for hops, forth in ((way.out, True), (way.back, False)):
            points = _points([boxes[name] for name in hops], forth=forth)
            for start, end in list(pairwise(points))[::2]:  # every other one crosses a box
                yield _arrow(start, end, shift, colour)


def _points(boxes: list[Box], *, forth: bool) -> list[tuple[float, float]]:
    """Return the ends of a way's arrows: two a hop, and where it begins and ends."""
    if not boxes:
        return []
    points: list[tuple[float, float]] = []
    for left, top in map(_corner, boxes):
        middle = top + BOX_HEIGHT / 2
        sides = [(left, middle), (left + BOX_WIDTH, middle)]
        points += sides if forth else sides[::-1]
    stub = STUB if forth else -STUB
    (x, y), (to_x, to_y) = points[0], points[-1]
    return [(x - stub, y), *points, (to_x + stub, to_y)]


def _arrow(
    start: tuple[float, float], end: tuple[float, float], shift: float, colour: str
) -> Markup:
    """Return an arrow."""
    (x, y), (to_x, to_y) = (start[0], start[1] + shift), (end[0], end[1] + shift)
    tip = 6 if to_x > x else -6
    head = f"M{to_x - tip:g} {to_y - 3:g}L{to_x:g} {to_y:g}L{to_x - tip:g} {to_y + 3:g}"
    path = f"M{x:g} {y:g}L{to_x:g} {to_y:g}{head}"
    return tag("path", d=path, fill="none", stroke=colour, stroke_width=1.5)


def _legend(topology: Topology, top: int) -> Iterator[Markup]:
    for number, way in enumerate(topology.ways):
        y = top + 22 * number + 8
        colour = COLOURS[number % len(COLOURS)]
        yield tag("path", d=f"M0 {y}h24", stroke=colour, stroke_width=2)
        yield tag("text", _route_text(way), x=32, y=y + 4, font_size=12, fill="currentColor")


def _route_text(way: DrawnRoute) -> str:
    flows = ", ".join(shorten(name) for name in way.flows[:6]) or "nobody"
    more = f" and {len(way.flows) - 6} more" if len(way.flows) > 6 else ""
    back = "" if way.back else "; ACKs never queue"
    return f"{shorten(way.name)}: {flows}{more}{back}"
