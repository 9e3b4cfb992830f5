"""Which implementation served a flow, and when: from what the run noted, else from samples."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from ccsim.sim.traces import FlowTrace

__all__ = ["history", "served_at", "serving"]

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
    """Return what served a flow from ``t0`` to ``t1``: one name, or those that followed one another
    as ``cubic → bbr``."""
    names = [served_at(story, t0_ns), *(name for t, name in story if t0_ns < t <= t1_ns)]
    return " → ".join(name for k, name in enumerate(names) if k == 0 or name != names[k - 1])
