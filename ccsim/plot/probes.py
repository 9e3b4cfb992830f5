"""The panel of probes: latency under load, as a ping beside the flows finds it."""

from __future__ import annotations

import numpy as np

from ccsim.plot.curves import trace_curve
from ccsim.plot.picture import Curve, LegendEntry, Panel
from ccsim.plot.style import Look, flow_look, shorten
from ccsim.plot.view import View
from ccsim.sim.traces import SimResult, TrafficTrace

__all__ = ["probe_panels", "probes_of"]

COLOURS = ("#0B6E4F", "#8C510A")


def probes_of(result: SimResult) -> list[tuple[TrafficTrace, Look]]:
    """Return the probes of a run, and how each is drawn."""
    probes = [one for one in result.traffic if one.kind == "probe"]
    return [
        (one, flow_look(0, k).but(colour=COLOURS[k % len(COLOURS)], width=0.7))
        for k, one in enumerate(probes)
    ]


def probe_panels(result: SimResult, view: View) -> tuple[list[Panel], list[LegendEntry]]:
    """Return the panel of the probes' RTTs, each at the time at which it left, and their legend
    entries; none without probes."""
    drawn = probes_of(result)
    if not drawn:
        return [], []
    panel = view.probes([_curve(one, look, view.rtt.size) for one, look in drawn])
    return [panel], [(look, f"probe {shorten(one.name)}") for one, look in drawn]


def _curve(one: TrafficTrace, look: Look, unit: float) -> Curve:
    rows = np.array(one.rtts_ns, dtype=np.int64).reshape(-1, 2)
    return trace_curve(rows[:, 0], rows[:, 1] / 1e3 / unit, look)
