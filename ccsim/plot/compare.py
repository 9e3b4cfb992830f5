"""The picture of several runs overlaid: one colour a run, a line style a flow if few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ccsim.plot.curves import (
    Group,
    cwnd_curve,
    srtt_curve,
    throughput_curve,
    trace_curve,
)
from ccsim.plot.picture import LegendEntry, Mark, Panel, Picture
from ccsim.plot.run import group_panels, limit_entry
from ccsim.plot.style import GREY, flow_look, shorten
from ccsim.plot.view import PlottableRun, View, swap_marks, view_of
from ccsim.plot.workloads import has_workloads, rollout_marks, workload_comparison

__all__ = ["FEW_FLOWS", "comparison_picture"]

NEAR_S = 0.02
FEW_FLOWS = 3  # flows a run whose line styles can be told apart in one colour


def comparison_picture(runs: Sequence[PlottableRun], labels: Sequence[str]) -> Picture:
    """Return the panels of `run_picture` with every run in them, without ssthresh and drops.

    Raises ValueError when there are no runs and when ``labels`` are not one for each run.
    """
    if not runs:
        raise ValueError("plot: runs: expected at least one run to compare, got none")
    if len(labels) != len(runs):
        raise ValueError(f"plot: labels: expected {len(runs)}, one a run, got {len(labels)}")
    view = view_of(runs)
    panels, entries = _panels(runs, labels, view)
    return Picture(
        title="Comparison",
        duration_s=view.duration_ns / 1e9,
        panels=tuple(panels),
        legend=tuple(entries),
        marks=_marks(runs, labels),
    )


def _panels(
    runs: Sequence[PlottableRun], labels: Sequence[str], view: View
) -> tuple[list[Panel], list[LegendEntry]]:
    """Return what is drawn of the runs: connections by number, flows as groups or one by one."""
    if any(has_workloads(run.result) for run in runs):
        return workload_comparison(runs, labels, view)
    flows = max(len(run.result.flows) for run in runs)
    panels, entries = (_as_groups if flows > FEW_FLOWS else _flow_by_flow)(runs, labels, view)
    queue = _queue_panel(runs, view, styles=flows <= 1 or flows > FEW_FLOWS)
    return [*panels, queue], [*entries, *limit_entry(view)]


def _marks(runs: Sequence[PlottableRun], labels: Sequence[str]) -> tuple[Mark, ...]:
    """Return the marks of all runs; one that not all have in common names its run."""
    found = _aligned(
        [(rollout_marks if has_workloads(run.result) else swap_marks)(run.result) for run in runs]
    )
    common = set(found[0]).intersection(*found[1:])
    own = [
        replace(mark, label=f"{shorten(label)}: {mark.label}")
        for marks, label in zip(found, labels, strict=True)
        for mark in marks
        if mark not in common
    ]
    return tuple(sorted([*common, *own], key=lambda mark: (mark.t_s, mark.label)))


def _aligned(found: Sequence[Sequence[Mark]]) -> list[list[Mark]]:
    """Return the marks with those of one label and almost one time at the time of the first: a swap
    on a kernel is some microseconds late."""
    first: list[Mark] = []
    aligned = []
    for marks in found:
        row = []
        for mark in marks:
            near = (m for m in first if m.label == mark.label and abs(m.t_s - mark.t_s) < NEAR_S)
            same = next(near, None)
            if same is None:
                first.append(mark)
            row.append(same or mark)
        aligned.append(row)
    return aligned


def _flow_by_flow(
    runs: Sequence[PlottableRun], labels: Sequence[str], view: View
) -> tuple[list[Panel], list[LegendEntry]]:
    """Return panels with a line a flow; if a run has several, line styles tell flows apart."""
    several = max(len(run.result.flows) for run in runs) > 1
    lines = [
        (flow, flow_look(i, j if several else i))
        for i, run in enumerate(runs)
        for j, flow in enumerate(run.result.flows)
    ]
    panels = [
        view.throughput([throughput_curve(f, k, view.bin_ns, view.rate.size) for f, k in lines]),
        view.cwnd([cwnd_curve(f, look, view.packets.size) for f, look in lines]),
        view.rtt_panel([srtt_curve(f, look, view.rtt.size) for f, look in lines]),
    ]
    entries = [(flow_look(i, 0 if several else i), shorten(n)) for i, n in enumerate(labels)]
    if several:
        grey = flow_look(0).but(colour=GREY)
        names = _flow_names(runs)
        entries += [(grey.but(dashes=flow_look(0, j).dashes), n) for j, n in enumerate(names)]
    return panels, entries


def _flow_names(runs: Sequence[PlottableRun]) -> list[str]:
    """Return names for the j-th flows of all runs: their own if runs agree on all, else numbers."""
    most = max(len(run.result.flows) for run in runs)
    found = [
        {run.result.flows[j].name for run in runs if len(run.result.flows) > j} for j in range(most)
    ]
    if all(len(names) == 1 for names in found):
        return [shorten(names.pop()) for names in found]
    return [f"flow {j + 1}" for j in range(most)]


def _as_groups(
    runs: Sequence[PlottableRun], labels: Sequence[str], view: View
) -> tuple[list[Panel], list[LegendEntry]]:
    """Return panels with one line a run: the sum of its flows' rates, the spread of the others."""
    groups = [
        Group(shorten(label), flow_look(i), run.result.flows)
        for i, (run, label) in enumerate(zip(runs, labels, strict=True))
    ]
    return group_panels(groups, view), [(group.look, group.label) for group in groups]


def _queue_panel(runs: Sequence[PlottableRun], view: View, *, styles: bool) -> Panel:
    """Return the queue panel; line styles tell runs apart unless they stand for flows elsewhere."""
    curves = [
        trace_curve(
            link.t_ns,
            link.queue_packets / view.queue_unit.size,
            flow_look(i, i if styles else 0),
        )
        for i, run in enumerate(runs)
        for link in run.result.links[:1]
    ]
    return view.queue(curves)
