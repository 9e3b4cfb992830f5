"""The metrics document of a run: all of `ccsim.experiment.metrics`, per flow, phase and swap.

Plain JSON values. Units are in the names; a number that does not exist (a mean of nothing) is
None; what had not happened by the end is ``{"censored": true, "at_least_s": …}``.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.completion_times import completion_rows
from ccsim.experiment.group_rows import group_rows
from ccsim.experiment.metrics import (
    Censored,
    could_send_s,
    counted,
    delivered_at,
    jain_index,
    percentile,
    rtt_ms,
    utilisation,
)
from ccsim.experiment.stretches import Stretch, Tally, stretches_of
from ccsim.experiment.swap_cost import Compared, measure_swap
from ccsim.experiment.swap_window import took_effect
from ccsim.net.qdisc.base import LOST
from ccsim.sim.traces import FlowTrace, LinkTrace, SimResult
from ccsim.units import NS_PER_S

__all__ = ["measure", "observed_until", "phases"]

Span = tuple[int, int]
"""[t0, t1) in nanoseconds."""


def measure(
    result: SimResult, twin_a: SimResult | None = None, twin_b: SimResult | None = None
) -> dict[str, Any]:
    """Return the metrics of a run; those of its swaps need the A-twin, and the B-twin for some.

    A twin that failed counts as missing. A run that failed is measured up to its last sample.
    """
    spans = phases(result)
    until = observed_until(result)
    twins = [twin if twin and not twin.failed else None for twin in (twin_a, twin_b)]
    compared = Compared(result, until, *twins)
    return plain(
        {
            "duration_s": until / NS_PER_S,
            "failed": result.failed or None,
            "twins": {
                name: None if twin is None else twin.failed or "complete"
                for name, twin in (("a", twin_a), ("b", twin_b))
            },
            "random": _drawn(result, twin_a, twin_b),
            "phases": [_span(number, span) for number, span in enumerate(spans)],
            "flows": _flow_rows(result, spans),
            "links": _link_rows(result, spans),
            "fairness": [
                {**_span(number, span), "jain_index": _jain(result, span)}
                for number, span in enumerate(spans)
            ],
            "fairness_over_time": _fairness_over_time(result, until),
            "totals": [_totals(flow, until) for _, flow in _named(result)],
            "swaps": [measure_swap(compared, swap) for swap in result.swaps],
            "untriggered": [
                event.detail["swap"]
                for event in result.events
                if event.kind == "trigger" and event.detail.get("fired") is False
            ],
            **_workloads(compared, spans),
            **_traffic(result, until),
            **_objects(result),
        }
    )


def _drawn(*results: SimResult | None) -> list[str]:
    """Return what a run and its twins drew from the seed: none of it, and all seeds give the same
    metrics."""
    return list(dict.fromkeys(part for one in results if one is not None for part in one.drew))


def _traffic(result: SimResult, until_ns: int) -> dict[str, Any]:
    """Return what became of cross traffic, if there is some: of a probe the RTTs, which are latency
    under load, else how long packets took one way."""
    rows = [
        {
            "name": one.name,
            "kind": one.kind,
            "packets_sent": one.packets_sent,
            "packets_arrived": one.packets_arrived,
            "packets_dropped": one.packets_dropped,
            "rate_bps": one.bytes_arrived * 8 * NS_PER_S / until_ns if until_ns else None,
            **{
                f"{name}_ms": None if ns < 0 else ns / 1e6
                for name, ns in zip(("p50", "p95", "p99", "max"), one.delays_ns, strict=True)
            },
        }
        for one in result.traffic
    ]
    return {"traffic": rows} if rows else {}


def _objects(result: SimResult) -> dict[str, Any]:
    """Return what the variables and maps of compiled objects held at the end, if there are any."""
    found = [event.detail for event in result.events if event.kind == "objects"]
    return {"objects": found[-1]} if found else {}


def _workloads(compared: Compared, spans: list[Span]) -> dict[str, Any]:
    """Return what only runs with workloads, or with sums instead of samples, have."""
    result = compared.result
    found: dict[str, Any] = {}
    if result.groups or result.completions is not None:
        found["implementations"] = group_rows(result, spans)
    if result.completions is not None:
        runs = {"run": result, "twin_a": compared.twin_a, "twin_b": compared.twin_b}
        found["completions"] = [
            {"of": name, **row}
            for name, one in runs.items()
            if one is not None
            for row in completion_rows(one, spans)
        ]
    return found


def _named(result: SimResult) -> list[tuple[int, FlowTrace]]:
    """Return the flows that have rows of their own, and their numbers: not those of workloads, nor
    those without samples by request."""
    return [
        (index, flow)
        for index, flow in enumerate(result.flows)
        if not flow.workload and flow.recorded
    ]


def observed_until(result: SimResult) -> int:
    """Return the run's duration or, if it failed, the time of its last sample [ns]."""
    if not result.failed:
        return result.duration_ns
    columns = [flow.metered.t_ns for flow in result.flows]
    columns += [link.metered.t_ns for link in result.links]
    last = max((int(column[-1]) for column in columns if len(column)), default=0)
    return min(last, result.duration_ns)


def phases(result: SimResult) -> list[Span]:
    """Return the spans between the first actions of successful swaps, the run's ends included."""
    until = observed_until(result)
    inside = {swap.t_ns for swap in result.swaps if took_effect(swap) and 0 < swap.t_ns < until}
    return list(pairwise(sorted({0, until} | inside)))


def plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN as None, rounded numbers, spelled-out censoring."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Censored):
        return {"censored": True, "at_least_s": value.at_least_s}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _span(number: int, span: Span) -> dict[str, Any]:
    return {"phase": number, "from_s": span[0] / NS_PER_S, "to_s": span[1] / NS_PER_S}


def _flow_rows(result: SimResult, spans: list[Span]) -> list[dict[str, Any]]:
    """Return a row for each flow, each phase in which it lived, and each implementation that served
    it there."""
    tally = Tally(result)
    return [
        _flow_row(flow, stretch)
        for index, flow in _named(result)
        for stretch in stretches_of(flow, index, spans, tally)
    ]


def _flow_row(flow: FlowTrace, stretch: Stretch) -> dict[str, Any]:
    span = (stretch.t0_ns, stretch.t1_ns)
    rtt = rtt_ms(flow, *span)
    return {
        "flow": flow.name,
        **_span(stretch.phase, span),
        "implementation": stretch.implementation,
        "goodput_bps": 8e9 * stretch.delivered_bytes / (span[1] - span[0]),
        "rtt_mean_ms": float(rtt.mean()) if len(rtt) else math.nan,
        "rtt_p50_ms": percentile(rtt, 50),
        "rtt_p99_ms": percentile(rtt, 99),
        "losses": stretch.drops,
        "retransmissions": stretch.retransmissions,
        "marks": stretch.marks,
    }


def _link_rows(result: SimResult, spans: list[Span]) -> list[dict[str, Any]]:
    return [
        _link_row(link, number, span) for link in result.links for number, span in enumerate(spans)
    ]


def _link_row(link: LinkTrace, phase: int, span: Span) -> dict[str, Any]:
    low, high = np.searchsorted(link.metered.t_ns, span)
    queue = link.metered.queue_packets[low:high]
    first, last = np.searchsorted(link.drop_t_ns, span)
    random = int(np.count_nonzero(link.drop_reason[first:last] == LOST))
    marked = np.searchsorted(link.mark_t_ns, span)
    return {
        "link": link.name,
        **_span(phase, span),
        "utilisation": utilisation(link, *span),
        "queue_mean_packets": float(queue.mean()) if len(queue) else math.nan,
        "queue_max_packets": int(queue.max()) if len(queue) else None,
        "drops": int(last - first) - random,
        "random_losses": random,
        **_sojourns(link, span),
        "marks": int(marked[1] - marked[0]),
    }


def _sojourns(link: LinkTrace, span: Span) -> dict[str, float]:
    """Return how long packets waited in a hop's queue, by its samples; of a link that is no hop
    nothing is known."""
    waited = dict(link.gauges).get("sojourn_us")
    if waited is None:
        return {}
    low, high = np.searchsorted(link.t_ns, span)
    ms = waited[low:high] / 1e3
    mean = float(ms.mean()) if len(ms) else math.nan
    return {"sojourn_mean_ms": mean, "sojourn_p99_ms": percentile(ms, 99)}


def _jain(result: SimResult, span: Span) -> float:
    """Return Jain's index of the goodputs of the flows that could send in the span, each while it
    could and weighted by that time; those of workloads do not count."""
    able = [(flow, could_send_s(flow, *span)) for _, flow in _named(result)]
    weights = [seconds for _, seconds in able if seconds > 0]
    rates = [
        8 * (counted(flow, span[1])[0] - counted(flow, span[0])[0]) / seconds
        for flow, seconds in able
        if seconds > 0
    ]
    return jain_index(rates, weights)


def _fairness_over_time(result: SimResult, until: int) -> dict[str, Any] | None:
    """Return Jain's index for each whole second, of the flows that could send all through it.

    None for a run of one flow; a second with fewer than two flows has none.
    """
    flows = _named(result)
    if len(flows) < 2:
        return None
    edges = np.arange(0, until + 1, NS_PER_S, dtype=np.int64)
    rates = np.array([_rates_of_seconds(flow, edges) for _, flow in flows])
    return {
        "t_s": [int(t) // NS_PER_S for t in edges[:-1]],
        "jain_index": [_jain_of_second(column) for column in rates.T],
    }


def _rates_of_seconds(flow: FlowTrace, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a flow's goodput in each second [bit/s]; NaN unless it could send all through it."""
    end = edges[-1] if flow.end_ns is None else flow.end_ns
    start = edges[-1] if flow.established_ns is None else flow.established_ns
    lived = (edges[:-1] >= start) & (edges[1:] <= end)
    return np.where(lived, 8 * np.diff(delivered_at(flow, edges)), np.nan)


def _jain_of_second(rates: NDArray[np.float64]) -> float | None:
    lived = rates[~np.isnan(rates)]
    return jain_index(lived) if len(lived) > 1 else None


def _totals(flow: FlowTrace, until_ns: int) -> dict[str, Any]:
    """Return a flow's counters and its completion time, None while it runs."""
    done = None if flow.end_ns is None else (flow.end_ns - flow.start_ns) / NS_PER_S
    return {
        "flow": flow.name,
        "congestion": flow.congestion,
        "completion_time_s": done,
        "delivered_bytes": int(counted(flow, until_ns)[0]),
        **flow.counters,
    }
