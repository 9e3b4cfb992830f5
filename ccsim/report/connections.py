"""Connections that come and go, in the page's lines: by implementation, what they carried, how many
there were, their mean RTT, and how much slower than alone they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.connections import (
    completed,
    count_curve,
    first_served,
    implementations,
    quantile_curve,
    rates,
)
from ccsim.plot.style import COLOURS, Look, shorten
from ccsim.plot.view import View
from ccsim.report.numbers import count
from ccsim.report.trace_lines import Line, bin_ns
from ccsim.sim.implementation_history import servants
from ccsim.sim.traces import SimResult

__all__ = ["connection_lines", "slowdown_line"]

Ints = NDArray[np.int64]


def connection_lines(
    result: SimResult, view: View, entry: Callable[..., int], first: int
) -> Iterator[Line]:
    """Yield the lines of each implementation, whose colours begin with the number ``first``.

    ``entry`` adds a legend entry (label, look) and returns its number.
    """
    began = first_served(result)
    names = implementations(result)
    looks = {name: f"c{(first + i) % len(COLOURS)}" for i, name in enumerate(names)}
    needs = {name: (entry(_label(name, began.get(name, 0)), looks[name]),) for name in names}
    by_name = {group.implementation: group for group in result.groups}
    for name, t_ns, bps in rates(result):
        if name in needs and len(t_ns):
            own = (shorten(name), looks[name], "", needs[name])
            yield Line("throughput", *own, *_binned(t_ns, bps, bin_ns(view)))
            srtt = np.where(by_name[name].srtt_us > 0, by_name[name].srtt_us, np.nan)
            if first == 0 and np.isfinite(srtt).any():
                yield Line("rtt", *own, t_ns, srtt)
    several = sum(began.values()) > 1
    for name in names:
        own = (shorten(name), looks[name], "", needs[name])
        steps = count_curve(result, name, Look())
        if several and len(steps.y):
            yield Line("connections", *own, steps.t_s * 1e9, steps.y)
        yield from _slowdowns(result, name, view, looks[name], needs[name])


def _label(name: str, began: int) -> str:
    return f"{shorten(name)} ({count(began, 'connection')})" if began else shorten(name)


def _slowdowns(
    result: SimResult, name: str, view: View, look: str, needs: tuple[int, ...]
) -> Iterator[Line]:
    """Yield a dot for each completion at its start, and the 90th percentile of each stretch."""
    found = result.completions
    if found is None:
        return
    own = (servants(result) == name) & (found.end_ns >= 0)
    start_s, slowdown = completed(result, own)
    if len(start_s):
        yield Line("slowdown", shorten(name), look, "", needs, start_s * 1e9, slowdown, dots=True)
        line = quantile_curve(start_s, slowdown, Look(), view)
        if np.isfinite(line.y).any():
            label = f"{shorten(name)}, 90th percentile"
            yield Line("slowdown", label, look, "", needs, line.t_s * 1e9, line.y)


def slowdown_line(
    twin: SimResult, view: View, look: tuple[str, str], needs: tuple[int, ...]
) -> Iterator[Line]:
    """Yield the 90th percentile of a twin's slowdowns; ``look`` is colour and dashes."""
    if twin.completions is None:
        return
    line = quantile_curve(*completed(twin, twin.completions.end_ns >= 0), Look(), view)
    if np.isfinite(line.y).any():
        label = "never swapped, 90th percentile"
        yield Line("slowdown", label, *look, needs, line.t_s * 1e9, line.y)


def _binned(t_ns: Ints, bps: Ints, bin_ns: int) -> tuple[Ints, NDArray[np.float64]]:
    """Return the edges of bins and the mean rate in each, from rates since the sample before."""
    interval = int(t_ns[1] - t_ns[0]) if len(t_ns) > 1 else max(int(t_ns[0]), 1)
    many = max(bin_ns // interval, 1)
    gained = bps[1:] if t_ns[0] == 0 else bps  # a sample at 0 stands for no time
    first = np.arange(0, len(gained), many)
    ends = np.append(first[1:], len(gained))
    sums = np.add.reduceat(gained.astype(np.float64), first) if len(gained) else np.zeros(0)
    start = int(t_ns[0]) if t_ns[0] == 0 else int(t_ns[0]) - interval
    edges = start + np.append(first, len(gained)) * interval
    return edges.astype(np.int64), sums / np.maximum(ends - first, 1)
