"""What every picture of a run shares: time span, bins, units, limits, swap marks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.picture import Curve, Limit, Mark, Panel, Rug, y_range
from ccsim.plot.reduce import bin_width_ns
from ccsim.plot.style import CAPACITY, FAILED_SWAP, MARKING, SWAP, shorten
from ccsim.plot.units import Unit, packets_unit, rate_unit, rtt_unit, time_text
from ccsim.sim.traces import FlowTrace, SimResult, SwapRecord
from ccsim.spec.limits import HEADER_BYTES

__all__ = [
    "Marking",
    "PlottableRun",
    "View",
    "base_rtts_ns",
    "later_instants",
    "limits",
    "run_name",
    "swap_instants",
    "swap_marks",
    "view_of",
]

Steps = tuple[tuple[int, int], ...]
SWAP_LABEL_MAX = 64  # two names of 15 characters, an arrow, a mechanism and a state policy


class PlottableRun(Protocol):
    """A run as pictures need it: the resolved scenario, what was measured, twins if any."""

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The resolved scenario (`name`, `path.rtt_ns`, ...)."""

    @property
    def result(self) -> SimResult:
        """The run itself."""

    @property
    def twin_a(self) -> SimResult | None:
        """The same run, never swapped."""

    @property
    def twin_b(self) -> SimResult | None:
        """The same run with the new implementation from the start."""


@dataclass(frozen=True, order=True)
class Marking:
    """From how long a queue on [packets] ECN-capable packets are marked, and how that is said."""

    packets: float
    text: str


