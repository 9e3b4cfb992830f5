"""Which implementation served a flow, and when: from what the run noted, else from samples."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from ccsim.sim.traces import FlowTrace, SimResult

__all__ = ["history", "servants", "served_at", "serving"]

Story = list[tuple[int, str]]


def history(flow: FlowTrace) -> Story:
    """Return from when on [ns] which implementation served a flow; without notes of the run, to the
    recording interval; empty if nothing is known."""
    if flow.served:
        return [(t_ns, flow.implementations[index]) for t_ns, index in flow.served]
    if not len(flow.implementation):
        return [(flow.start_ns, name) for name in flow.implementations[:1]]
    rows = [0, *(np.flatnonzero(np.diff(flow.implementation)) + 1)]
    names = [flow.implementations[int(flow.implementation[row])] for row in rows]
    times = [flow.start_ns, *(int(flow.t_ns[row]) for row in rows[1:])]
    return list(zip(times, names, strict=True))


def served_at(story: Story, t_ns: int) -> str:
    """Return what served a flow at ``t_ns``; before its start, what served it first; empty if
    nothing is known."""
    row = bisect_right(story, t_ns, key=lambda entry: entry[0]) - 1
    return story[max(row, 0)][1] if story else ""


def serving(story: Story, t0_ns: int, t1_ns: int) -> str:
    """Return what served a flow in ``[t0, t1)``: one name, or those that followed one another as
    ``cubic → bbr``."""
    names = [served_at(story, t0_ns), *(name for t, name in story if t0_ns < t < t1_ns)]
    return " → ".join(name for k, name in enumerate(names) if k == 0 or name != names[k - 1])


def servants(result: SimResult) -> NDArray[np.object_]:
    """Return what served each completion, from its start to its end or that of the run."""
    found = result.completions
    if found is None:
        return np.empty(0, dtype=object)
    stories = [history(flow) for flow in result.flows]
    ends = np.where(found.end_ns < 0, result.duration_ns, found.end_ns)
    rows = zip(found.flow.tolist(), found.start_ns.tolist(), ends.tolist(), strict=True)
    return np.array([serving(stories[k], t0, t1) for k, t0, t1 in rows], dtype=object)
