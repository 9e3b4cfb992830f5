"""What a swap cost everybody: one window over all flows of the bottleneck, moved or not.

The window goes from the swap's first action to ten seconds after its last, or to the next swap or
the end. Bytes in order are held against the A-twin's, all flows together; so a flow that loses to a
neighbour before its own turn is counted, and one that gains what another loses gains nothing for
the whole. The figures of each flow, and of each workload together, over the same window add up to
those of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.event_index import Instants
from ccsim.experiment.metrics import (
    WINDOW_NS,
    curve,
    deficit,
    grid,
    longest_stall_s,
    percentile,
    rtos_between,
    rtt_ms,
)
from ccsim.sim.sampler import METER_NS
from ccsim.sim.traces import Crowd, FlowTrace, SimResult, SwapRecord
from ccsim.units import NS_PER_S

__all__ = ["FIGURES", "Compared", "SwapWindow", "took_effect", "window_of"]

Floats = NDArray[np.float64]
Span = tuple[int, int]
ACTIONS = ("swap", "unregister", "rollback")
OTHERS = "others"
"""Flows that belong to no workload and whose samples are not kept."""
COUNTS = ("drops", "marks", "rtos")
DEFICIT = ("delivered_a_bytes", "deficit_bytes", "deficit_s", "deficit_peak_bytes")
FIGURES = (
    *("delivered_bytes", "delivered_a_bytes", "deficit_bytes", "deficit_s", "deficit_peak_bytes"),
    *("drops", "extra_drops", "marks", "extra_marks", "rtos", "extra_rtos"),
    *("rtt_p99_ms", "extra_rtt_p99_ms", "longest_stall_s", "extra_stall_s"),
)
"""What is told of all flows together, and of each, over the same window."""
EXTRA = ("extra_drops", "extra_marks", "extra_rtos", "extra_rtt_p99_ms", "extra_stall_s")


@dataclass(frozen=True, eq=False)
class Compared:
    """A run, observed until ``until_ns``, and those of its twins that there are."""

    result: SimResult
    until_ns: int
    twin_a: SimResult | None = None
    twin_b: SimResult | None = None

    @cached_property
    def instants(self) -> Instants:
        """The instants of the run's events."""
        return Instants(self.result.events)

    @cached_property
    def twin_instants(self) -> Instants:
        """The instants of the A-twin's events."""
        return Instants(self.twin_a.events if self.twin_a else ())

    @cached_property
    def last_actions(self) -> dict[int, int]:
        """When each swap, by index, last did something [ns]."""
        found: dict[int, int] = {}
        for event in self.result.events:
            if event.kind in ACTIONS and "swap" in event.detail:
                index = int(event.detail["swap"])
                found[index] = max(event.t_ns, found.get(index, 0))
        return found

    @cached_property
    def windows(self) -> dict[tuple[str, int, int], tuple[int, int]]:
        """The congestion windows before and after each change, by flow, instant [ns] and swap."""
        found: dict[tuple[str, int, int], tuple[int, int]] = {}
        for event in self.result.events:
            detail = event.detail
            if event.kind == "swap" and "before" in detail and "swap" in detail:
                windows = (detail["before"]["snd_cwnd"], detail["after"]["snd_cwnd"])
                found[event.flow, event.t_ns, detail["swap"]] = windows
        return found


def took_effect(swap: SwapRecord) -> bool:
    """Report whether a swap changed something: one that failed for some flows may for others."""
    return not swap.errno or bool(swap.flows)


@dataclass(frozen=True, eq=False, slots=True)
class _Figures:
    """What some flows did in a window, in one run: bytes in order since its start at the instants
    of `grid` (None: not known), counts, smoothed RTTs [ms], longest stall of one flow [s]."""

    curve: Floats | None
    counts: Mapping[str, int]
    rtts_ms: Floats
    stall_s: float | None


def _merged(parts: Sequence[_Figures]) -> _Figures:
    """Return what all of them did together; a stall is the longest of any."""
    curves = [part.curve for part in parts if part.curve is not None]
    known = parts and len(curves) == len(parts)
    stalls = [part.stall_s for part in parts if part.stall_s is not None]
    return _Figures(
        np.sum(curves, axis=0) if known else None,
        {key: sum(part.counts[key] for part in parts) for key in COUNTS},
        np.concatenate([np.empty(0), *(part.rtts_ms for part in parts)]),
        max(stalls, default=None),
    )


