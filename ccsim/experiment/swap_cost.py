"""What one swap cost: the disruption of each flow that it reached, its neighbours and its link."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ccsim.experiment.instants import Instants
from ccsim.experiment.metrics import (
    MEAN_NS,
    SECOND_NS,
    WINDOW_NS,
    Censored,
    cwnd_jump,
    deficit_bytes,
    deficit_peak_bytes,
    deficit_seconds,
    dip_length_s,
    dip_recovery_s,
    dip_worst_ratio,
    drops_between,
    goodput_bps,
    harm,
    jain_index,
    longest_stall_s,
    queue_excess_ms,
    rtos_between,
    rtt_p99_ms,
    time_to_twin_s,
)
from ccsim.experiment.refusal import explain, refused_flows
from ccsim.sim.served import history, served_at
from ccsim.sim.traces import FlowTrace, SimResult, SwapRecord

__all__ = ["Compared", "measure_swap", "took_effect"]


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


def measure_swap(compared: Compared, swap: SwapRecord) -> dict[str, Any]:
    """Return the metrics of one swap, not yet plain; only its description if it failed.

    What compares with a missing twin is None.
    """
    refused = refused_flows(compared.result, swap)
    row: dict[str, Any] = {
        "index": swap.index,
        "t_s": swap.t_ns / SECOND_NS,
        "via": swap.via,
        "state": swap.state,
        "trigger": swap.trigger or None,
        "outcome": swap.outcome or None,
        "outcome_s": None if swap.outcome_ns is None else swap.outcome_ns / SECOND_NS,
        "label": swap.label,
        "old": swap.old,
        "new": swap.new,
        "errno": swap.errno,
        "error": explain(swap.errno, refused) or None,
        "refused_flows": refused,
        "flows": [],
    }
    if not took_effect(swap):
        return row
    reached = set(swap.flows)
    for index, flow in enumerate(compared.result.flows):
        if flow.name in reached and len(flow.t_ns):
            span = (_instant(compared, swap, flow), _end(compared, swap, flow))
            row["flows"].append(_Disruption(compared, index, *span).row())
    row["neighbours"] = _neighbours(compared, swap)
    row["fairness"] = _fairness(compared, swap)
    if swap.via in ("link_update", "reregister", "staged"):
        row["connections"] = _connections(compared.result, swap, compared.until_ns)
    return row


def took_effect(swap: SwapRecord) -> bool:
    """Tell whether a swap changed something: one that failed for some flows may for others."""
    return not swap.errno or bool(swap.flows)


def _instant(compared: Compared, swap: SwapRecord, flow: FlowTrace) -> int:
    """Return when a swap reached a flow: a staggered sweep comes to each at its own time."""
    found = compared.instants.first("swap", flow.name, swap.t_ns)
    return swap.t_ns if found is None else found


def _end(compared: Compared, swap: SwapRecord, flow: FlowTrace) -> int:
    """Return when a swap's effect on a flow stops being observed: next swap, end of flow or run."""
    following = [
        _instant(compared, other, flow)
        for other in compared.result.swaps
        if other.t_ns > swap.t_ns and flow.name in other.flows
    ]
    return min([compared.until_ns, *following, *_ends(flow)])


def _ends(*flows: FlowTrace) -> list[int]:
    return [flow.end_ns for flow in flows if flow.end_ns is not None]


def _same(twin: SimResult | None, index: int) -> FlowTrace | None:
    """Return the same flow in a twin."""
    return twin.flows[index] if twin and index < len(twin.flows) else None


