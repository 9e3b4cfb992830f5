"""The panels of hops: how long packets waited, how many were marked, how queue management stood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.curves import trace_curve
from ccsim.plot.picture import Curve, Panel
from ccsim.plot.style import Look, flow_look
from ccsim.plot.view import View
from ccsim.sim.traces import LinkTrace, SimResult

__all__ = ["hop_panels", "link_look", "marks_per_s", "probability"]


def link_look(index: int) -> Look:
    """Return how the queue of a link is drawn."""
    return flow_look(0, index).but(colour=("#333333", "#8A8A8A")[index % 2], width=0.7)


def hop_panels(result: SimResult, view: View, *, marks: bool = False) -> list[Panel]:
    """Return the panels of what was sampled of hops beside their queues; none without hops.

    ``marks``: that of ECN marks in any case.
    """
    looks = [(link, link_look(i)) for i, link in enumerate(result.links) if link.gauges]
    sojourns = [
        trace_curve(link.t_ns, dict(link.gauges)["sojourn_us"] / view.rtt.size, look)
        for link, look in looks
    ]
    marking = [(link, link_look(i)) for i, link in enumerate(result.links)] if marks else looks
    marked = [_marks(link, look, view) for link, look in marking if marks or len(link.mark_t_ns)]
    chances = [
        trace_curve(link.t_ns, found, look)
        for link, look in looks
        if (found := probability(link)) is not None
    ]
    panels = [view.sojourn(sojourns)] if sojourns else []
    panels += [view.marking(marked)] if marked else []
    return panels + ([view.probability(chances)] if chances else [])


def probability(link: LinkTrace) -> NDArray[np.float64] | None:
    """Return the probability with which a hop's qdisc drops or marks [%], if it has one."""
    found = dict(link.gauges).get("prob_ppm")
    return None if found is None else found / 1e4


def marks_per_s(link: LinkTrace, view: View) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the edges of bins [ns], and how many packets a hop has marked in each [1/s]."""
    edges = np.append(np.arange(0, view.duration_ns, view.bin_ns), view.duration_ns)
    counts = np.diff(np.searchsorted(link.mark_t_ns, edges))
    return edges, counts * 1e9 / np.diff(edges)


def _marks(link: LinkTrace, look: Look, view: View) -> Curve:
    edges, rates = marks_per_s(link, view)
    return Curve(np.repeat(edges, 2)[1:-1] / 1e9, np.repeat(rates, 2), look)