@dataclass(frozen=True)
class View:
    """Scales shared by the panels of a figure; limits are distinct values, ascending.

    Capacities are of the slowest hop on each way of data: those that stay, and in ``steps``
    (instant [ns], rate) those that change. ``steady_rtts_ns`` are the base RTTs that no change of a
    delay makes others.
    """

    duration_ns: int
    bin_ns: int
    rate: Unit
    packets: Unit
    rtt: Unit
    capacities_bps: tuple[int, ...]
    base_rtts_ns: tuple[int, ...]
    buffers_packets: tuple[int, ...]
    markings: tuple[Marking, ...] = ()
    steps: tuple[Steps, ...] = ()
    steady_rtts_ns: tuple[int, ...] = ()

    @property
    def queue_unit(self) -> Unit:
        """The unit of the queue panel."""
        return packets_unit(max(self.buffers_packets, default=0))

    def throughput(self, curves: Sequence[Curve], note: str = "") -> Panel:
        """Return the throughput panel."""
        capacity = limits(self.capacities_bps, self.rate.size, f"capacity {{:g}} {self.rate.name}")
        note = note or f"in bins of {time_text(self.bin_ns)}"
        curves = (*(self._stepped(steps) for steps in self.steps), *curves)
        y = y_range(curves, capacity, headroom=1.08, least_share=0.2)
        label = f"Throughput ({self.rate.name})"
        return Panel(label, note, curves, capacity, y, key="throughput")

    def _stepped(self, steps: Steps) -> Curve:
        """Return a capacity that changes as steps over a shaded ground."""
        edges, rates = self.stepped(steps)
        y = np.repeat(rates / self.rate.size, 2)
        return Curve(np.repeat(edges, 2)[1:-1] / 1e9, y, CAPACITY, np.zeros(len(y)), y)

    def stepped(self, steps: Steps) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the instants [ns] at which a capacity that changes does, with the end, and the
        rates between them [bit/s]."""
        steps = tuple(step for step in steps if step[0] < self.duration_ns)
        edges = [*(t_ns for t_ns, _ in steps), self.duration_ns]
        return np.array(edges, dtype=np.int64), np.array([rate for _, rate in steps])

    def cwnd(
        self, curves: Sequence[Curve], ssthresh: Sequence[Curve] = (), note: str = ""
    ) -> Panel:
        """Return the cwnd panel; an ssthresh far above every cwnd does not stretch the scale."""
        highest = y_range(curves, (), headroom=1.0)[1]
        near = [s for s in ssthresh if y_range([s], (), headroom=1.0)[1] <= 1.5 * highest]
        y = y_range([*curves, *near], (), headroom=1.08)
        label = f"cwnd ({self.packets.name})"
        return Panel(label, note, (*ssthresh, *curves), (), y, integer=True, key="cwnd")

    def inflight(self, curves: Sequence[Curve], note: str = "") -> Panel:
        """Return the panel of packets in flight."""
        y = y_range(curves, (), headroom=1.08)
        label = f"In flight ({self.packets.name})"
        return Panel(label, note, tuple(curves), (), y, integer=True, key="inflight")

    def pacing(self, curves: Sequence[Curve], note: str = "") -> Panel:
        """Return the panel of pacing rates; what starts far above the rest is cut off."""
        capacity = limits(self.capacities_bps, self.rate.size, f"capacity {{:g}} {self.rate.name}")
        y = y_range(curves, capacity, headroom=1.08, least_share=0.2)
        most = 2.5 * max((limit.y for limit in capacity), default=y[1])
        if y[1] > most:
            y, note = (0.0, most), f"up to {most:g}"
        label = f"Pacing ({self.rate.name})"
        return Panel(label, note, tuple(curves), capacity, y, key="pacing")

    def rtt_panel(self, curves: Sequence[Curve], note: str = "smoothed") -> Panel:
        """Return the RTT panel; it starts just below the base RTT, to show the queueing delay."""
        base = limits(self.steady_rtts_ns, self.rtt.size * 1e3, f"base RTT {{:g}} {self.rtt.name}")
        _, top = y_range(curves, base, headroom=1.0)
        found = [v.min() for v in (c.extremes() for c in curves) if len(v)]
        lowest = float(min([*found, *(limit.y for limit in base)], default=0.0))
        span = max(top - lowest, 0.1 * top)
        bottom = 0.0 if lowest < 0.3 * top else lowest - 0.12 * span
        y = (bottom, lowest + 1.08 * span)
        return Panel(f"RTT ({self.rtt.name})", note, tuple(curves), base, y, key="rtt")

    def queue(self, curves: Sequence[Curve], rugs: Sequence[Rug] = ()) -> Panel:
        """Return the queue panel, its head free for the ticks of drops if there are any."""
        unit = self.queue_unit
        buffer = limits(self.buffers_packets, unit.size, f"buffer {{:g}} {unit.name}")
        marks = tuple(Limit(one.packets / unit.size, one.text, MARKING) for one in self.markings)
        y = y_range(curves, (*buffer, *marks), headroom=1.25 if rugs else 1.08, least_share=0.3)
        label = f"Queue ({unit.name})"
        held = (*buffer, *marks)
        return Panel(label, "", tuple(curves), held, y, tuple(rugs), integer=True, key="queue")

    def sojourn(self, curves: Sequence[Curve]) -> Panel:
        """Return the panel of how long packets have waited, in the unit of the RTTs."""
        y = y_range(curves, (), headroom=1.08)
        label = f"Sojourn ({self.rtt.name})"
        return Panel(label, "of what left last", tuple(curves), (), y, key="sojourn")

    def probes(self, curves: Sequence[Curve]) -> Panel:
        """Return the panel of how long probes took there and back."""
        y = y_range(curves, (), headroom=1.08)
        label = f"Probe RTT ({self.rtt.name})"
        return Panel(label, "when each left", tuple(curves), (), y, key="probes")

    def marking(self, curves: Sequence[Curve]) -> Panel:
        """Return the panel of ECN marks."""
        y = y_range(curves, (), headroom=1.08)
        none = not any(len(curve.y) and curve.y.max() > 0 for curve in curves)
        note = "no marks" if none else f"in bins of {time_text(self.bin_ns)}"
        return Panel("Marks (1/s)", note, tuple(curves), (), y, integer=none, key="marks")

    def probability(self, curves: Sequence[Curve]) -> Panel:
        """Return the panel of the probabilities that queue management works with."""
        y = y_range(curves, (), headroom=1.08)
        note = "of a drop or mark"
        return Panel("Probability (%)", note, tuple(curves), (), y, key="probability")


def view_of(runs: Sequence[PlottableRun]) -> View:
    """Return the scales that hold every one of the runs."""
    results = [run.result for run in runs]
    flows = [flow for result in results for flow in result.flows]
    links = [link for result in results for link in result.links]
    capacities = sorted({steps for run in runs if run.result.links for steps in _capacities(run)})
    duration_ns = max((result.duration_ns for result in results), default=0)
    base = sorted({rtt for run in runs for rtt in base_rtts_ns(run.scenario)})
    return View(
        duration_ns=duration_ns,
        bin_ns=bin_width_ns(duration_ns, max(base, default=0), _interval_ns(flows)),
        rate=rate_unit(max((r for steps in capacities for _, r in steps), default=1_000_000)),
        packets=packets_unit(_highest(flow.snd_cwnd for flow in flows)),
        rtt=rtt_unit(_highest(flow.srtt_us for flow in flows) or max(base, default=0) / 1e3),
        capacities_bps=tuple(steps[0][1] for steps in capacities if len(steps) == 1),
        base_rtts_ns=tuple(base),
        buffers_packets=tuple(sorted({link.buffer_packets for link in links})),
        markings=tuple(sorted({mark for run in runs for mark in _markings(run.scenario)})),
        steps=tuple(steps for steps in capacities if len(steps) > 1),
        steady_rtts_ns=tuple(sorted({rtt for run in runs for rtt in _steady(run.scenario)})),
    )


def _markings(scenario: Mapping[str, Any]) -> Iterator[Marking]:
    """Yield the threshold at which a resolved scenario's path marks, if it does."""
    path = scenario.get("path") or {}
    packets, wait_ns = path.get("ecn_mark_packets"), path.get("ecn_mark_ns")
    if packets is not None:
        yield Marking(packets, f"marks above {packets} packets")
    elif wait_ns is not None:
        wire_bytes = scenario["tcp"]["mss_bytes"] + HEADER_BYTES
        ahead = path["rate_bps"] * wait_ns / (8e9 * wire_bytes)
        yield Marking(ahead, f"marks above {time_text(wait_ns)}")


