"""What a swapped flow and its twins did in the same window, each for itself: for paired tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ccsim.experiment.event_index import Instants
from ccsim.experiment.measure import observed_until, plain
from ccsim.experiment.metrics import (
    drops_between,
    goodput_bps,
    jain_index,
    longest_stall_s,
    rtos_between,
    rtt_ms,
    utilisation,
)
from ccsim.experiment.swap_window import Compared, window_of
from ccsim.sim.traces import FlowTrace, SimResult
from ccsim.units import NS_PER_S

__all__ = ["VALUES", "add_twin_values"]

VALUES = (
    ("goodput", "_bps"),
    ("rtt_mean", "_ms"),
    ("rtt_p99", "_ms"),
    ("drops_in_second_after", ""),
    ("rtos", ""),
    ("longest_stall", "_s"),
    ("jain_index", ""),
    ("utilisation", ""),
)
"""Metrics that a run and each twin have for themselves, and their units."""
MARKS = ("", "_a", "_b")


def add_twin_values(
    metrics: dict[str, Any], result: SimResult, a: SimResult | None, b: SimResult | None
) -> None:
    """Add to each flow of each swap in ``metrics`` the `VALUES` of the run, A-twin and B-twin.

    The window is the swap's (`swap_window.window_of`); the second after is the flow's own. A twin
    that is missing or failed has None.
    """
    results = [one if one is not None and not one.failed else None for one in (a, b)]
    instants = [Instants(one.events) if one else None for one in (result, *results)]
    index = {flow.name: number for number, flow in enumerate(result.flows)}
    compared = Compared(result, observed_until(result))
    for swap, record in zip(metrics["swaps"], result.swaps, strict=True):
        span = window_of(compared, record)
        for row in swap["flows"]:
            at_ns = round(row["at_s"] * NS_PER_S)
            for mark, one, events in zip(MARKS, (result, *results), instants, strict=True):
                values = _values(one, events, index[row["flow"]], span, at_ns)
                row.update({f"{name}{mark}{unit}": values[name] for name, unit in VALUES})


def _values(
    result: SimResult | None,
    instants: Instants | None,
    index: int,
    span: tuple[int, int],
    at_ns: int,
) -> dict[str, Any]:
    """Return the values of one run in a span, as JSON has them."""
    if result is None or instants is None or index >= len(result.flows) or span[0] >= span[1]:
        return {name: None for name, _ in VALUES}
    flow = result.flows[index]
    rtt = rtt_ms(flow, *span)
    soon = at_ns + NS_PER_S
    through = [goodput_bps(each, *span) for each in result.flows if _through(each, span)]
    found: dict[str, Any] = plain(
        {
            "goodput": goodput_bps(flow, *span),
            "rtt_mean": float(rtt.mean()) if len(rtt) else math.nan,
            "rtt_p99": float(np.percentile(rtt, 99)) if len(rtt) else math.nan,
            "drops_in_second_after": drops_between(result, index, at_ns, soon),
            "rtos": rtos_between(instants, flow.name, *span),
            "longest_stall": longest_stall_s(flow, *span),
            "jain_index": jain_index(through) if through else math.nan,
            "utilisation": utilisation(result.links[0], *span) if result.links else math.nan,
        }
    )
    return found


def _through(flow: FlowTrace, span: tuple[int, int]) -> bool:
    """Report whether a flow with samples could send all through a span."""
    if not flow.recorded or flow.established_ns is None or flow.established_ns > span[0]:
        return False
    return flow.end_ns is None or flow.end_ns >= span[1]
