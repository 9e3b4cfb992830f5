"""The picture of many connections that come and go: who served how many, and how long they took.

Lines of a thousand connections cannot be told apart; what can be seen is the sum of their rates,
their number, and a dot for each completion, in the colour of what served it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.curves import trace_curve
from ccsim.plot.picture import Curve, LegendEntry, Mark, Panel, Picture, Points, y_range
from ccsim.plot.reduce import bin_width_ns
from ccsim.plot.run import link_panel
from ccsim.plot.style import GREY, LIMIT, SWAP, TWIN_A, Look, flow_look, shorten
from ccsim.plot.units import time_text
from ccsim.plot.view import PlottableRun, View, run_name, swap_marks, view_of
from ccsim.sim.served import history, servants
from ccsim.sim.traces import FlowTrace, SimResult

__all__ = ["has_workloads", "rollout_marks", "workload_comparison", "workload_picture"]

RATE_BINS = 150  # over the run, at most
SLOWDOWN_BINS = 30  # over the run
QUANTILE = 90  # per cent: what is slow is what is felt, and a median of short responses is 1
LEAST_IN_BIN = 5  # completions that make a quantile
DOT = 1.1  # diameter [pt]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def has_workloads(result: SimResult) -> bool:
    """Tell whether a run has connections that come and go."""
    return result.completions is not None


def workload_picture(run: PlottableRun) -> Picture:
    """Return throughput and number of connections by implementation, slowdowns, and the queue."""
    view, result = _coarse(view_of([run])), run.result
    names = _implementations(result)
    looks = {name: flow_look(i) for i, name in enumerate(names)}
    queue, drop_entries = link_panel(result, view)
    panels = [_throughput(result, looks, view)] if result.groups else []
    panels.append(_connections(result, looks))
    slowdowns = _slowdowns(run, looks, view)
    panels += [slowdowns, queue] if slowdowns else [queue]
    legend: list[LegendEntry] = [
        (looks[name], f"{shorten(name)} ({count} connections)")
        for name, count in _first_served(result).items()
    ]
    legend += [(looks[name], shorten(name)) for name in names if name not in _first_served(result)]
    if slowdowns and _quantiles_of(run.twin_a, view) is not None:
        legend.append((TWIN_A, "A: never swapped"))
    return Picture(
        title=run_name(run),
        duration_s=view.duration_ns / 1e9,
        panels=tuple(panels),
        legend=(*legend, (LIMIT, "capacity, buffer"), *drop_entries),
        marks=rollout_marks(result),
    )


def _coarse(view: View) -> View:
    """Return the view with bins so wide that the sum of short connections is a line, not a fur."""
    return replace(view, bin_ns=bin_width_ns(view.duration_ns, view.duration_ns // RATE_BINS, 1))


def _implementations(result: SimResult) -> list[str]:
    """Return what served connections, in order of appearance; then pairs that one completion
    saw."""
    stories = _stories(result)
    first = sorted((story[0][0], k) for k, story in enumerate(stories) if story)
    names = dict.fromkeys(name for _, k in first for _, name in stories[k])
    return [*names, *dict.fromkeys(n for n in servants(result).tolist() if n not in names)]


def _stories(result: SimResult) -> list[list[tuple[int, str]]]:
    return [history(flow) for flow in result.flows]


def _first_served(result: SimResult) -> dict[str, int]:
    """Return how many connections began on each implementation."""
    counts: dict[str, int] = {}
    for story in sorted(filter(None, _stories(result))):
        counts[story[0][1]] = counts.get(story[0][1], 0) + 1
    return counts


def rollout_marks(result: SimResult) -> tuple[Mark, ...]:
    """Return the marks of swaps, and where the last connection left what one of them replaced."""
    marks = (*swap_marks(result), *_last_closed(result))
    return tuple(sorted(marks, key=lambda mark: mark.t_s))


def _last_closed(result: SimResult) -> list[Mark]:
    """Return where the last connection left what a link update or reregistration replaced."""
    marks = []
    for swap in result.swaps:
        spans = [span for flow in result.flows for span in _spans(flow, swap.old, result)]
        ends = [end for start, end in spans if start < swap.t_ns < end]
        if swap.via in ("link_update", "reregister", "staged") and not swap.errno and ends:
            last = max(ends)
            if last < result.duration_ns:
                marks.append(
                    Mark(round(last / 1e9, 3), f"last on {shorten(swap.old)} closed", SWAP)
                )
    return marks


def _spans(flow: FlowTrace, implementation: str, result: SimResult) -> list[tuple[int, int]]:
    """Return from when to when [ns] an implementation served a flow."""
    story = history(flow)
    end = result.duration_ns if flow.end_ns is None else flow.end_ns
    times = [*(t for t, _ in story[1:]), end]
    return (
        [(t0, t1) for (t0, name), t1 in zip(story, times, strict=True) if name == implementation]
        if story
        else []
    )


# --- panels ---


def _throughput(result: SimResult, looks: dict[str, Look], view: View) -> Panel:
    curves = [
        _rate_curve(group.t_ns, group.throughput_bps, looks.get(group.implementation), view)
        for group in result.groups
    ]
    return view.throughput(curves, f"sum, {time_text(view.bin_ns)} bins")


def _rate_curve(t_ns: Ints, rate_bps: Ints, look: Look | None, view: View) -> Curve:
    """Return the mean rate in each bin; none before the first and after the last traffic."""
    centres, mean = _binned(t_ns, rate_bps / view.rate.size, view)
    busy = np.flatnonzero(mean)
    part = slice(busy[0], busy[-1] + 2) if len(busy) else slice(0, 0)
    return Curve(centres[part], mean[part], look or Look())


def _binned(t_ns: Ints, values: Floats, view: View) -> tuple[Floats, Floats]:
    """Return the centres of the bins [s], and the mean of the samples in each."""
    if not len(t_ns):
        return np.zeros(0), np.zeros(0)
    bins = t_ns // view.bin_ns
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    mean = np.add.reduceat(values, first) / np.diff(first, append=len(bins))
    return np.asarray((bins[first] + 0.5) * (view.bin_ns / 1e9), dtype=np.float64), mean


def _connections(result: SimResult, looks: dict[str, Look]) -> Panel:
    curves = [
        curve for name, look in looks.items() if len((curve := _count_curve(result, name, look)).y)
    ]
    return Panel("Connections", "", tuple(curves), (), y_range(curves, (), headroom=1.08), (), True)


def _count_curve(result: SimResult, name: str, look: Look) -> Curve:
    """Return how many connections an implementation serves, as steps."""
    spans = [span for flow in result.flows for span in _spans(flow, name, result)]
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


def _slowdowns(run: PlottableRun, looks: dict[str, Look], view: View) -> Panel | None:
    """Return a dot for each completion by its start, and quantiles; None without completions."""
    found = run.result.completions
    if found is None or not (found.end_ns >= 0).any():
        return None
    served = servants(run.result)
    points, curves = [], []
    for name in looks:
        own = (served == name) & (found.end_ns >= 0)
        start_s, slowdown = _completed(run.result, own)
        if len(start_s):
            points.append(Points(start_s, slowdown, looks[name].but(width=DOT, alpha=0.35)))
            curves.append(_quantile_curve(start_s, slowdown, looks[name], view))
    if (beside := _quantiles_of(run.twin_a, view)) is not None:
        curves.insert(0, beside)
    return _slowdown_panel(points, curves)


def _slowdown_panel(points: Sequence[Points], curves: Sequence[Curve]) -> Panel:
    shown = [point.y for point in points] or [curve.y[np.isfinite(curve.y)] for curve in curves]
    top = max((float(values.max()) for values in shown if len(values)), default=1.0)
    note = "lines: 90th perc." if points else "90th percentile"
    return Panel(
        "Slowdown", note, tuple(curves), (), (0.9, 1.3 * top), points=tuple(points), log=True
    )


def _completed(result: SimResult, own: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return starts [s] and slowdowns of completions, in order of time."""
    found = result.completions
    assert found is not None
    order = np.flatnonzero(own)[np.argsort(found.start_ns[own], kind="stable")]
    slowdown = (found.end_ns - found.start_ns)[order] / found.ideal_ns[order]
    return found.start_ns[order] / 1e9, slowdown


def _quantile_curve(start_s: Floats, slowdown: Floats, look: Look, view: View) -> Curve:
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


def _quantiles_of(twin: SimResult | None, view: View) -> Curve | None:
    if twin is None or twin.completions is None:
        return None
    start_s, slowdown = _completed(twin, twin.completions.end_ns >= 0)
    return _quantile_curve(start_s, slowdown, TWIN_A, view)


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
        counts += [_count_curve(result, name, flow_look(i, j)) for j, name in enumerate(names)]
        if result.completions is not None:
            done = _completed(result, result.completions.end_ns >= 0)
            quantiles.append(_quantile_curve(*done, look, view))
        queues += [
            Curve(*_binned(link.t_ns, link.queue_packets / view.queue_unit.size, view), look)
            for link in result.links[:1]
        ]
    counts = [curve for curve in counts if len(curve.y)]
    bins = f"{time_text(view.bin_ns)} bins"
    panels = [
        view.throughput(rates, f"sum, {bins}"),
        Panel("Connections", "", tuple(counts), (), y_range(counts, (), headroom=1.08), (), True),
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
    return [name for name in _implementations(result) if " → " not in name]
