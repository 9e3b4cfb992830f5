"""From trace columns to curves: one flow's own, or the sum and the spread of a group of flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.plot.picture import Curve
from ccsim.plot.reduce import bin_delivered, decimate, on_grid, percentiles
from ccsim.plot.style import Look
from ccsim.sim.traces import FlowTrace

__all__ = [
    "PIXELS",
    "Group",
    "cwnd_curve",
    "inflight_curve",
    "last_sample_ns",
    "pacing_curve",
    "served_by",
    "spread_curve",
    "srtt_curve",
    "ssthresh_curve",
    "sum_curve",
    "throughput_curve",
    "trace_curve",
]

PIXELS = 870  # columns of a panel at 300 dpi
THICKNESS = 0.9 / 68.0  # of a line, as a share of a panel's height
Column = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Flows drawn as one; only while ``implementation`` (a struct_ops map) served them, if set."""

    label: str
    look: Look
    flows: tuple[FlowTrace, ...]
    implementation: str | None = None


def last_sample_ns(flow: FlowTrace) -> int:
    """Return the time [ns] of the last telling sample: the first one after the flow's end."""
    if not len(flow.t_ns):
        return flow.start_ns
    if flow.end_ns is None:
        return int(flow.t_ns[-1])
    index = int(np.searchsorted(flow.t_ns, flow.end_ns))
    return int(flow.t_ns[min(index, len(flow.t_ns) - 1)])


def trace_curve(t_ns: Column, y: Floats, look: Look) -> Curve:
    """Return a column over its times, decimated to what the panel's pixels can show."""
    samples = (t_ns / 1e9, y)
    return Curve(*decimate(*samples, PIXELS, THICKNESS), look, samples=samples)


def carried_bytes(flow: FlowTrace) -> Column:
    """Return the payload delivered up to each sample [bytes], in order or not.

    In-order delivery stands still while a hole waits and then jumps, beyond the link's capacity;
    what the receiver gets does not.
    """
    if len(flow.t_ns) < 2:
        return flow.delivered_bytes
    interval_ns = int(flow.t_ns[1] - flow.t_ns[0])
    return np.cumsum(flow.throughput_bps * interval_ns // 8_000_000_000)


def throughput_curve(flow: FlowTrace, look: Look, bin_ns: int, unit: float) -> Curve:
    """Return the mean rate of delivery in each bin, at its centre [``unit`` bit/s]."""
    edges, delivered = bin_delivered(
        flow.t_ns, carried_bytes(flow), bin_ns, flow.start_ns, last_sample_ns(flow)
    )
    if not len(delivered):
        return Curve(np.zeros(0), np.zeros(0), look)
    seconds = np.diff(edges) / 1e9
    return Curve((edges[:-1] + edges[1:]) / 2e9, delivered * 8 / seconds / unit, look)


def cwnd_curve(flow: FlowTrace, look: Look, unit: float) -> Curve:
    """Return snd_cwnd [``unit`` packets]."""
    return _flow_curve(flow, flow.snd_cwnd / unit, look)


def ssthresh_curve(flow: FlowTrace, look: Look, unit: float) -> Curve:
    """Return ssthresh [``unit`` packets], with a gap wherever it is infinite."""
    finite = np.where(flow.ssthresh >= TCP_INFINITE_SSTHRESH, np.nan, flow.ssthresh / unit)
    return _flow_curve(flow, finite, look)


def srtt_curve(flow: FlowTrace, look: Look, unit: float) -> Curve:
    """Return the smoothed RTT [``unit`` µs], with a gap before the first measurement."""
    return _flow_curve(flow, np.where(flow.srtt_us > 0, flow.srtt_us / unit, np.nan), look)


def inflight_curve(flow: FlowTrace, look: Look, unit: float) -> Curve:
    """Return the packets in flight [``unit`` packets]."""
    return _flow_curve(flow, flow.in_flight / unit, look)


def pacing_curve(flow: FlowTrace, look: Look, unit: float) -> Curve:
    """Return the pacing rate [``unit`` bit/s], with a gap where nothing is paced."""
    paced = flow.pacing_rate_bps >= 0
    return _flow_curve(flow, np.where(paced, flow.pacing_rate_bps / unit, np.nan), look)


def _flow_curve(flow: FlowTrace, y: Floats, look: Look) -> Curve:
    alive = slice(0, int(np.searchsorted(flow.t_ns, last_sample_ns(flow), side="right")))
    return trace_curve(flow.t_ns[alive], y[alive], look)


def sum_curve(group: Group, bin_ns: int, duration_ns: int, unit: float) -> Curve:
    """Return the group's joint rate in each bin [``unit`` bit/s]; a gap where no flow runs."""
    flows = [flow for flow in group.flows if len(flow.t_ns)]
    if not flows or duration_ns <= 0:
        return Curve(np.zeros(0), np.zeros(0), group.look)
    binned = [bin_delivered(f.t_ns, carried_bytes(f), bin_ns, 0, duration_ns) for f in flows]
    edges = binned[0][0]  # the same for all: they depend on the span alone
    centres = (edges[:-1] + edges[1:]) // 2
    counts = np.array([_counts(flow, group.implementation, centres) for flow in flows])
    total = np.where(counts, np.array([delivered for _, delivered in binned]), 0.0).sum(axis=0)
    rate = total * 8 / (np.diff(edges) / 1e9) / unit
    return Curve(centres / 1e9, np.where(counts.any(axis=0), rate, np.nan), group.look)


def spread_curve(group: Group, column: str, grid_ns: Column, unit: float) -> Curve:
    """Return the median over the group's running flows, and their 10th to 90th percentiles.

    ``column`` names a `FlowTrace` column; zeros (no measurement yet) do not count.
    """
    rows = np.full((max(len(group.flows), 1), len(grid_ns)), np.nan)
    for row, flow in zip(rows, group.flows, strict=False):
        values = on_grid(flow.t_ns, getattr(flow, column), grid_ns, last_sample_ns(flow))
        row[:] = np.where(
            _counts(flow, group.implementation, grid_ns) & (values > 0), values, np.nan
        )
    low, median, high = (q / unit for q in percentiles(rows, (0.1, 0.5, 0.9)))
    return Curve(grid_ns / 1e9, median, group.look, low, high)


def _counts(flow: FlowTrace, implementation: str | None, at_ns: Column) -> NDArray[np.bool_]:
    """Return at which times the flow runs and is served by the implementation (None: by any)."""
    running = (at_ns >= flow.start_ns) & (at_ns <= last_sample_ns(flow))
    if implementation is None:
        return running
    if implementation not in flow.implementations:
        return np.zeros(len(at_ns), dtype=bool)
    index = flow.implementations.index(implementation)
    served = on_grid(flow.t_ns, flow.implementation, at_ns, last_sample_ns(flow))
    return running & (served == index)


def served_by(flow: FlowTrace) -> Sequence[str]:
    """Return the implementations that served the flow, in order; ``congestion`` if unsampled."""
    if not len(flow.implementation):
        return (flow.congestion,)
    changes = np.flatnonzero(np.diff(flow.implementation)) + 1
    return [flow.implementations[flow.implementation[i]] for i in (0, *changes)]
