"""The picture of many connections that come and go: who served how many, and how long they took.

Lines of a thousand connections cannot be told apart; what can be seen is the sum of their rates,
their number, and a dot for each completion, in the colour of what served it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.connections import (
    binned,
    completed,
    count_curve,
    first_served,
    implementations,
    named_flows,
    quantile_curve,
    rates,
    spans_of,
)
from ccsim.plot.curves import throughput_curve
from ccsim.plot.hops import hop_panels
from ccsim.plot.picture import Curve, LegendEntry, Mark, Panel, Picture, Points, y_range
from ccsim.plot.reduce import bin_width_ns
from ccsim.plot.run import flow_label, flow_panels, limit_entry, link_panel, marking_entries
from ccsim.plot.style import GREY, LIMIT, SWAP, TWIN_A, Look, flow_look, shorten
from ccsim.plot.units import time_text
from ccsim.plot.view import PlottableRun, View, run_name, swap_marks, view_of
from ccsim.sim.implementation_history import servants
from ccsim.sim.traces import FlowTrace, SimResult

__all__ = ["has_workloads", "rollout_marks", "workload_comparison", "workload_picture"]

RATE_BINS = 150  # over the run, at most
DOT = 1.1  # diameter [pt]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def has_workloads(result: SimResult) -> bool:
    """Report whether a run has connections that come and go."""
    return result.completions is not None


def workload_picture(run: PlottableRun) -> Picture:
    """Return throughput and number of connections by implementation, slowdowns, and the queue.

    Flows beside the workloads keep their own lines, and their panels of cwnd and RTT.
    """
    view, result = _coarse(view_of([run])), run.result
    drawn = [(flow, flow_look(i)) for i, flow in enumerate(named_flows(result))]
    names = implementations(result)
    looks = {name: flow_look(len(drawn) + i) for i, name in enumerate(names)}
    queue, drop_entries = link_panel(result, view)
    panels = [_throughput(result, drawn, looks, view)] if drawn or result.groups else []
    panels += flow_panels(drawn, view) if drawn else []
    if len(first_served(result)) > 1 or sum(first_served(result).values()) > 1:
        panels.append(_connections(result, looks))
    slowdowns = _slowdowns(run, looks, view)
    panels += [slowdowns, queue] if slowdowns else [queue]
    panels += hop_panels(result, view)
    legend = [(look, flow_label(flow)) for flow, look in drawn]
    legend += _connection_entries(result, looks)
    if slowdowns and _quantiles_of(run.twin_a, view) is not None:
        legend.append((TWIN_A, "A: never swapped"))
    limits = limit_entry(view) if drawn else [(LIMIT, "capacity, buffer"), *marking_entries(view)]
    return Picture(
        title=run_name(run),
        duration_s=view.duration_ns / 1e9,
        panels=tuple(panels),
        legend=(*legend, *limits, *drop_entries),
        marks=rollout_marks(result),
    )


def _connection_entries(result: SimResult, looks: dict[str, Look]) -> list[LegendEntry]:
    """Return an entry for each implementation: how many connections began on it, if any."""
    began = first_served(result)
    names = [*began, *(name for name in looks if name not in began)]
    return [(looks[name], _connections_on(name, began.get(name, 0))) for name in names]


def _connections_on(name: str, count: int) -> str:
    plural = "" if count == 1 else "s"
    return f"{shorten(name)} ({count} connection{plural})" if count else shorten(name)


def _coarse(view: View) -> View:
    """Return the view with bins so wide that the sum of short connections is a line, not a fur."""
    return replace(view, bin_ns=bin_width_ns(view.duration_ns, view.duration_ns // RATE_BINS, 1))


def rollout_marks(result: SimResult) -> tuple[Mark, ...]:
    """Return the marks of swaps, and where the last connection left what one of them replaced."""
    marks = (*swap_marks(result), *_last_closed(result))
    return tuple(sorted(marks, key=lambda mark: mark.t_s))


def _last_closed(result: SimResult) -> list[Mark]:
    """Return where the last connection left what a link update or reregistration replaced."""
    marks = []
    for swap in result.swaps:
        spans = [span for flow in result.flows for span in spans_of(flow, swap.old, result)]
        ends = [end for start, end in spans if start < swap.t_ns < end]
        if swap.via in ("link_update", "reregister", "staged") and not swap.errno and ends:
            last = max(ends)
            if last < result.duration_ns:
                marks.append(
                    Mark(round(last / 1e9, 3), f"last on {shorten(swap.old)} closed", SWAP)
                )
    return marks


# --- panels ---


def _throughput(
    result: SimResult, drawn: Sequence[tuple[FlowTrace, Look]], looks: dict[str, Look], view: View
) -> Panel:
    curves = [throughput_curve(flow, look, view.bin_ns, view.rate.size) for flow, look in drawn]
    curves += [
        _rate_curve(t_ns, bps, looks[name], view)
        for name, t_ns, bps in rates(result)
        if name in looks
    ]
    return view.throughput(curves, f"{'sum, ' * (not drawn)}{time_text(view.bin_ns)} bins")


def _rate_curve(t_ns: Ints, rate_bps: Ints, look: Look | None, view: View) -> Curve:
    """Return the mean rate in each bin; none before the first and after the last traffic."""
    centres, mean = binned(t_ns, rate_bps / view.rate.size, view)
    busy = np.flatnonzero(mean)
    part = slice(busy[0], busy[-1] + 2) if len(busy) else slice(0, 0)
    return Curve(centres[part], mean[part], look or Look())


def _connections(result: SimResult, looks: dict[str, Look]) -> Panel:
    curves = [
        curve for name, look in looks.items() if len((curve := count_curve(result, name, look)).y)
    ]
    return _number_panel(curves)


def _number_panel(curves: Sequence[Curve]) -> Panel:
    y = y_range(curves, (), headroom=1.08)
    return Panel("Connections", "", tuple(curves), (), y, integer=True, key="connections")


def _slowdowns(run: PlottableRun, looks: dict[str, Look], view: View) -> Panel | None:
    """Return a dot for each completion by its start, and quantiles; None without completions."""
    found = run.result.completions
    if found is None or not (found.end_ns >= 0).any():
        return None
    served = servants(run.result)
    points, curves = [], []
    for name in looks:
        own = (served == name) & (found.end_ns >= 0)
        start_s, slowdown = completed(run.result, own)
        if len(start_s):
            points.append(Points(start_s, slowdown, looks[name].but(width=DOT, alpha=0.35)))
            curves.append(quantile_curve(start_s, slowdown, looks[name], view))
    if (beside := _quantiles_of(run.twin_a, view)) is not None:
        curves.insert(0, beside)
    return _slowdown_panel(points, curves)


def _slowdown_panel(points: Sequence[Points], curves: Sequence[Curve]) -> Panel:
    shown = [point.y for point in points] or [curve.y[np.isfinite(curve.y)] for curve in curves]
    top = max((float(values.max()) for values in shown if len(values)), default=1.0)
    note = "lines: 90th perc." if points else "90th percentile"
    y, dots = (0.9, 1.3 * top), tuple(points)
    return Panel("Slowdown", note, tuple(curves), (), y, points=dots, log=True, key="slowdown")


def _quantiles_of(twin: SimResult | None, view: View) -> Curve | None:
    if twin is None or twin.completions is None:
        return None
    start_s, slowdown = completed(twin, twin.completions.end_ns >= 0)
    return quantile_curve(start_s, slowdown, TWIN_A, view)


# --- several runs ---


def workload_comparison(
    runs: Sequence[PlottableRun], labels: Sequence[str], view: View
) -> tuple[list[Panel], list[LegendEntry]]:
    """Return panels with a colour a run and a line style an implementation: rates, numbers of
    connections, quantiles of slowdowns, mean queues; and their legend."""
    view = _coarse(view)
    names = list(dict.fromkeys(name for run in runs for name in _plain(run.result)))
    rates, counts, quantiles, queues = [], [], [], []
    for i, run in enumerate(runs):
        result, look = run.result, flow_look(i, 0)
        if result.groups:
            total = np.sum([group.throughput_bps for group in result.groups], axis=0)
            rates.append(_rate_curve(result.groups[0].t_ns, total, look, view))
        counts += [count_curve(result, name, flow_look(i, j)) for j, name in enumerate(names)]
        if result.completions is not None:
            done = completed(result, result.completions.end_ns >= 0)
            quantiles.append(quantile_curve(*done, look, view))
        queues += [
            Curve(*binned(link.t_ns, link.queue_packets / view.queue_unit.size, view), look)
            for link in result.links[:1]
        ]
    counts = [curve for curve in counts if len(curve.y)]
    bins = f"{time_text(view.bin_ns)} bins"
    panels = [
        view.throughput(rates, f"sum, {bins}"),
        _number_panel(counts),
        _slowdown_panel((), quantiles),
        replace(view.queue(queues), note=f"mean, {bins}"),
    ]
    entries: list[LegendEntry] = [(flow_look(i, 0), shorten(n)) for i, n in enumerate(labels)]
    grey = flow_look(0).but(colour=GREY)
    entries += [
        (grey.but(dashes=flow_look(0, j).dashes), shorten(name)) for j, name in enumerate(names)
    ]
    return panels, [*entries, (LIMIT, "capacity, buffer")]


def _plain(result: SimResult) -> list[str]:
    """Return the implementations that served connections, without pairs."""
    return [name for name in implementations(result) if " → " not in name]
