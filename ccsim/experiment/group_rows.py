"""What each implementation did for all connections that it served, phase by phase."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsim.experiment.stretches import Stretch, Tally, stretches_of
from ccsim.sim.sampler import METER_NS
from ccsim.sim.traces import RttSum, SimResult
from ccsim.units import NS_PER_S

__all__ = ["group_rows"]

Span = tuple[int, int]


def group_rows(result: SimResult, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return, for each implementation and phase in which it served any, how many connections
    there were, what they got together, what of theirs was lost, resent and marked, and their mean
    smoothed RTT: that of every connection every 10 ms, all weighing the same."""
    tally = Tally(result)
    found: dict[tuple[str, int], list[Stretch]] = defaultdict(list)
    for index, flow in enumerate(result.flows):
        for stretch in stretches_of(flow, index, spans, tally):
            found[stretch.implementation, stretch.phase].append(stretch)
    rtts = {one.implementation: one for one in result.rtts}
    return [
        _row(key[0], key[1], spans[key[1]], found[key], rtts.get(key[0])) for key in sorted(found)
    ]


def _row(
    name: str, phase: int, span: Span, stretches: Sequence[Stretch], rtts: RttSum | None
) -> dict[str, Any]:
    length = span[1] - span[0]
    return {
        "implementation": name,
        "phase": phase,
        "from_s": span[0] / NS_PER_S,
        "to_s": span[1] / NS_PER_S,
        "connections_mean": sum(one.t1_ns - one.t0_ns for one in stretches) / length,
        "connections_max": _most(stretches),
        "goodput_bps": 8e9 * sum(one.delivered_bytes for one in stretches) / length,
        "rtt_mean_ms": _mean_rtt_ms(rtts, span),
        "losses": sum(one.drops for one in stretches),
        "retransmissions": sum(one.retransmissions for one in stretches),
        "marks": sum(one.marks for one in stretches),
    }


def _most(stretches: Sequence[Stretch]) -> int:
    """Return how many connections there were at once, at most; one that ends as another begins
    was not there with it."""
    steps = sorted([(one.t0_ns, 1) for one in stretches] + [(one.t1_ns, -1) for one in stretches])
    return int(np.cumsum([step for _, step in steps]).max())


def _mean_rtt_ms(rtts: RttSum | None, span: Span) -> float:
    if rtts is None:
        return math.nan
    rows = slice(-(-span[0] // METER_NS), -(-span[1] // METER_NS))
    flows = int(rtts.flows[rows].sum())
    return int(rtts.srtt_us[rows].sum()) / flows / 1000 if flows else math.nan
