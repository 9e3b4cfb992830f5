"""Stretches of a flow's life under one implementation, within one phase, with exact counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ccsim.experiment.metrics import counted
from ccsim.sim.implementation_history import history
from ccsim.sim.traces import FlowTrace, SimResult

__all__ = ["Stretch", "Tally", "stretches_of"]

Column = NDArray[np.int64]
Span = tuple[int, int]
"""[t0, t1) in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one implementation did for one flow in ``[t0_ns, t1_ns)`` of a phase.

    Drops and marks count where a packet reached the queue, resends where it left: the last stretch
    of a flow in a phase has what the queue did with its packets after its end.
    """

    phase: int
    t0_ns: int
    t1_ns: int
    implementation: str
    delivered_bytes: float
    retransmissions: int
    drops: int
    marks: int


class Tally:
    """When the packets of each flow were dropped, and marked, at all links."""

    def __init__(self, result: SimResult) -> None:
        self._drops = _by_flow([(link.drop_flow, link.drop_t_ns) for link in result.links])
        self._marks = _by_flow([(link.mark_flow, link.mark_t_ns) for link in result.links])

    def drops(self, flow: int, t0_ns: int, t1_ns: int) -> int:
        """Return the packets of flow number ``flow`` dropped or lost in ``[t0, t1)``."""
        return _within(self._drops.get(flow), t0_ns, t1_ns)

    def marks(self, flow: int, t0_ns: int, t1_ns: int) -> int:
        """Return the packets of flow number ``flow`` marked with CE in ``[t0, t1)``."""
        return _within(self._marks.get(flow), t0_ns, t1_ns)


def _by_flow(logs: Sequence[tuple[Column, Column]]) -> dict[int, Column]:
    empty = np.empty(0, dtype=np.int64)
    flows = np.concatenate([empty, *(flow for flow, _ in logs)])
    times = np.concatenate([empty, *(t_ns for _, t_ns in logs)])
    order = np.lexsort((times, flows))
    flows, times = flows[order], times[order]
    names, starts = np.unique(flows, return_index=True)
    return dict(zip(names.tolist(), np.split(times, starts[1:]), strict=True)) if len(times) else {}


def _within(times: Column | None, t0_ns: int, t1_ns: int) -> int:
    if times is None:
        return 0
    low, high = np.searchsorted(times, [t0_ns, t1_ns])
    return int(high - low)


def stretches_of(
    flow: FlowTrace, index: int, spans: Sequence[Span], tally: Tally
) -> Iterator[Stretch]:
    """Yield the stretches of flow number ``index`` in order: for each phase in which it lived, one
    for each implementation that served it there."""
    for phase, span in enumerate(spans):
        start, end = _lived(flow, span)
        if start >= end:
            continue
        borders = [start, *(t_ns for t_ns, _ in history(flow) if start < t_ns < end), end]
        for k, (t0, t1) in enumerate(pairwise(borders)):
            last = k == len(borders) - 2
            yield _stretch(flow, index, phase, (t0, t1), span[1] if last else t1, tally)


def _lived(flow: FlowTrace, span: Span) -> Span:
    end = span[1] if flow.end_ns is None else min(flow.end_ns, span[1])
    return max(flow.start_ns, span[0]), end


def _stretch(
    flow: FlowTrace, index: int, phase: int, span: Span, until_ns: int, tally: Tally
) -> Stretch:
    """Return the stretch of ``span``, with the counts up to ``until_ns``."""
    before, after = counted(flow, span[0]), counted(flow, until_ns)
    served = [name for t_ns, name in history(flow) if t_ns <= span[0]] or list(flow.implementations)
    return Stretch(
        phase,
        *span,
        served[-1] if served else "",
        after[0] - before[0],
        after[1] - before[1],
        tally.drops(index, span[0], until_ns),
        tally.marks(index, span[0], until_ns),
    )
