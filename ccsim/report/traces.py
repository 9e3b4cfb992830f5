"""What the page draws of a run: panels of lines, the legend that switches them, swaps to mark.

Plain JSON values. Each line names the legend entries that it needs: it is shown while all are on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsim.kernel.errors import errno_name
from ccsim.net.qdisc.base import LOST
from ccsim.plot.connections import named_flows
from ccsim.plot.curves import served_by
from ccsim.plot.reduce import occupied_bins
from ccsim.plot.run import MANY_FLOWS
from ccsim.plot.style import COLOURS, shorten
from ccsim.plot.view import PlottableRun, View, later_instants, swap_instants, view_of
from ccsim.plot.workloads import has_workloads
from ccsim.report.connections import connection_lines, slowdown_line
from ccsim.report.grouped import group_lines
from ccsim.report.packed_columns import pack_times
from ccsim.report.trace_lines import (
    Line,
    capacity_lines,
    flow_lines,
    hop_lines,
    link_lines,
    panels_of,
    probe_lines,
)
from ccsim.sim.traces import SimResult, SwapRecord

__all__ = ["POINTS", "swap_how", "traces_of"]

POINTS = 200_000
"""Values in all lines of a page, about: at some seven bytes each it stays well below 2 MB."""
NOTES = {
    "throughput": "sum of flows",
    "cwnd": "snd_cwnd, median and 10 to 90 % of flows",
    "rtt": "smoothed, median and 10 to 90 % of flows",
}
"""What the lines of many flows are."""
RUG_BINS = 3_000
MAX_MARKS = 2_000
TWINS = {"twin_a": ("twin-a", "6 3"), "twin_b": ("twin-b", "2 2.5")}
_QUIET = ("link_update", "sysctl", "reregister")  # mechanisms that touch no running socket


@dataclass
class Legend:
    """Legend entries in order; `add` gives the number by which lines refer to one."""

    entries: list[dict[str, Any]]

    def add(self, label: str, look: str, *, on: bool = True, dash: str = "", **more: Any) -> int:
        """Add an entry and return its number."""
        self.entries.append({"label": label, "look": look, "on": on, "dash": dash, **more})
        return len(self.entries) - 1


def traces_of(run: PlottableRun) -> dict[str, Any]:
    """Return the traces of a run and its twins for the page's scripts."""
    view = view_of([run])
    legend = Legend([])
    many = len(run.result.flows) > MANY_FLOWS
    notes = NOTES if many else {}
    if has_workloads(run.result):
        lines = list(_beside_workloads(run, view, legend))
        notes = {} if named_flows(run.result) else {"rtt": "smoothed, mean over connections"}
    else:
        lines = list((_grouped if many else _one_by_one)(run, view, legend))
    lines = [*capacity_lines(view), *lines, *hop_lines(run.result, view)]
    lines += probe_lines(run.result, legend.add)
    rugs = list(_rugs(run.result, legend))
    points = max(POINTS // max(sum(line.weight for line in lines), 1), 400)
    return {
        "duration": view.duration_ns / 1e9,
        "finest": max(_interval_ns(run) * 4 / 1e9, 1e-6),
        "legend": legend.entries,
        "panels": panels_of(view, lines, points, rugs, notes),
        "swaps": sorted(_marks(run.result), key=lambda mark: mark["t"][0]),
    }


def _beside_workloads(run: PlottableRun, view: View, legend: Legend) -> Iterator[Line]:
    """Yield the lines of flows that have a name of their own, then by implementation those of the
    connections that come and go, and of the links."""
    flows = named_flows(run.result)
    entries = {}
    for i, flow in enumerate(flows):
        look, dash = _look(i)
        entries[flow.name] = (legend.add(_label(flow), look, dash=dash), look)
        yield from flow_lines(view, flow, shorten(flow.name), look, dash, entries[flow.name][:1])
    yield from connection_lines(run.result, view, legend.add, len(flows))
    yield from link_lines(run.result, "queue", "ink", "", ())
    for key, twin, entry in _twins(run, legend):
        look, dash = TWINS[key]
        mark = "A" if key == "twin_a" else "B"
        if key == "twin_a":
            yield from slowdown_line(twin, view, (look, dash), (entry,))
        for flow in (one for one in named_flows(twin) if one.name in entries):
            own, colour = entries[flow.name]
            name, needs = f"{shorten(flow.name)}, twin {mark}", (own, entry)
            yield from flow_lines(view, flow, name, f"{colour} faint", dash, needs)
        yield from link_lines(twin, f"queue, twin {mark}", look, dash, (entry,))


def _one_by_one(run: PlottableRun, view: View, legend: Legend) -> Iterator[Line]:
    """Yield the lines of every flow, of the same flow in the twins, and of the links."""
    flows = run.result.flows
    looks = [_look(i) for i in range(len(flows))]
    entries = [
        legend.add(_label(flow), look, dash=dash)
        for flow, (look, dash) in zip(flows, looks, strict=True)
    ]
    alone = len(flows) == 1
    ssthresh = legend.add("ssthresh", "grey", dash="3 2", on=alone)
    for flow, entry, (look, dash) in zip(flows, entries, looks, strict=True):
        grey = (ssthresh, "grey" if alone else look)
        yield from flow_lines(view, flow, shorten(flow.name), look, dash, (entry,), grey)
    yield from link_lines(run.result, "queue", "ink", "", ())
    for key, twin, entry in _twins(run, legend):
        look, dash = TWINS[key]
        mark = "A" if key == "twin_a" else "B"
        for i, flow in enumerate(twin.flows):
            own = look if alone else f"{_look(i)[0]} faint"
            name = f"{shorten(flow.name)}, twin {mark}"
            yield from flow_lines(view, flow, name, own, dash, (*entries[i : i + 1], entry))
        yield from link_lines(twin, f"queue, twin {mark}", look, dash, (entry,))


def _grouped(run: PlottableRun, view: View, legend: Legend) -> Iterator[Line]:
    """Yield a line for each implementation, the flows that it serves taken together."""
    yield from group_lines(run.result, view, legend.add)
    yield from link_lines(run.result, "queue", "ink", "", ())
    for key, twin, entry in _twins(run, legend):
        look, dash = TWINS[key]
        mark = "A" if key == "twin_a" else "B"
        yield from link_lines(twin, f"queue, twin {mark}", look, dash, (entry,))


def _twins(run: PlottableRun, legend: Legend) -> Iterator[tuple[str, SimResult, int]]:
    """Yield each twin that there is and its legend entry; of few flows they are shown at once."""
    on = len(run.result.flows) <= 2
    for key, label in (("twin_a", "A-twin: never swapped"), ("twin_b", _b_label(run.result))):
        twin: SimResult | None = getattr(run, key)
        if twin is not None:
            look, dash = TWINS[key]
            yield key, twin, legend.add(label, look, on=on, dash=dash)


def _b_label(result: SimResult) -> str:
    new = {swap.new for swap in result.swaps}
    name = shorten(new.pop()) if len(new) == 1 else "the new ones"
    return f"B-twin: {name} from the start"


def _label(flow: Any) -> str:
    return f"{shorten(flow.name)} ({' → '.join(shorten(name) for name in served_by(flow))})"


def _look(index: int) -> tuple[str, str]:
    """Return the class of a flow's colour, and dashes once colours repeat."""
    return f"c{index % len(COLOURS)}", "9 3" if index >= len(COLOURS) else ""


def _rugs(result: SimResult, legend: Legend) -> Iterator[dict[str, Any]]:
    """Yield the instants of marks, drops, random losses, as far as a screen can tell them apart."""
    marked = np.concatenate([np.zeros(0, np.int64), *(link.mark_t_ns for link in result.links)])
    if len(marked):
        seconds = occupied_bins(marked, result.duration_ns, RUG_BINS)
        entry = legend.add("ECN mark", "c3", tick=True)
        yield {"needs": [entry], "look": "c3", "t": pack_times(seconds * 1e9)}
    for random, label, look in ((False, "drop", "ink"), (True, "random loss", "c1")):
        times = [link.drop_t_ns[(link.drop_reason == LOST) == random] for link in result.links]
        lost = np.concatenate([np.zeros(0, np.int64), *times])
        if len(lost):
            seconds = occupied_bins(lost, result.duration_ns, RUG_BINS)
            entry = legend.add(label, look, tick=True)
            yield {"needs": [entry], "look": look, "t": pack_times(seconds * 1e9)}


def _marks(result: SimResult) -> Iterator[dict[str, Any]]:
    """Yield for each swap when it acted, from what to what and how, and what it did later."""
    for swap in result.swaps:
        times = swap_instants(result, swap)[:MAX_MARKS]
        yield {
            "label": f"{shorten(swap.old)} → {shorten(swap.new)}",
            "how": swap_how(swap),
            "t": [t_ns / 1e9 for t_ns in times],
            "failed": bool(swap.errno) and not swap.flows,
        }
        for t_ns, label in later_instants(result, swap)[:MAX_MARKS]:
            ended = t_ns == swap.outcome_ns
            yield {"label": label, "how": swap.via, "t": [t_ns / 1e9], "failed": ended}


def swap_how(swap: SwapRecord) -> str:
    """Return a swap's mechanism, its state policy where running sockets are swapped, what set it
    off, and how it was refused."""
    state = "" if swap.via in _QUIET else f"state {swap.state}"
    failed = f"{errno_name(swap.errno)}{' in part' * bool(swap.flows)}" if swap.errno else ""
    return ", ".join(part for part in (swap.via, state, swap.trigger, failed) if part)


def _interval_ns(run: PlottableRun) -> int:
    own = (run.scenario.get("record") or {}).get("interval_ns")
    return int(own or 10_000_000)
