"""Many flows in few lines: of each implementation the sum of rates, the median of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.curves import Group, last_sample_ns, served_by, spread_curve, sum_curve
from ccsim.plot.picture import Curve
from ccsim.plot.reduce import on_grid
from ccsim.plot.style import COLOURS, flow_look, shorten
from ccsim.plot.view import View
from ccsim.report.numbers import count
from ccsim.report.trace_lines import Line, bin_ns
from ccsim.sim.traces import FlowTrace, SimResult

__all__ = ["group_lines"]

GRID = 2_000
"""How many instants are looked at: each costs a sort over all flows."""


def group_lines(result: SimResult, view: View, entry: Callable[..., int]) -> Iterator[Line]:
    """Yield throughput, cwnd and RTT of the flows that each implementation serves while it does,
    and how many these are.

    ``entry`` adds a legend entry (label, look) and returns its number.
    """
    grid_ns = np.linspace(0, view.duration_ns, GRID).astype(np.int64)
    for i, (name, flows) in enumerate(_users(result).items()):
        label = f"{shorten(name)} ({count(len(flows), 'flow')})"
        look = f"c{i % len(COLOURS)}"
        own = (shorten(name), look, "", (entry(label, look),))
        group = Group(label, flow_look(i), tuple(flows), name)
        rates = sum_curve(group, bin_ns(view), view.duration_ns, 1.0)
        yield Line("throughput", *own, _edges(rates, view), rates.y)
        for panel, column in (("cwnd", "snd_cwnd"), ("rtt", "srtt_us")):
            curve = spread_curve(group, column, grid_ns, 1.0)
            yield Line(panel, *own, grid_ns, curve.y, curve.low, curve.high)
        yield Line("connections", *own, grid_ns, _running(flows, name, grid_ns))


def _users(result: SimResult) -> dict[str, list[FlowTrace]]:
    """Return the flows that each implementation ever served, in order of first use."""
    users: dict[str, list[FlowTrace]] = {}
    for flow in result.flows:
        for name in dict.fromkeys(served_by(flow)):
            users.setdefault(name, []).append(flow)
    return users


def _running(flows: Sequence[FlowTrace], name: str, grid_ns: NDArray[np.int64]) -> NDArray[Any]:
    """Return at each time how many flows run and are served by an implementation."""
    total = np.zeros(len(grid_ns), dtype=np.int64)
    for flow in flows:
        index = flow.implementations.index(name)
        end_ns = last_sample_ns(flow) if flow.end_ns is None else flow.end_ns
        total += on_grid(flow.t_ns, flow.implementation, grid_ns, end_ns) == index
    return total


def _edges(rates: Curve, view: View) -> np.ndarray:
    """Return the edges [ns] of the bins at whose centres a summed curve stands."""
    if not len(rates.t_s):
        return np.zeros(1)
    inner = np.arange(1, len(rates.t_s)) * bin_ns(view)
    return np.concatenate(([0], inner, [view.duration_ns]))
