"""The picture of a run as it is asked for: a part of its time, some panels, a swap's second."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ccsim.plot.options import PlotOptions
from ccsim.plot.picture import LegendEntry, Panel, Picture
from ccsim.plot.run import run_picture
from ccsim.plot.style import GREY, LIMIT, SSTHRESH, Look
from ccsim.plot.view import PlottableRun, swap_instants, view_of
from ccsim.plot.window import cropped, moved
from ccsim.plot.workloads import has_workloads, workload_picture
from ccsim.sim.traces import SimResult

__all__ = ["chosen_picture"]

SECOND = 1_000_000_000
SHORT = 100  # a swap that takes less than this part of the axis cannot be seen on it
ROOM = 10  # and a second that takes more than this part of it can
LEAST_SAMPLES = 20  # in the second
LIMITS = {"capacity": ("throughput", "pacing"), "base RTT": ("rtt",), "buffer": ("queue",)}
BINS = re.compile(r"\d+ (?:s|ms|µs)")


def chosen_picture(run: PlottableRun, options: PlotOptions) -> Picture:
    """Return the picture of a run; ValueError for a span or panels that it does not have."""
    start, end = options.span_ns(run.result.duration_ns)
    picture = _part(run, options, start, end)
    instant = _detail_ns(run.result, options, start, end)
    if instant is None:
        return picture
    begin, stop = max(instant - SECOND // 2, start), min(instant + SECOND // 2, end)
    if begin >= stop:
        got = f"{instant / 1e9:g} s"
        raise ValueError(f"plot: detail: expected an instant within the picture, got {got}")
    beside = _part(run, options, begin, stop, like=(start, end))
    at = any(swap.t_ns == instant for swap in run.result.swaps)
    origin = "swap" if at else f"{instant / 1e9:g} s"
    beside = replace(beside, origin_s=instant / 1e9, origin=origin)
    panels = tuple(_binned_both(*both) for both in zip(picture.panels, beside.panels, strict=False))
    picture = replace(picture, panels=panels + picture.panels[len(panels) :])
    return replace(picture, detail=_on_one_scale(beside, picture))


def _binned_both(panel: Panel, beside: Panel) -> Panel:
    """Return a panel that tells the bins of the one beside it, too, where they are others."""
    found = [BINS.search(one.note) for one in (panel, beside)]
    if panel.note == beside.note or not all(found):
        return panel
    first = "sum; " if panel.note.startswith("sum") else "bins "
    return replace(panel, note=first + ", ".join(one[0] for one in found if one))


def _part(
    run: PlottableRun,
    options: PlotOptions,
    start: int,
    end: int,
    like: tuple[int, int] | None = None,
) -> Picture:
    """Return the picture of a part of a run, in the units of another part."""
    part = _cropped(run, start, end)
    if has_workloads(run.result):
        picture = workload_picture(part)
    else:
        units = None if like is None else view_of([_cropped(run, *like)])
        picture = run_picture(part, options, units)
    title = picture.title if options.title is None else options.title
    panels = _chosen(picture.panels, options.panels)
    legend = _explaining(picture.legend, panels) if options.panels else picture.legend
    return moved(replace(picture, title=title, panels=panels, legend=legend), start / 1e9)


def _cropped(run: PlottableRun, start: int, end: int) -> PlottableRun:
    whole = (start, end) == (0, run.result.duration_ns)
    return run if whole else cropped(run, start, end)


def _chosen(panels: Sequence[Panel], names: Sequence[str]) -> tuple[Panel, ...]:
    """Return the panels of these names, in their order; all where none is named."""
    if not names:
        return tuple(panels)
    known = {panel.key: panel for panel in panels}
    for name in names:
        if name not in known:
            there = ", ".join(known)
            raise ValueError(
                f"plot: panels: expected some of what this run has ({there}), got {name!r}"
            )
    return tuple(known[name] for name in names)


def _explaining(legend: Sequence[LegendEntry], panels: Sequence[Panel]) -> tuple[LegendEntry, ...]:
    """Return the entries of a legend that explain something in these panels."""
    seen: set[Look] = set()
    for panel in panels:
        for things in (panel.curves, panel.limits, panel.rugs, panel.points):
            seen.update(thing.look for thing in things)
    keys = {panel.key for panel in panels}
    limits = ", ".join(name for name, own in LIMITS.items() if keys & set(own))
    grey = any(look.but(colour=GREY) == SSTHRESH for look in seen)
    return tuple(
        (look, limits if look == LIMIT else text)
        for look, text in legend
        if look in seen or (grey and look == SSTHRESH)
    )


def _detail_ns(result: SimResult, options: PlotOptions, start: int, end: int) -> int | None:
    """Return the instant whose second stands beside the picture, if it has one."""
    if not options.detail or options.detail_ns is not None:
        return options.detail_ns if options.detail else None
    span = end - start
    if (
        has_workloads(result)
        or span < SECOND * ROOM
        or _interval_ns(result) * LEAST_SAMPLES > SECOND
    ):
        return None
    for swap in result.swaps:
        instants = swap_instants(result, swap)
        seen = start < instants[0] < end and instants[-1] - instants[0] < span / SHORT
        if seen and swap.flows and not swap.errno and swap.via != "link_update":
            return instants[0]
    return None


def _interval_ns(result: SimResult) -> int:
    steps = [int(np.median(np.diff(flow.t_ns))) for flow in result.flows if len(flow.t_ns) > 1]
    return max(steps, default=SECOND)


def _on_one_scale(detail: Picture, picture: Picture) -> Picture:
    """Return the detail with the y axes of the picture, and without what that says already."""
    scales = {panel.key: panel.y for panel in picture.panels}
    panels = tuple(
        replace(panel, y=scales[panel.key], label="", note="")
        for panel in detail.panels
        if panel.key in scales
    )
    return replace(detail, panels=panels, legend=(), title="")