class _Side:
    """One run in a window."""

    def __init__(self, result: SimResult, instants: Instants, span: Span) -> None:
        self.result = result
        self.span = span
        self._instants = instants
        self._grid = grid(*span)
        n = len(result.flows)
        self._drops = _counts([(link.drop_t_ns, link.drop_flow) for link in result.links], span, n)
        self._marks = _counts([(link.mark_t_ns, link.mark_flow) for link in result.links], span, n)
        self._crowds = {crowd.workload: crowd for crowd in result.crowds}

    def of_flow(self, index: int) -> _Figures:
        """Return what a flow with samples did."""
        flow = self.result.flows[index]
        return _Figures(
            curve(flow, *self.span),
            self._counts([index]),
            rtt_ms(flow, *self.span),
            longest_stall_s(flow, *self.span),
        )

    def of_group(self, name: str, members: Sequence[int]) -> _Figures:
        """Return what the connections of a workload did together, whether samples of each are kept
        or only sums: then each has the mean RTT of all of them at an instant."""
        flows = [self.result.flows[index] for index in members]
        curves = [curve(flow, *self.span) for flow in flows if flow.recorded]
        rtts = [rtt_ms(flow, *self.span) for flow in flows if flow.recorded]
        crowd = self._crowds.get(name)
        if crowd is not None:
            curves.append(self._crowd_curve(crowd))
            rtts.append(self._crowd_rtts(crowd))
        nothing = np.zeros(len(self._grid))
        known = crowd is not None or bool(self.result.rtts) or all(f.recorded for f in flows)
        return _Figures(
            np.sum([nothing, *curves], axis=0) if known else None,
            self._counts(members),
            np.concatenate([np.empty(0), *rtts]),
            None,
        )

    def _crowd_curve(self, crowd: Crowd) -> Floats:
        t_ns = np.arange(len(crowd.delivered_bytes)) * METER_NS
        delivered = np.interp(self._grid, t_ns, crowd.delivered_bytes)
        return np.asarray(delivered - delivered[0])

    def _crowd_rtts(self, crowd: Crowd) -> Floats:
        rows = slice(*(-(-t_ns // METER_NS) for t_ns in self.span))
        flows, sums = crowd.flows[rows], crowd.srtt_us[rows]
        some = flows > 0
        return np.repeat(sums[some] / flows[some] / 1000, flows[some])

    def _counts(self, members: Sequence[int]) -> dict[str, int]:
        names = (self.result.flows[index].name for index in members)
        which = list(members)
        return {
            "drops": int(self._drops[which].sum()),
            "marks": int(self._marks[which].sum()),
            "rtos": sum(rtos_between(self._instants, name, *self.span) for name in names),
        }


def _counts(
    logs: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], span: Span, n: int
) -> NDArray[np.int64]:
    """Return how often each of ``n`` flows is in logs of times and flows within a span."""
    found = np.zeros(n, dtype=np.int64)
    for times, flows in logs:
        low, high = np.searchsorted(times, span)
        found += np.bincount(flows[low:high], minlength=n)[:n]  # beyond are datagrams of traffic
    return found


def window_of(compared: Compared, swap: SwapRecord) -> Span:
    """Return from when until when a swap is looked at [ns]."""
    last = max(swap.t_ns, compared.last_actions.get(swap.index, 0))
    following = [
        other.t_ns
        for other in compared.result.swaps
        if took_effect(other) and other.t_ns > swap.t_ns
    ]
    return swap.t_ns, min([compared.until_ns, last + WINDOW_NS, *following])


class SwapWindow:
    """One swap's window: ``rows`` are of its flows, by name, and of its workloads; ``total`` is of
    all together. Nothing is empty unless the swap came at the very end."""

    def __init__(self, compared: Compared, swap: SwapRecord) -> None:
        self.compared = compared
        self.swap = swap
        self.span = window_of(compared, swap)
        self._reached = set(swap.flows)
        self.rows: dict[str, dict[str, Any]] = {}
        self.total: dict[str, Any] = {}
        if self.span[0] < self.span[1]:
            self._measure()

    def _measure(self) -> None:
        compared = self.compared
        sides = [_Side(compared.result, compared.instants, self.span)]
        if compared.twin_a is not None:
            sides.append(_Side(compared.twin_a, compared.twin_instants, self.span))
        every: list[list[_Figures]] = []
        connections = 0
        for about, figures in self._parts(sides):
            every.append(figures)
            connections += about.get("connections", 1)
            self.rows[about["flow"]] = {**about, **self._compare(figures)}
        together = [_merged([part[k] for part in every]) for k in range(len(sides))]
        self.total = {
            "from_s": self.span[0] / NS_PER_S,
            "to_s": self.span[1] / NS_PER_S,
            "window_s": (self.span[1] - self.span[0]) / NS_PER_S,
            "swaps": self._at_once(),
            "flows": connections,
            **self._compare(together),
        }

    def _at_once(self) -> list[int]:
        """Return the swaps that began at this one's instant: what is measured is of all of them."""
        swaps = self.compared.result.swaps
        return [one.index for one in swaps if one.t_ns == self.span[0] and took_effect(one)]

    def _parts(self, sides: Sequence[_Side]) -> Iterator[tuple[dict[str, Any], list[_Figures]]]:
        """Yield what is reported by itself, and what it did in the run and in the twin: flows with
        samples, then workloads, then what is left."""
        flows = [
            (index, flow)
            for index, flow in enumerate(self.compared.result.flows)
            if any(_is_there(side.result.flows[index], self.span) for side in sides)
        ]
        for index, flow in flows:
            if self._by_itself(flow):
                yield {"flow": flow.name}, [side.of_flow(index) for side in sides]
        groups: dict[str, list[int]] = {}
        for index, flow in flows:
            if not self._by_itself(flow):
                groups.setdefault(flow.workload, []).append(index)
        for name, members in groups.items():
            about = {"flow": name or OTHERS, "connections": len(members)}
            yield about, [side.of_group(name, members) for side in sides]

    def _by_itself(self, flow: FlowTrace) -> bool:
        """Report whether a flow has a row of its own: of a workload, what the swap reached has."""
        return flow.recorded and (not flow.workload or flow.name in self._reached)

    def _compare(self, figures: Sequence[_Figures]) -> dict[str, Any]:
        """Return what the run did and by how much the A-twin differs, None without one."""
        ours = figures[0]
        found: dict[str, Any] = {
            "delivered_bytes": None if ours.curve is None else float(ours.curve[-1]),
            **ours.counts,
            "rtt_p99_ms": percentile(ours.rtts_ms, 99),
            "longest_stall_s": ours.stall_s,
        }
        if len(figures) == 1:
            return {**found, **dict.fromkeys((*DEFICIT, *EXTRA))}
        theirs = figures[1]
        stalls = (ours.stall_s, theirs.stall_s)
        return {
            **found,
            **self._deficit(ours.curve, theirs.curve),
            **{f"extra_{key}": ours.counts[key] - theirs.counts[key] for key in COUNTS},
            "extra_rtt_p99_ms": found["rtt_p99_ms"] - percentile(theirs.rtts_ms, 99),
            "extra_stall_s": None if None in stalls else stalls[0] - stalls[1],  # type: ignore[operator]
        }

    def _deficit(self, ours: Floats | None, theirs: Floats | None) -> dict[str, Any]:
        """Return the bytes that were delivered less than in the A-twin."""
        if ours is None or theirs is None:
            return dict.fromkeys(DEFICIT)
        behind, seconds, peak = deficit(ours, theirs, self.span[1] - self.span[0])
        return dict(zip(DEFICIT, (float(theirs[-1]), behind, seconds, peak), strict=True))


def _is_there(flow: FlowTrace, span: Span) -> bool:
    """Report whether a flow lives in a span."""
    return flow.start_ns < span[1] and (flow.end_ns is None or flow.end_ns > span[0])
