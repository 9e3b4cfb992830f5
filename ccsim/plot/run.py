"""The picture of one run: its flows one by one, or grouped by implementation when they are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ccsim.net.qdisc.base import LOST
from ccsim.plot.curves import (
    PIXELS,
    Group,
    cwnd_curve,
    inflight_curve,
    pacing_curve,
    served_by,
    spread_curve,
    srtt_curve,
    ssthresh_curve,
    sum_curve,
    throughput_curve,
    trace_curve,
)
from ccsim.plot.hops import hop_panels, link_look
from ccsim.plot.options import PlotOptions
from ccsim.plot.picture import LegendEntry, Panel, Picture, Rug
from ccsim.plot.probes import probe_panels
from ccsim.plot.reduce import occupied_bins
from ccsim.plot.style import (
    CAPACITY,
    DROP,
    LIMIT,
    MARK,
    MARKING,
    RANDOM_LOSS,
    SSTHRESH,
    TWIN_A,
    TWIN_B,
    Look,
    flow_look,
    shorten,
)
from ccsim.plot.units import time_text
from ccsim.plot.view import PlottableRun, View, run_name, swap_marks, view_of
from ccsim.sim.traces import FlowTrace, LinkTrace, SimResult

__all__ = [
    "MANY_FLOWS",
    "flow_label",
    "flow_panels",
    "group_panels",
    "limit_entry",
    "link_panel",
    "marking_entries",
    "run_picture",
]

MANY_FLOWS = 8  # above it, lines and legend entries of single flows cannot be told apart
FEW_FLOWS = 2  # up to which there is room for the neighbours' twins
RUG_BINS = PIXELS // 3


def run_picture(
    run: PlottableRun, options: PlotOptions | None = None, like: View | None = None
) -> Picture:
    """Return the panels of one run: throughput, cwnd with ssthresh, RTT, queue with drops, and what
    was sampled of hops; or those that ``options`` name. ``like`` is a view with the same units."""
    options = options or PlotOptions()
    view = view_of([run])
    if like is not None:
        view = replace(view, rate=like.rate, packets=like.packets, rtt=like.rtt)
    result = run.result
    draw = _grouped if len(result.flows) > MANY_FLOWS else _one_by_one
    panels, legend = draw(run, view, options)
    queue, drop_entries = link_panel(result, view)
    probes, probe_entries = probe_panels(result, view)
    hops = hop_panels(result, view, marks="marks" in options.panels)
    return Picture(
        title=run_name(run),
        duration_s=view.duration_ns / 1e9,
        panels=(*panels, queue, *hops, *probes),
        legend=(*legend, *limit_entry(view), *drop_entries, *probe_entries),
        marks=swap_marks(result),
    )


def _one_by_one(
    run: PlottableRun, view: View, options: PlotOptions
) -> tuple[list[Panel], list[LegendEntry]]:
    flows = run.result.flows
    looks = [flow_look(i) for i in range(len(flows))]
    drawn = [pair for pair in zip(flows, looks, strict=True) if _runs(pair[0], run.result)]
    twins = _twin_flows(run, options)
    both = drawn if options.twins == "auto" else [*((f, look) for f, look, _ in twins), *drawn]
    rates = [(f, look) for f, look, _ in twins] + drawn
    thresholds = [
        ssthresh_curve(f, SSTHRESH.but(colour=look.colour), view.packets.size) for f, look in drawn
    ]
    thresholds = [curve for curve in thresholds if len(curve.extremes())]
    panels = [
        view.throughput([throughput_curve(f, k, view.bin_ns, view.rate.size) for f, k in rates]),
        view.cwnd([cwnd_curve(f, look, view.packets.size) for f, look in both], thresholds),
        view.rtt_panel([srtt_curve(f, look, view.rtt.size) for f, look in both]),
        *_asked_panels(both, view, options),
    ]
    legend = [(look, flow_label(flow)) for flow, look in drawn]
    if thresholds:
        legend.append((SSTHRESH if len(thresholds) > 1 else thresholds[0].look, "ssthresh"))
    legend += dict.fromkeys((look, label) for _, look, label in twins)
    return panels, legend


def _asked_panels(
    drawn: Sequence[tuple[FlowTrace, Look]], view: View, options: PlotOptions
) -> list[Panel]:
    """Return the panels of flows that are drawn only where they are asked for."""
    panels = []
    if "inflight" in options.panels:
        curves = [inflight_curve(f, look, view.packets.size) for f, look in drawn]
        panels.append(view.inflight(curves))
    if "pacing" in options.panels:
        panels.append(view.pacing([pacing_curve(f, k, view.rate.size) for f, k in drawn]))
    return panels


def _runs(flow: FlowTrace, result: SimResult) -> bool:
    """Report whether a flow runs within the picture's time, which may be a part of the run's."""
    return flow.start_ns <= result.duration_ns and (flow.end_ns is None or flow.end_ns >= 0)


def flow_panels(drawn: Sequence[tuple[FlowTrace, Look]], view: View) -> list[Panel]:
    """Return the cwnd and RTT panels of flows, without ssthresh."""
    return [
        view.cwnd([cwnd_curve(flow, look, view.packets.size) for flow, look in drawn]),
        view.rtt_panel([srtt_curve(flow, look, view.rtt.size) for flow, look in drawn]),
    ]


def flow_label(flow: FlowTrace) -> str:
    """Return ``bulk (cubic → bbr)``: the flow's name and what served it, first and last if many."""
    story = [shorten(name) for name in served_by(flow)]
    if len(story) > 3:
        story = [story[0], "…", story[-1]]
    return f"{shorten(flow.name)} ({' → '.join(story)})"


