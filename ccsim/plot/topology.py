"""The hops of a scenario and the routes of its flows, as boxes in columns and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ccsim.plot.units import rate_unit, time_text

__all__ = ["Box", "DrawnRoute", "Topology", "topology_of", "topology_text"]

Ways = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Box:
    """One hop: its name, what is said of it, and its place: column from the sender's side, row."""

    name: str
    text: str
    column: int
    row: int


@dataclass(frozen=True)
class DrawnRoute:
    """A route: its name, the flows that go by it, its hops forth and back."""

    name: str
    flows: tuple[str, ...]
    out: tuple[str, ...]
    back: tuple[str, ...]


@dataclass(frozen=True)
class Topology:
    """All hops and routes. Rows of hops that only ACKs cross follow those of the others."""

    boxes: tuple[Box, ...]
    ways: tuple[DrawnRoute, ...]


def topology_of(scenario: Mapping[str, Any]) -> Topology:
    """Return the topology of a resolved scenario; a path is one hop, ``bottleneck``."""
    hops = scenario.get("hops") or {"bottleneck": scenario["path"]}
    routes = scenario.get("routes") or {"": {"out": ["bottleneck"], "back": []}}
    first = next(iter(routes))
    takers: dict[str, list[str]] = {name: [] for name in routes}
    for flow in (*scenario.get("flows", ()), *_of_workloads(scenario)):
        takers[flow.get("route") or first].append(flow["name"])
    ways = tuple(
        DrawnRoute(name, tuple(takers[name]), tuple(route["out"]), tuple(route["back"]))
        for name, route in routes.items()
    )
    forth = [way.out for way in ways]
    back = [way.back for way in ways if way.back]
    seen = {name for way in forth for name in way}
    places = _places(forth, 0, seen)
    rows = 1 + max((row for _, row in places.values()), default=0)
    others = {name for way in back for name in way} - seen
    places |= _places([way[::-1] for way in back], rows, others)
    boxes = (Box(name, _said(hops[name], scenario), *place) for name, place in places.items())
    return Topology(tuple(boxes), ways)


def _of_workloads(scenario: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for load in scenario.get("workloads", ()):
        yield {**load["flow"], "name": load["name"]}


def _places(ways: Ways, first_row: int, which: set[str]) -> dict[str, tuple[int, int]]:
    """Return column and row of hops: each right of all that lie before it, below its neighbours."""
    columns = {name: k for way in ways for k, name in enumerate(way) if name in which}
    for _ in columns:  # as often as it takes: a circle of ways never comes to rest
        for way in ways:
            for before, after in pairwise(name for name in way if name in which):
                columns[after] = max(columns[after], columns[before] + 1)
        if max(columns.values()) >= len(columns):
            columns = {name: k for way in ways for k, name in enumerate(way) if name in which}
            break
    used: dict[int, int] = {}
    places = {}
    for name, column in columns.items():
        places[name] = (column, first_row + used.get(column, 0))
        used[column] = used.get(column, 0) + 1
    return places


def _said(hop: Mapping[str, Any], scenario: Mapping[str, Any]) -> str:
    """Return what a hop is: its line, delay and queue."""
    qdisc = hop["qdisc"] if isinstance(hop["qdisc"], str) else hop["qdisc"]["kind"]
    trace = hop.get("trace")
    unit = rate_unit(hop["rate_bps"])
    line = "as a trace" if trace else f"{hop['rate_bps'] / unit.size:g} {unit.name}"
    delay = hop.get("delay_ns", 0)
    parts = [line, *([time_text(delay)] if delay else [])]
    if "rtt_ns" in hop and not scenario.get("hops"):
        parts.append(f"RTT {time_text(hop['rtt_ns'])}")
    parts.append(f"{qdisc}, {hop['buffer_packets']} packets" if qdisc == "fifo" else qdisc)
    parts += ["netem"] if hop.get("netem") else []
    return ", ".join(parts)


def topology_text(topology: Topology) -> str:
    """Return routes as chains of hops, and what each hop is."""
    lines = []
    for way in topology.ways:
        flows = ", ".join(way.flows) or "nobody"
        lines.append(f"{way.name or 'path'} ({flows})")
        lines.append(f"  forth  {_chain('sender', way.out, 'receiver')}")
        back = _chain("receiver", way.back, "sender")
        lines.append(f"  back   {back if way.back else 'receiver ──▶ sender, never queued'}")
    width = max(len(box.name) for box in topology.boxes)
    return "\n".join([*lines, *(f"{box.name:{width}}  {box.text}" for box in topology.boxes)])


def _chain(begin: str, hops: Sequence[str], end: str) -> str:
    return " ──▶ ".join([begin, *(f"[{name}]" for name in hops), end])
