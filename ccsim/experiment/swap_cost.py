"""What one swap cost: everybody in one window, each flow that it reached, its neighbours."""

from __future__ import annotations

import math
from typing import Any

from ccsim.experiment.metrics import (
    MEAN_NS,
    WINDOW_NS,
    Censored,
    dip_length_s,
    dip_recovery_s,
    dip_worst_ratio,
    drops_between,
    goodput_bps,
    harm,
    jain_index,
    queue_excess_ms,
    time_to_twin_s,
)
from ccsim.experiment.refusal import explain, refused_flows
from ccsim.experiment.swap_window import Compared, SwapWindow, took_effect
from ccsim.sim.implementation_history import history, served_at
from ccsim.sim.traces import FlowTrace, SimResult, SwapRecord
from ccsim.units import NS_PER_S

__all__ = ["Compared", "measure_swap"]


def measure_swap(compared: Compared, swap: SwapRecord) -> dict[str, Any]:
    """Return the metrics of one swap, not yet plain; only its description if it failed.

    ``total`` is of everybody in the swap's window (`SwapWindow`); ``flows`` are those that it
    reached, with the same figures over the same window and with what is counted from the instant at
    which it reached each; ``beside`` are the other flows, and each workload, in that window. These
    two add up to the total. What compares with a missing twin is None.
    """
    refused = refused_flows(compared.result, swap)
    row: dict[str, Any] = {
        "index": swap.index,
        "t_s": swap.t_ns / NS_PER_S,
        "via": swap.via,
        "state": swap.state,
        "trigger": swap.trigger or None,
        "outcome": swap.outcome or None,
        "outcome_s": None if swap.outcome_ns is None else swap.outcome_ns / NS_PER_S,
        "label": swap.label,
        "old": swap.old,
        "new": swap.new,
        "errno": swap.errno,
        "error": explain(swap.errno, refused) or None,
        "refused_flows": refused,
        "reached": len(swap.flows),
        "total": None,
        "flows": [],
        "beside": [],
    }
    if not took_effect(swap):
        return row
    window = SwapWindow(compared, swap)
    reached = set(swap.flows)
    row["total"] = window.total or None
    for index, flow in enumerate(compared.result.flows):
        if flow.name in reached and flow.name in window.rows:
            span = (_instant(compared, swap, flow), _end(compared, swap, flow))
            own = _Disruption(compared, swap, index, *span).row()
            length = {"window_s": row["total"]["window_s"]}
            row["flows"].append({**own, **length, **window.rows.pop(flow.name)})
    row["beside"] = list(window.rows.values())
    row["neighbours"] = _neighbours(compared, swap, window.span)
    row["fairness"] = _fairness(compared, window.span)
    if swap.via in ("link_update", "reregister", "staged"):
        row["connections"] = _connections(compared.result, swap, compared.until_ns)
    return row


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
    """One swap's effect on one flow that it reached, from that instant on.

    ``end`` is when the observation ends, ``window`` that or 10 s after the swap, whichever is
    first; comparisons with a twin end when the twin's flow does, if that is earlier.
    """

    def __init__(
        self, compared: Compared, swap: SwapRecord, index: int, swap_ns: int, end_ns: int
    ) -> None:
        self.compared = compared
        self.result = compared.result
        self.index = index
        self.swap = swap
        self.flow = self.result.flows[index]
        self.swap_ns = swap_ns
        self.end_ns = end_ns
        self.window_ns = min(end_ns, swap_ns + WINDOW_NS)
        self.a = _same(compared.twin_a, index)
        self.b = _same(compared.twin_b, index)

    def row(self) -> dict[str, Any]:
        """Return all of it."""
        worst = dip_worst_ratio(self.flow, self.swap_ns, self.end_ns)
        soon = self.swap_ns + NS_PER_S
        return {
            "flow": self.flow.name,
            "at_s": self.swap_ns / NS_PER_S,
            **self._jump(),
            "dip_worst_ratio": worst,
            "dip_depth": 1 - worst,
            "drops_in_second_after": drops_between(self.result, self.index, self.swap_ns, soon),
            **self._against_a(),
            "time_to_b_twin_s": self._time_to_b(),
        }

    def _jump(self) -> dict[str, Any]:
        """Return the window just before and after the swap, as its event tells it [packets]."""
        names = ("cwnd_before_packets", "cwnd_after_packets", "cwnd_jump_packets")
        key = (self.flow.name, self.swap_ns, self.swap.index)
        windows = self.compared.windows.get(key)
        if windows is None:
            return dict.fromkeys(names)
        before, after = windows
        return dict(zip(names, (before, after, after - before), strict=True))

    def _against_a(self) -> dict[str, Any]:
        """Return the dip and the queueing against the A-twin."""
        names = ("dip_length_s", "dip_recovery_s", "queue_excess_ms")
        if self.a is None:
            return dict.fromkeys(names)
        soon = min(self.end_ns, self.swap_ns + MEAN_NS)
        end = min([self.window_ns, *_ends(self.a)])
        dip = (self.flow, self.a, self.swap_ns, end)
        return {
            "dip_length_s": dip_length_s(*dip) if end > self.swap_ns else None,
            "dip_recovery_s": dip_recovery_s(*dip) if end > self.swap_ns else None,
            "queue_excess_ms": queue_excess_ms(self.flow, self.a, self.swap_ns, soon),
        }

    def _time_to_b(self) -> float | Censored | None:
        """Return when the flow runs as in the B-twin, looked for until the observation's end."""
        if self.b is None:
            return None
        end = min([self.end_ns, *_ends(self.b)])
        return time_to_twin_s(self.flow, self.b, self.swap_ns, end) if end > self.swap_ns else None