def _twin_flows(run: PlottableRun, options: PlotOptions) -> list[tuple[FlowTrace, Look, str]]:
    """Return the twins' flows with look and label, if exactly one flow was swapped: for more there
    is no room unless they are asked for.

    The A-twin of a few flows shows the neighbours too: what they have lost is the gap to it.
    """
    flows = run.result.flows
    swapped = {name for swap in run.result.swaps for name in swap.flows}
    if options.twins == "none" or (options.twins == "auto" and len(swapped) != 1):
        return []
    beside = {flow.name for flow in flows} if len(flows) <= FEW_FLOWS else swapped
    found = []
    for which, twin, look, label, names in (
        ("a", run.twin_a, TWIN_A, "A: never swapped", beside),
        ("b", run.twin_b, TWIN_B, "B: {} from the start", swapped),
    ):
        if options.twins == "auto" or options.asks_for_twin(which):
            found += [
                (flow, look, label.format(shorten(flow.congestion)))
                for flow in (twin.flows if twin else ())
                if flow.name in names
            ]
    return found


def _grouped(
    run: PlottableRun, view: View, options: PlotOptions
) -> tuple[list[Panel], list[LegendEntry]]:
    groups = _implementation_groups(run.result.flows)
    entries = [(group.look, group.label) for group in groups]
    return group_panels(groups, view, options), entries


def group_panels(
    groups: Sequence[Group], view: View, options: PlotOptions | None = None
) -> list[Panel]:
    """Return throughput, cwnd and RTT, a line a group: the sum of rates, the spread of the rest."""
    asked = options.panels if options else ()
    grid_ns = np.linspace(0, view.duration_ns, PIXELS // 2).astype(np.int64)
    rate, packets, rtt = view.rate.size, view.packets.size, view.rtt.size
    spread = "median, 10–90 %"
    panels = [
        view.throughput(
            [sum_curve(g, view.bin_ns, view.duration_ns, rate) for g in groups],
            f"sum, {time_text(view.bin_ns)} bins",
        ),
        view.cwnd([spread_curve(g, "snd_cwnd", grid_ns, packets) for g in groups], note=spread),
        view.rtt_panel([spread_curve(g, "srtt_us", grid_ns, rtt) for g in groups], spread),
    ]
    if "inflight" in asked:
        curves = [spread_curve(g, "in_flight", grid_ns, packets) for g in groups]
        panels.append(view.inflight(curves, spread))
    if "pacing" in asked:
        curves = [spread_curve(g, "pacing_rate_bps", grid_ns, rate) for g in groups]
        panels.append(view.pacing(curves, spread))
    return panels


def _implementation_groups(flows: Sequence[FlowTrace]) -> list[Group]:
    """Return a group for each implementation; a swept flow belongs to one after another."""
    users: dict[str, list[FlowTrace]] = {}
    for flow in flows:
        for name in dict.fromkeys(served_by(flow)):
            users.setdefault(name, []).append(flow)
    return [
        Group(
            f"{shorten(name)} ({len(members)} flow{'s' * (len(members) > 1)})",
            flow_look(i),
            tuple(members),
            name,
        )
        for i, (name, members) in enumerate(users.items())
    ]


def limit_entry(view: View) -> list[LegendEntry]:
    """Return the legend entry of the limit lines, which one look stands for in all panels."""
    names = []
    if view.capacities_bps:
        names.append("capacity")
    if view.steady_rtts_ns:
        names.append("base RTT")
    if view.buffers_packets:
        names.append("buffer")
    limits = [(LIMIT, ", ".join(names))] if names else []
    limits += [(CAPACITY, "capacity, as it changes")] if view.steps else []
    return [*limits, *marking_entries(view)]


def marking_entries(view: View) -> list[LegendEntry]:
    """Return the legend entry of the thresholds at which the queue marks."""
    said = [one.text for one in view.markings]
    return [(MARKING, said[0] if len(said) == 1 else "marking thresholds")] if said else []


def link_panel(result: SimResult, view: View) -> tuple[Panel, list[LegendEntry]]:
    """Return the queue panel, and legend entries for links (if several), drops, random losses."""
    unit = view.queue_unit.size
    links = [(link, link_look(i)) for i, link in enumerate(result.links)]
    curves = [trace_curve(link.t_ns, link.queue_packets / unit, look) for link, look in links]
    several = len(links) > 1
    legend = [(look, f"queue of {shorten(link.name)}") for link, look in links if several]
    rugs = []
    marked = np.concatenate([np.zeros(0, np.int64), *(link.mark_t_ns for link in result.links)])
    if len(marked):
        rugs.append(Rug(occupied_bins(marked, view.duration_ns, RUG_BINS), MARK))
        legend.append((MARK, "ECN mark"))
    for random, look, label in ((0, DROP, "drop"), (1, RANDOM_LOSS, "random loss")):
        lost = _drop_times(result.links, random)
        if len(lost):
            rugs.append(Rug(occupied_bins(lost, view.duration_ns, RUG_BINS), look))
            legend.append((look, label))
    return view.queue(curves, rugs), legend


def _drop_times(links: Sequence[LinkTrace], random: int) -> np.ndarray:
    return np.concatenate(
        [
            np.zeros(0, np.int64),
            *(k.drop_t_ns[(k.drop_reason == LOST) == bool(random)] for k in links),
        ]
    )
