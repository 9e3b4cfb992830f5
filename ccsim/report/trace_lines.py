"""The lines of flows and links, panel by panel, in the units of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.plot.curves import carried_bytes, last_sample_ns
from ccsim.plot.hops import marks_per_s, probability
from ccsim.plot.picture import Limit
from ccsim.plot.probes import probes_of
from ccsim.plot.reduce import bin_delivered
from ccsim.plot.style import shorten
from ccsim.plot.units import Unit
from ccsim.plot.view import View, limits
from ccsim.report.packed_columns import pack_times, pack_values, packed_series
from ccsim.sim.traces import FlowTrace, SimResult

__all__ = [
    "Line",
    "bin_ns",
    "capacity_lines",
    "flow_lines",
    "hop_lines",
    "link_lines",
    "panels_of",
    "probe_lines",
]

Floats = NDArray[np.float64]
HOP_PANELS = ("sojourn", "marks", "probability", "probes")
PANELS = ("throughput", "cwnd", "rtt", "connections", "slowdown", "queue", *HOP_PANELS)
DIGITS = 1_000
"""Rates keep that many parts of the panel's unit (kbit/s of Mbit/s), times whole microseconds."""


@dataclass(frozen=True, eq=False)
class Line:
    """One line of one panel: times [ns], values in base units (bit/s, packets, µs).

    Of rates ``t_ns`` are the edges of their bins, one more than values. ``low`` and ``high`` bound
    a band. ``needs`` are the legend entries without which it is not shown; ``dots``: each value is
    a dot, and no line; ``steps``: it is no rate in bins, though its panel has such.
    """

    panel: str
    name: str
    look: str
    dash: str
    needs: tuple[int, ...]
    t_ns: NDArray[Any]
    values: NDArray[Any]
    low: Floats | None = None
    high: Floats | None = None
    dots: bool = False
    steps: bool = False

    @property
    def weight(self) -> int:
        """How many columns of full length it brings."""
        short = self.panel in ("throughput", "slowdown", "marks") or self.low is not None
        return 0 if short else 1


def bin_ns(view: View) -> int:
    """Return the finest bin of rates [ns]: a tenth, fifth or half of the picture's, if that is no
    shorter than the base RTT, below which throughput shows the clumping of ACKs."""
    base = max(view.base_rtts_ns, default=0)
    for parts in (10, 5, 2):
        if view.bin_ns % parts == 0 and view.bin_ns // parts >= base:
            return view.bin_ns // parts
    return view.bin_ns


def flow_lines(
    view: View,
    flow: FlowTrace,
    name: str,
    look: str,
    dash: str,
    needs: tuple[int, ...],
    ssthresh: tuple[int, str] | None = None,
) -> Iterator[Line]:
    """Yield throughput, cwnd and RTT of one flow while it lives; ``ssthresh``, if wanted, is the
    legend entry and the look of that line."""
    own = (name, look, dash, needs)
    edges, delivered = bin_delivered(
        flow.t_ns, carried_bytes(flow), bin_ns(view), flow.start_ns, last_sample_ns(flow)
    )
    if len(delivered):
        yield Line("throughput", *own, edges, delivered * 8e9 / np.diff(edges))
    alive = slice(0, int(np.searchsorted(flow.t_ns, last_sample_ns(flow), side="right")))
    times = flow.t_ns[alive]
    if len(times):
        yield Line("cwnd", *own, times, flow.snd_cwnd[alive])
        rtt = np.where(flow.srtt_us > 0, flow.srtt_us, np.nan)
        yield Line("rtt", *own, times, rtt[alive])
    if ssthresh is not None:
        finite = flow.ssthresh < TCP_INFINITE_SSTHRESH
        values = np.where(finite, flow.ssthresh, np.nan)[alive]
        if np.isfinite(values).any():
            named = (f"{name}, ssthresh", f"{ssthresh[1]} thin", "3 2")
            yield Line("cwnd", *named, (*needs, ssthresh[0]), times, values)


def link_lines(
    result: SimResult, name: str, look: str, dash: str, needs: tuple[int, ...]
) -> Iterator[Line]:
    """Yield the queue of each link."""
    for link in result.links:
        if len(link.t_ns):
            own = f"{name} of {link.name}" if len(result.links) > 1 else name
            yield Line("queue", own, f"{look} thin", dash, needs, link.t_ns, link.queue_packets)