class _Disruption:
    """One swap's effect on one flow.

    ``end`` is when the observation ends, ``window`` that or 10 s after the swap, whichever is
    first; comparisons with a twin end when the twin's flow does, if that is earlier.
    """

    def __init__(self, compared: Compared, index: int, swap_ns: int, end_ns: int) -> None:
        self.compared = compared
        self.result = compared.result
        self.index = index
        self.flow = self.result.flows[index]
        self.swap_ns = swap_ns
        self.end_ns = end_ns
        self.window_ns = min(end_ns, swap_ns + WINDOW_NS)
        self.twin_a = compared.twin_a
        self.a = _same(compared.twin_a, index)
        self.b = _same(compared.twin_b, index)

    def row(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "flow": self.flow.name,
            "at_s": self.swap_ns / SECOND_NS,
            "window_s": (self.window_ns - self.swap_ns) / SECOND_NS,
            **self._alone(),
            **self._deficit(),
            **self._against_a(),
            "time_to_b_twin_s": self._time_to_b(),
        }

    def _alone(self) -> dict[str, Any]:
        """Return what needs no twin."""
        jump = cwnd_jump(self.flow, self.swap_ns)
        worst = dip_worst_ratio(self.flow, self.swap_ns, self.end_ns)
        return {
            "cwnd_before_packets": jump[0] if jump else None,
            "cwnd_after_packets": jump[1] if jump else None,
            "cwnd_jump_packets": jump[1] - jump[0] if jump else None,
            "dip_worst_ratio": worst,
            "dip_depth": 1 - worst,
            "drops_in_second_after": self._drops(self.result),
            "rtos": self._rtos(self.compared.instants),
            "rtt_p99_ms": rtt_p99_ms(self.flow, self.swap_ns, self.window_ns),
            "longest_stall_s": longest_stall_s(self.flow, self.swap_ns, self.window_ns),
        }

    def _deficit(self) -> dict[str, Any]:
        """Return the goodput that the flow fell behind the A-twin."""
        end = min([self.window_ns, *(_ends(self.a) if self.a else [])])
        if self.a is None or end <= self.swap_ns:
            return dict.fromkeys(("deficit_bytes", "deficit_s", "deficit_peak_bytes"))
        span = (self.swap_ns, end)
        deficit = deficit_bytes(self.flow, self.a, *span)
        return {
            "deficit_bytes": deficit,
            "deficit_s": deficit_seconds(deficit, self.a, *span),
            "deficit_peak_bytes": deficit_peak_bytes(self.flow, self.a, *span),
        }

    def _against_a(self) -> dict[str, Any]:
        """Return the other differences to the A-twin."""
        names = (
            *("dip_length_s", "dip_recovery_s", "queue_excess_ms", "extra_drops", "extra_rtos"),
            *("extra_rtt_p99_ms", "extra_stall_s"),
        )
        if self.a is None or self.twin_a is None:
            return dict.fromkeys(names)
        soon = min(self.end_ns, self.swap_ns + MEAN_NS)
        span = (self.swap_ns, self.window_ns)
        end = min([self.window_ns, *_ends(self.a)])
        dip = (self.flow, self.a, self.swap_ns, end)
        values = (
            dip_length_s(*dip) if end > self.swap_ns else None,
            dip_recovery_s(*dip) if end > self.swap_ns else None,
            queue_excess_ms(self.flow, self.a, self.swap_ns, soon),
            self._drops(self.result) - self._drops(self.twin_a),
            self._rtos(self.compared.instants) - self._rtos(self.compared.twin_instants),
            rtt_p99_ms(self.flow, *span) - rtt_p99_ms(self.a, *span),
            longest_stall_s(self.flow, *span) - longest_stall_s(self.a, *span),
        )
        return dict(zip(names, values, strict=True))

    def _drops(self, result: SimResult) -> int:
        """Return the flow's drops in the second after the swap."""
        end = min(self.end_ns, self.swap_ns + SECOND_NS)
        return drops_between(result, self.index, self.swap_ns, end)

    def _rtos(self, instants: Instants) -> int:
        """Return how often the flow's retransmission timer fired in the window."""
        return rtos_between(instants, self.flow.name, self.swap_ns, self.window_ns)

    def _time_to_b(self) -> float | Censored | None:
        """Return when the flow runs as in the B-twin, looked for until the observation's end."""
        if self.b is None:
            return None
        end = min([self.end_ns, *_ends(self.b)])
        return time_to_twin_s(self.flow, self.b, self.swap_ns, end) if end > self.swap_ns else None


def _neighbours(compared: Compared, swap: SwapRecord) -> dict[str, Any] | None:
    """Return the harm done to flows beside the swapped ones in the 10 s after; None if none is.

    Counted are flows that live through the whole window in both runs.
    """
    span = (swap.t_ns, min(compared.until_ns, swap.t_ns + WINDOW_NS))
    twin_a, reached = compared.twin_a, set(swap.flows)
    if twin_a is None or not reached:
        return None
    pairs = [
        (ours.name, goodput_bps(theirs, *span), goodput_bps(ours, *span))
        for ours, theirs in zip(compared.result.flows, twin_a.flows, strict=False)
        if ours.name not in reached and _through(ours, span) and _through(theirs, span)
        if len(ours.t_ns) and len(theirs.t_ns)
    ]
    if not pairs:
        return None
    harms = {name: harm(alone, beside) for name, alone, beside in pairs}
    worst = max(harms, key=lambda name: -math.inf if math.isnan(harms[name]) else harms[name])
    return {
        "flows": len(pairs),
        "window_s": (span[1] - span[0]) / SECOND_NS,
        "harm": harm(sum(alone for _, alone, _ in pairs), sum(beside for *_, beside in pairs)),
        "worst_flow": worst,
        "worst_harm": harms[worst],
    }


