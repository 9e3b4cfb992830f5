"""What the pictures of recordings show: times [s] and values of both sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccsim.verify.compare import Comparison

if TYPE_CHECKING:
    from ccsim.verify.metrics import TraceMetrics

__all__ = ["episode_panels", "trace_panels"]

Floats = NDArray[np.floating[Any]]
Panel = tuple[str, tuple[Floats, Floats], tuple[Floats, Floats]]
INFINITE = 0x7FFFFFFF


def episode_panels(outcome: Comparison) -> list[Panel]:
    """Return cwnd, ssthresh, state and packets sent over time."""
    both = (outcome.episode.states, outcome.replay.states)
    labels = ("ca_state", "snd_cwnd (packets)", "ssthresh (packets)")
    panels = [(label, _column(both[0], k), _column(both[1], k)) for k, label in enumerate(labels)]
    sends = (outcome.episode.transmissions, outcome.replay.transmissions)
    numbers = [_points((packet.t_ns, packet.orig) for packet in packets) for packets in sends]
    return [panels[1], panels[2], panels[0], ("packet sent", numbers[0], numbers[1])]


def _column(states: Iterable[tuple[str, int, int, int, int]], k: int) -> tuple[Floats, Floats]:
    return _points((row[1], row[2:][k]) for row in states)


def _points(pairs: Iterable[tuple[int, int]]) -> tuple[Floats, Floats]:
    array = np.array(list(pairs), dtype=np.float64).reshape(-1, 2)
    values = np.where(array[:, 1] == INFINITE, np.nan, array[:, 1])
    return array[:, 0] / 1e9, values


def trace_panels(outcome: TraceMetrics) -> list[Panel]:
    """Return cwnd and smoothed RTT of every flow over time."""
    panels: list[Panel] = []
    for recorded, flow in zip(outcome.trace.flows, outcome.result.flows, strict=True):
        there, here = recorded.t_ns / 1e9, flow.t_ns / 1e9
        name = flow.name
        cwnd = (there, recorded.snd_cwnd.astype(np.float64)), (here, flow.snd_cwnd * 1.0)
        srtt = (there, recorded.srtt_us * 1e-3), (here, flow.srtt_us * 1e-3)
        panels.append((f"{name} cwnd (packets)", *cwnd))
        panels.append((f"{name} srtt (ms)", *srtt))
    return panels