def _thin(number: int) -> tuple[str, str]:
    """Return the look and the dashes of a thin line, another for each of six."""
    return ("ink thin", "grey thin")[number % 2], ("", "4 2", "1.5 1.5")[number // 2 % 3]


def hop_lines(result: SimResult, view: View) -> Iterator[Line]:
    """Yield what was sampled of hops beside their queues, and their marks."""
    several = len(result.links) > 1
    for number, link in enumerate(link for link in result.links if link.gauges):
        look = *_thin(number), ()
        suffix = f" of {link.name}" if several else ""
        yield Line("sojourn", f"sojourn{suffix}", *look, link.t_ns, dict(link.gauges)["sojourn_us"])
        if len(link.mark_t_ns):
            yield Line("marks", f"marks{suffix}", *look, *marks_per_s(link, view))
        if (chance := probability(link)) is not None:
            yield Line("probability", f"probability{suffix}", *look, link.t_ns, chance)


def probe_lines(result: SimResult, add: Callable[..., int]) -> Iterator[Line]:
    """Yield the RTT of each probe at the time at which it left, and ``add`` its legend entry."""
    for number, (probe, _) in enumerate(probes_of(result)):
        look, dash = _thin(number)
        name = f"probe {shorten(probe.name)}"
        rows = np.array(probe.rtts_ns, dtype=np.int64).reshape(-1, 2)
        if len(rows):
            entry = add(name, look, dash=dash)
            yield Line("probes", name, look, dash, (entry,), rows[:, 0], rows[:, 1] / 1e3)


def capacity_lines(view: View) -> Iterator[Line]:
    """Yield the capacities of links that change, over a shaded ground."""
    for steps in view.steps:
        edges, rates = view.stepped(steps)
        t_ns, values = np.repeat(edges, 2)[1:-1], np.repeat(rates, 2).astype(np.float64)
        ground = np.zeros(len(values))
        own = ("throughput", "capacity", "grey thin", "", ())
        yield Line(*own, t_ns, values, ground, values, steps=True)


def panels_of(
    view: View,
    lines: Sequence[Line],
    points: int,
    rugs: Sequence[dict[str, Any]],
    notes: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the panels with their lines packed, each of at most about that many points: those with
    any lines, and the queue's.

    ``notes`` replace what is said of a panel's lines.
    """
    counts, ratios = Unit("connections", 1.0), Unit("times as long as alone", 1.0)
    each = (view.rtt, Unit("marks/s", 1.0), Unit("%", 1.0), view.rtt)
    sizes = (view.rate, view.packets, view.rtt, counts, ratios, view.queue_unit, *each)
    units = dict(zip(PANELS, sizes, strict=True))
    panels = []
    for key, head in _heads(view).items():
        unit = units[key]
        own = [_pack(line, unit.size, points) for line in lines if line.panel == key]
        if not own and key != "queue":
            continue
        panels.append(
            {
                "id": key,
                "unit": unit.name,
                "kind": "line",
                "note": "",
                "share": 0.3,
                "floor": False,
                "whole": key in ("cwnd", "queue", "connections") and unit.size == 1,
                **head,
                **({"note": notes[key]} if key in notes else {}),
                "series": own,
                "rugs": list(rugs) if key == "queue" else [],
            }
        )
    return panels


def _heads(view: View) -> dict[str, dict[str, Any]]:
    """Return of each panel what is its own: title, limits, how its values are drawn."""

    def drawn(found: tuple[Limit, ...]) -> list[dict[str, Any]]:
        return [{"y": limit.y, "text": limit.text} for limit in found]

    rate, rtt, queue = view.rate, view.rtt, view.queue_unit
    base = limits(view.steady_rtts_ns, rtt.size * 1e3, f"base RTT {{:g}} {rtt.name}")
    buffer = limits(view.buffers_packets, queue.size, f"buffer {{:g}} {queue.name}")
    buffer += tuple(Limit(one.packets / queue.size, one.text) for one in view.markings)
    return {
        "throughput": {
            "title": "Throughput",
            "kind": "rate",
            "note": "shaded: capacity" if view.steps else "",
            "bin": bin_ns(view) / 1e9,
            "share": 0.2,
            "limits": drawn(limits(view.capacities_bps, rate.size, f"capacity {{:g}} {rate.name}")),
        },
        "cwnd": {"title": "Congestion window", "limits": [], "note": "snd_cwnd"},
        "rtt": {
            "title": "Round-trip time",
            "note": "smoothed",
            "floor": True,
            "share": 0.0,
            "limits": drawn(base),
        },
        "connections": {"title": "Who serves", "limits": [], "note": "running, by implementation"},
        "slowdown": {
            "title": "Slowdown",
            "limits": [],
            "log": True,
            "note": "a dot for each completion, at its start; lines: 90th percentile",
        },
        "queue": {"title": "Queue", "limits": drawn(buffer)},
        "sojourn": {"title": "Sojourn time", "limits": [], "note": "of what left the queue last"},
        "marks": {"title": "ECN marks", "limits": [], "kind": "rate", "bin": view.bin_ns / 1e9},
        "probability": {"title": "Probability", "limits": [], "note": "of a drop or mark"},
        "probes": {"title": "Round-trip time of probes", "limits": [], "note": "when each left"},
    }


def _pack(line: Line, unit: float, points: int) -> dict[str, Any]:
    """Return a line as the scripts unpack it, in its panel's unit."""
    head: dict[str, Any] = {
        "name": line.name,
        "look": line.look,
        "dash": line.dash,
        "needs": list(line.needs),
    }
    head |= {"dots": True} if line.dots else {}
    head |= {"steps": True} if line.steps else {}
    fine = unit > 1 or line.panel in ("slowdown", "probability", "marks")
    size = 1 / DIGITS if fine else 1.0
    if line.panel in ("throughput", "marks") or line.low is not None:
        columns = {"values": line.values, "low": line.low, "high": line.high}
        packed = {
            key: pack_values(column / unit, size)
            for key, column in columns.items()
            if column is not None
        }
        return {**head, "t": pack_times(line.t_ns), "size": size, **packed}
    return {**head, **packed_series(line.t_ns, line.values / unit, points, size)}