def _fairness(compared: Compared, swap: SwapRecord) -> dict[str, Any] | None:
    """Return Jain's index of the goodputs in the 10 s after, beside the A-twin's.

    Counted are flows that live through the whole window in both runs; None for fewer than two.
    """
    span = (swap.t_ns, min(compared.until_ns, swap.t_ns + WINDOW_NS))
    twin_a = compared.twin_a
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(compared.result.flows, twin_a.flows if twin_a else (), strict=False)
        if _through(ours, span) and _through(theirs, span)
    ]
    if len(pairs) < 2:
        return None
    return {
        "flows": len(pairs),
        "window_s": (span[1] - span[0]) / SECOND_NS,
        "jain_index": jain_index([goodput_bps(ours, *span) for ours, _ in pairs]),
        "jain_index_a_twin": jain_index([goodput_bps(theirs, *span) for _, theirs in pairs]),
    }


def _through(flow: FlowTrace, span: tuple[int, int]) -> bool:
    """Tell whether a flow lives through a whole span."""
    return flow.start_ns <= span[0] and min([span[1], *_ends(flow)]) == span[1]


def _connections(result: SimResult, swap: SwapRecord, until_ns: int) -> dict[str, Any]:
    """Return who ran what after a name changed its meaning, and when the last connection on the old
    map closed.

    ``old_at_update``: connections on the old map at the instant; ``new_since``, ``old_since``:
    connections that started on the new map afterwards, and on the old one all the same, as those do
    whose listener or namespace holds it; ``last_old_closed_s``: time from the update until none was
    left on the old map, closed or swapped away; censored if one still was at the end;
    of `reregister` ``fallbacks``: connections that asked for the name while it was missing.
    """
    before = [flow for flow in result.flows if flow.start_ns < swap.t_ns]
    after = [flow for flow in result.flows if flow.start_ns >= swap.t_ns and history(flow)]
    left = [_left(flow, swap.old, swap.t_ns, until_ns) for flow in before]
    times = [time for time in left if time is not None]
    late = [flow for flow in after if history(flow)[0][1] == swap.old]
    late_times = [_left(flow, swap.old, flow.start_ns, until_ns) for flow in late]
    return {
        "old_at_update": len(times),
        "new_since": sum(history(flow)[0][1] == swap.new for flow in after),
        "old_since": len(late),
        **_fallbacks(result, swap),
        "last_old_closed_s": _last_closed(
            [*times, *(time for time in late_times if time is not None)], swap.t_ns, until_ns
        ),
    }


def _fallbacks(result: SimResult, swap: SwapRecord) -> dict[str, int]:
    """Count who asked for the name while `reregister` had it missing."""
    if swap.via != "reregister":
        return {}
    missing = [event.t_ns for event in result.events if event.kind == "fallback"]
    return {"fallbacks": sum(t_ns >= swap.t_ns for t_ns in missing)}


def _last_closed(times: list[float], swap_ns: int, until_ns: int) -> float | Censored:
    last = max(times, default=float(swap_ns))
    if math.isinf(last):
        return Censored((until_ns - swap_ns) / SECOND_NS)
    return (last - swap_ns) / SECOND_NS


def _left(flow: FlowTrace, old: str, at_ns: int, until_ns: int) -> float | None:
    """Return when a flow that ran ``old`` at a time left it [ns]; inf: not yet; None: did not."""
    story = history(flow)
    closed = flow.end_ns is not None and flow.end_ns <= at_ns
    if closed or served_at(story, at_ns) != old:
        return None
    moved = [t_ns for t_ns, name in story if t_ns > at_ns and name != old]
    if moved:
        return float(moved[0])
    return float(flow.end_ns) if flow.end_ns is not None and flow.end_ns <= until_ns else math.inf