def _highest(columns: Iterable[Any]) -> int:
    return max((int(column.max()) for column in columns if len(column)), default=0)


def _capacities(run: PlottableRun) -> Iterator[Steps]:
    """Yield from when on [ns] data can pass at which rate, for each route, or for the path."""
    lines = [(link.name, link.rates or ((0, link.rate_bps),)) for link in run.result.links]
    routes = (run.scenario.get("routes") or {}).values()
    ways = [route["out"] for route in routes] or [[name for name, _ in lines]]
    for way in ways:
        if found := [line for name, line in lines if name in way]:
            yield _slowest(found)


def _slowest(lines: Sequence[Steps]) -> Steps:
    """Return the rate of the slowest of some lines, as it changes."""
    instants = sorted({t_ns for line in lines for t_ns, _ in line})
    found = [(t_ns, min(_rate_at(line, t_ns) for line in lines)) for t_ns in instants]
    return tuple(step for k, step in enumerate(found) if k == 0 or step[1] != found[k - 1][1])


def _rate_at(line: Steps, t_ns: int) -> int:
    return line[bisect_right(line, t_ns, key=lambda piece: piece[0]) - 1][1]


def _steady(scenario: Mapping[str, Any]) -> tuple[int, ...]:
    changes = scenario.get("changes") or ()
    if any(change.get("delay_ns") is not None for change in changes):
        return ()
    return base_rtts_ns(scenario)


