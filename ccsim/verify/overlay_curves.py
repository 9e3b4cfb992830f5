"""What the pictures of recordings show: times [s] and values of both sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.qdisc.base import LOST
from ccsim.plot.overlay import OverlayMark, OverlayPanel
from ccsim.units import NS_PER_S
from ccsim.verify.episode_comparison import STATE_NAMES, Comparison

if TYPE_CHECKING:
    from ccsim.verify.trace_comparison import TraceMetrics

__all__ = ["episode_marks", "episode_panels", "trace_marks", "trace_panels"]

Curve = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
INFINITE = 0x7FFFFFFF


def episode_panels(outcome: Comparison) -> list[OverlayPanel]:
    """Return cwnd, ssthresh, state and packets sent over time."""
    episode, replay = outcome.episode, outcome.replay
    both = (episode.states, replay.states)
    state, cwnd, ssthresh = (
        [_column(states, k, episode.end_ns) for states in both] for k in range(3)
    )
    there, here = (
        _points((packet.t_ns, packet.orig) for packet in packets)
        for packets in (episode.transmissions, replay.transmissions)
    )
    return [
        OverlayPanel("snd_cwnd (packets)", cwnd[0], cwnd[1]),
        OverlayPanel("ssthresh (packets)\nnone: infinite", ssthresh[0], ssthresh[1]),
        OverlayPanel("ca_state", state[0], state[1], names=STATE_NAMES),
        OverlayPanel("packet sent (number)", there, here, points=True),
    ]


def episode_marks(outcome: Comparison) -> list[OverlayMark]:
    """Return the swaps of an episode."""
    swaps = outcome.episode.meta["totals"]["swaps"]
    return [(swap["t_us"] / 1e6, f"to {swap['to']}") for swap in swaps]


def _column(states: Iterable[tuple[str, int, int, int, int]], k: int, end_ns: int) -> Curve:
    """Return one of state, cwnd, ssthresh; what held last holds to the end."""
    pairs = [(row[1], row[2:][k]) for row in states]
    return _points([*pairs, (end_ns, pairs[-1][1])] if pairs else pairs)


def _points(pairs: Iterable[tuple[int, int]]) -> Curve:
    array = np.array(list(pairs), dtype=np.float64).reshape(-1, 2)
    values = np.where(array[:, 1] == INFINITE, np.nan, array[:, 1])
    return array[:, 0] / NS_PER_S, values


def trace_panels(outcome: TraceMetrics) -> list[OverlayPanel]:
    """Return cwnd and smoothed RTT of every flow, and the drops so far, over time."""
    panels: list[OverlayPanel] = []
    for recorded, flow in zip(outcome.trace.flows, outcome.result.flows, strict=True):
        there, here = recorded.t_ns / NS_PER_S, flow.t_ns / NS_PER_S
        name = f"{flow.name} ({recorded.congestion})"
        cwnd = (there, recorded.snd_cwnd * 1.0), (here, flow.snd_cwnd * 1.0)
        panels.append(OverlayPanel(f"{name}\ncwnd (packets)", *cwnd))
        srtt = (there, _known(recorded.srtt_us)), (here, _known(flow.srtt_us))
        panels.append(OverlayPanel(f"{name}\nsrtt (ms)", *srtt))
    end_ns = int(outcome.trace.flows[0].t_ns[-1])
    link = outcome.result.links[0]
    overflows = link.drop_t_ns[link.drop_reason != LOST]
    drops = _count(outcome.trace.drops, end_ns), _count(overflows, end_ns)
    return [*panels, OverlayPanel("queue drops so far", *drops)]


def trace_marks(outcome: TraceMetrics) -> list[OverlayMark]:
    """Return the swaps of a recording, the link update among them."""
    meta = outcome.trace.meta
    marks = [(swap.t_ns / NS_PER_S, f"to {swap.to}") for swap in outcome.trace.swaps]
    if "bpf" in meta:
        marks.append((float(meta["bpf"]["link_update_t_s"]), "link update"))
    return sorted(marks)


def _known(srtt_us: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    """Return smoothed RTTs [ms], nothing before the first sample."""
    return np.where(srtt_us > 0, srtt_us * 1e-3, np.nan)


def _count(times: NDArray[np.int64], end_ns: int) -> Curve:
    instants = np.concatenate(([0], np.sort(times), [end_ns])) / NS_PER_S
    counts = np.arange(len(times) + 2, dtype=np.float64)
    counts[-1] -= 1
    return instants, counts