def _neighbours(
    compared: Compared, swap: SwapRecord, span: tuple[int, int]
) -> dict[str, Any] | None:
    """Return the harm done to flows beside the swapped ones in the swap's window; None if none is.

    Counted are flows that could send all through it in both runs.
    """
    twin_a, reached = compared.twin_a, set(swap.flows)
    if twin_a is None or not reached:
        return None
    pairs = [
        (ours.name, goodput_bps(theirs, *span), goodput_bps(ours, *span))
        for ours, theirs in zip(compared.result.flows, twin_a.flows, strict=False)
        if ours.name not in reached and _through(ours, span) and _through(theirs, span)
        if ours.recorded
    ]
    if not pairs:
        return None
    harms = {name: harm(alone, beside) for name, alone, beside in pairs}
    worst = max(harms, key=lambda name: -math.inf if math.isnan(harms[name]) else harms[name])
    return {
        "flows": len(pairs),
        "window_s": (span[1] - span[0]) / NS_PER_S,
        "harm": harm(sum(alone for _, alone, _ in pairs), sum(beside for *_, beside in pairs)),
        "worst_flow": worst,
        "worst_harm": harms[worst],
    }


def _fairness(compared: Compared, span: tuple[int, int]) -> dict[str, Any] | None:
    """Return Jain's index of the goodputs in the swap's window, beside the A-twin's.

    Counted are flows that could send all through it in both runs; None for fewer than two.
    """
    twin_a = compared.twin_a
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(compared.result.flows, twin_a.flows if twin_a else (), strict=False)
        if ours.recorded and _through(ours, span) and _through(theirs, span)
    ]
    if len(pairs) < 2:
        return None
    return {
        "flows": len(pairs),
        "window_s": (span[1] - span[0]) / NS_PER_S,
        "jain_index": jain_index([goodput_bps(ours, *span) for ours, _ in pairs]),
        "jain_index_a_twin": jain_index([goodput_bps(theirs, *span) for _, theirs in pairs]),
    }


def _through(flow: FlowTrace, span: tuple[int, int]) -> bool:
    """Report whether a flow could send all through a span that is not empty."""
    able = flow.established_ns is not None and flow.established_ns <= span[0] < span[1]
    return able and min([span[1], *_ends(flow)]) == span[1]


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
        return Censored((until_ns - swap_ns) / NS_PER_S)
    return (last - swap_ns) / NS_PER_S


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