def _interval_ns(flows: Sequence[FlowTrace]) -> int:
    steps = [int(np.median(np.diff(flow.t_ns))) for flow in flows if len(flow.t_ns) > 1]
    return max(steps, default=1)


def base_rtts_ns(scenario: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the distinct RTTs [ns] without queueing: the path's, or the flows' own."""
    path = scenario.get("path") or {}
    flows = [*(scenario.get("flows") or ())]
    flows += [workload["flow"] for workload in scenario.get("workloads") or ()]
    own = [flow.get("rtt_ns") or path.get("rtt_ns") for flow in flows]
    return tuple(sorted({rtt for rtt in (own or [path.get("rtt_ns")]) if rtt}))


def run_name(run: PlottableRun) -> str:
    """Return the scenario's name, shortened; what ended the run early goes with it."""
    name = shorten(str(run.scenario.get("name") or "run"))
    return f"{name} (failed: {shorten(run.result.failed, 40)})" if run.result.failed else name


def limits(values: Sequence[int], unit: float, text: str) -> tuple[Limit, ...]:
    """Return one limit for each value, in the panel's unit; ``text`` holds one number."""
    return tuple(Limit(value / unit, text.format(value / unit)) for value in values)


def swap_marks(result: SimResult) -> tuple[Mark, ...]:
    """Return a mark for each instant and label, in order of time; a refused swap says its errno.

    A sweep is marked where it comes to each flow, a staged roll-out also where it is rolled back.
    """
    marks = {
        (t_ns, _swap_label(swap)): FAILED_SWAP if swap.errno and not swap.flows else SWAP
        for swap in result.swaps
        for t_ns in _instants(result, swap)
    }
    marks |= {
        later: FAILED_SWAP if later[0] == swap.outcome_ns else SWAP
        for swap in result.swaps
        for later in _later_marks(result, swap)
    }
    return tuple(
        Mark(t_ns / 1e9, label, look)
        for (t_ns, label), look in sorted(marks.items(), key=lambda item: item[0])
    )


def _instants(result: SimResult, swap: SwapRecord) -> list[int]:
    """Return when a swap acted: at once, or on one flow after another; not when it was taken
    back."""
    if swap.via not in ("sweep", "staged"):
        return [swap.t_ns]
    reached = set(swap.flows)
    found = [
        event.t_ns
        for event in result.events
        if swap.owns(event) and event.flow in reached and not event.detail.get("rollback")
    ]
    return ([swap.t_ns] if swap.via == "staged" else []) + found or [swap.t_ns]


def _later_marks(result: SimResult, swap: SwapRecord) -> Iterator[tuple[int, str]]:
    """Yield what else a swap did, and when: a rollback, the return of a name after a long gap."""
    if swap.outcome_ns is not None:
        yield swap.outcome_ns, shorten(swap.outcome.split(",")[0], SWAP_LABEL_MAX)
    if swap.via == "reregister":
        for event in filter(swap.owns, result.events):
            if event.t_ns - swap.t_ns > result.duration_ns // 100:
                yield event.t_ns, f"{event.detail['link']} registered again"


def _swap_label(swap: SwapRecord) -> str:
    label = swap.label or f"{swap.old} → {swap.new}, {swap.via}"
    if swap.errno:
        from ccsim.kernel.errors import errno_name  # which brings the emulated kernel with it

        name = errno_name(swap.errno)
        label = label if name in label else f"{label}: {name}{' in part' * bool(swap.flows)}"
    return shorten(label, SWAP_LABEL_MAX)


def swap_instants(result: SimResult, swap: SwapRecord) -> list[int]:
    """Return when a swap acted [ns], in order: once, or on one flow after another."""
    return sorted(_instants(result, swap))


def later_instants(result: SimResult, swap: SwapRecord) -> list[tuple[int, str]]:
    """Return what else a swap did, and when [ns]: rolled back, or registered a name again."""
    return list(_later_marks(result, swap))
