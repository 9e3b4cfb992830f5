"""What is drawn of connections that come and go: who served how many, what they carried together,
how long they took.

A few flows that stand beside them in the scenario are drawn by themselves and do not count here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.curves import trace_curve
from ccsim.plot.picture import Curve
from ccsim.plot.run import MANY_FLOWS
from ccsim.plot.style import Look
from ccsim.plot.view import View
from ccsim.sim.implementation_history import history, servants
from ccsim.sim.traces import FlowTrace, GroupTrace, SimResult

__all__ = [
    "LEAST_IN_BIN",
    "QUANTILE",
    "binned",
    "completed",
    "connections",
    "count_curve",
    "first_served",
    "implementations",
    "named_flows",
    "quantile_curve",
    "rates",
    "spans_of",
]

SLOWDOWN_BINS = 30  # over the run
QUANTILE = 90  # per cent: what is slow is what is felt, and a median of short responses is 1
LEAST_IN_BIN = 5  # completions that make a quantile
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def named_flows(result: SimResult) -> tuple[FlowTrace, ...]:
    """Return the flows of no workload that have samples, and so lines of their own; none if they
    are too many to be told apart."""
    found = tuple(flow for flow in result.flows if not flow.workload and len(flow.t_ns))
    return found if len(found) <= MANY_FLOWS else ()


def connections(result: SimResult) -> tuple[FlowTrace, ...]:
    """Return the flows that are drawn together: those of workloads, and those without samples."""
    named = set(map(id, named_flows(result)))
    return tuple(flow for flow in result.flows if id(flow) not in named)


def rates(result: SimResult) -> list[tuple[str, Ints, Ints]]:
    """Return of each implementation the times [ns] and the throughput [bit/s] of the connections
    that it serves: of all its flows, less those that are drawn by themselves."""
    return [
        (group.implementation, group.t_ns, _less_named(group, result)) for group in result.groups
    ]


def _less_named(group: GroupTrace, result: SimResult) -> Ints:
    left = group.throughput_bps.copy()
    for flow in named_flows(result):
        if group.implementation not in flow.implementations:
            continue
        served = flow.implementation == flow.implementations.index(group.implementation)
        rows = np.searchsorted(group.t_ns, flow.t_ns[served])
        inside = rows < len(left)
        np.subtract.at(left, rows[inside], flow.throughput_bps[served][inside])
    return np.maximum(left, 0)


def implementations(result: SimResult) -> list[str]:
    """Return what served connections, in order of appearance; then pairs that one completion
    saw."""
    stories = [history(flow) for flow in connections(result)]
    first = sorted((story[0][0], k) for k, story in enumerate(stories) if story)
    names = dict.fromkeys(name for _, k in first for _, name in stories[k])
    return [*names, *dict.fromkeys(n for n in servants(result).tolist() if n not in names)]


def first_served(result: SimResult) -> dict[str, int]:
    """Return how many connections began on each implementation."""
    counts: dict[str, int] = {}
    for story in sorted(filter(None, map(history, connections(result)))):
        counts[story[0][1]] = counts.get(story[0][1], 0) + 1
    return counts


def spans_of(flow: FlowTrace, implementation: str, result: SimResult) -> list[tuple[int, int]]:
    """Return from when to when [ns] an implementation served a flow."""
    story = history(flow)
    end = result.duration_ns if flow.end_ns is None else flow.end_ns
    times = [*(t for t, _ in story[1:]), end]
    return (
        [(t0, t1) for (t0, name), t1 in zip(story, times, strict=True) if name == implementation]
        if story
        else []
    )


def binned(t_ns: Ints, values: Floats, view: View) -> tuple[Floats, Floats]:
    """Return the centres of the bins [s], and the mean of the samples in each."""
    if not len(t_ns):
        return np.zeros(0), np.zeros(0)
    bins = t_ns // view.bin_ns
    first = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    mean = np.add.reduceat(values, first) / np.diff(first, append=len(bins))
    return np.asarray((bins[first] + 0.5) * (view.bin_ns / 1e9), dtype=np.float64), mean


def count_curve(result: SimResult, name: str, look: Look) -> Curve:
    """Return how many connections an implementation serves, as steps."""
    spans = [span for flow in connections(result) for span in spans_of(flow, name, result)]
    times = np.array([t for span in spans for t in span], dtype=np.int64)
    steps = np.tile([1, -1], len(spans))
    order = np.argsort(times, kind="stable")
    t, count = times[order], np.cumsum(steps[order])
    keep = t < result.duration_ns
    t, count = t[keep], count[keep]
    if not len(t):
        return Curve(np.zeros(0), np.zeros(0), look)
    if count[-1]:
        t, count = np.append(t, result.duration_ns), np.append(count, count[-1])
    before = np.concatenate(([0], count[:-1]))
    return trace_curve(
        np.repeat(t, 2), np.column_stack((before, count)).ravel().astype(float), look
    )


def completed(result: SimResult, own: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return starts [s] and slowdowns of completions, in order of time."""
    found = result.completions
    assert found is not None
    order = np.flatnonzero(own)[np.argsort(found.start_ns[own], kind="stable")]
    slowdown = (found.end_ns - found.start_ns)[order] / found.ideal_ns[order]
    return found.start_ns[order] / 1e9, slowdown


def quantile_curve(start_s: Floats, slowdown: Floats, look: Look, view: View) -> Curve:
    """Return the 90th percentile of each bin, at its centre; a gap where too few started."""
    width = view.duration_ns / 1e9 / SLOWDOWN_BINS
    index = (start_s // width).astype(int)
    values = np.full(SLOWDOWN_BINS, np.nan)
    for k in range(SLOWDOWN_BINS):
        inside = slowdown[index == k]
        if len(inside) >= LEAST_IN_BIN:
            values[k] = np.percentile(inside, QUANTILE)
    centres = np.asarray((np.arange(SLOWDOWN_BINS) + 0.5) * width, dtype=np.float64)
    return Curve(centres, values, look)
