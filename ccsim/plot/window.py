"""A part of a run's time as a run of its own, which begins at 0; and its picture moved back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.plot.picture import Curve, Panel, Picture
from ccsim.plot.view import PlottableRun
from ccsim.sim.traces import (
    Completions,
    Flows,
    FlowTrace,
    GroupTrace,
    LinkTrace,
    SimResult,
    TrafficTrace,
)

__all__ = ["cropped", "moved"]

Ints = NDArray[np.int64]
INSTANTS = ("drop", "mark")  # columns of a link that hold instants, not samples


@dataclass(frozen=True)
class _Part:
    """What pictures need of a part of a run."""

    scenario: Mapping[str, Any]
    result: SimResult
    twin_a: SimResult | None
    twin_b: SimResult | None


def cropped(run: PlottableRun, start_ns: int, end_ns: int) -> PlottableRun:
    """Return what happened between two instants, with times from the first on.

    One sample before and one after stay, so that lines reach the edges. Swaps outside keep their
    (negative or late) times.
    """
    twins = (one and _result(one, start_ns, end_ns) for one in (run.twin_a, run.twin_b))
    return _Part(run.scenario, _result(run.result, start_ns, end_ns), *twins)


def moved(picture: Picture, start_s: float) -> Picture:
    """Return a picture whose time axis begins at ``start_s``, with the marks that lie on it."""
    marks = tuple(
        replace(mark, t_s=mark.t_s + start_s)
        for mark in picture.marks
        if 0 <= mark.t_s <= picture.duration_s
    )
    panels = tuple(_moved_panel(panel, start_s) for panel in picture.panels)
    return replace(picture, start_s=start_s, panels=panels, marks=marks)


def _moved_panel(panel: Panel, start_s: float) -> Panel:
    return replace(
        panel,
        curves=tuple(_moved_curve(curve, start_s) for curve in panel.curves),
        rugs=tuple(replace(rug, t_s=rug.t_s + start_s) for rug in panel.rugs),
        points=tuple(replace(dots, t_s=dots.t_s + start_s) for dots in panel.points),
    )


def _moved_curve(curve: Curve, start_s: float) -> Curve:
    samples = curve.samples and (curve.samples[0] + start_s, curve.samples[1])
    return replace(curve, t_s=curve.t_s + start_s, samples=samples)


def _result(result: SimResult, start_ns: int, end_ns: int) -> SimResult:
    return replace(
        result,
        duration_ns=end_ns - start_ns,
        flows=Flows(_flow(flow, start_ns, end_ns) for flow in result.flows),
        links=tuple(_link(link, start_ns, end_ns) for link in result.links),
        groups=tuple(_group(group, start_ns, end_ns) for group in result.groups),
        events=tuple(
            replace(event, t_ns=event.t_ns - start_ns)
            for event in result.events
            if event.kind == "swap"
        ),
        swaps=tuple(
            replace(
                swap,
                t_ns=swap.t_ns - start_ns,
                outcome_ns=None if swap.outcome_ns is None else swap.outcome_ns - start_ns,
            )
            for swap in result.swaps
        ),
        traffic=tuple(_probe(one, start_ns, end_ns) for one in result.traffic),
        completions=_completions(result.completions, start_ns, end_ns),
    )


def _rows(t_ns: Ints, start_ns: int, end_ns: int) -> slice:
    """Return the samples of a span, with the one before it and the one after."""
    first = max(int(np.searchsorted(t_ns, start_ns, side="right")) - 1, 0)
    last = int(np.searchsorted(t_ns, end_ns)) + 1
    return slice(first, last) if len(t_ns) and t_ns[-1] > start_ns else slice(0, 0)


def _sliced(frame: Any, names: Iterable[str], rows: slice, start_ns: int) -> dict[str, Any]:
    """Return the samples of some rows, with their times from ``start_ns`` on."""
    columns = {name: getattr(frame, name)[rows] for name in names}
    return columns | {"t_ns": columns["t_ns"] - start_ns}


def _flow(flow: FlowTrace, start_ns: int, end_ns: int) -> FlowTrace:
    rows = _rows(flow.t_ns, start_ns, end_ns)
    return replace(
        flow,
        **_sliced(flow, flow.columns(), rows, start_ns),
        start_ns=max(flow.start_ns - start_ns, 0),
        end_ns=None if flow.end_ns is None else flow.end_ns - start_ns,
        served=tuple((t_ns - start_ns, index) for t_ns, index in flow.served),
        meter=None,
        borders=None,
    )


def _group(group: GroupTrace, start_ns: int, end_ns: int) -> GroupTrace:
    rows = _rows(group.t_ns, start_ns, end_ns)
    return replace(group, **_sliced(group, group.columns(), rows, start_ns))


def _link(link: LinkTrace, start_ns: int, end_ns: int) -> LinkTrace:
    rows = _rows(link.t_ns, start_ns, end_ns)
    gauges = dict(link.gauges)
    samples = [name for name in link.columns() if name not in gauges]
    return replace(
        link,
        **_sliced(link, samples, rows, start_ns),
        **_instants(link, start_ns, end_ns),
        gauges=tuple((name, column[rows]) for name, column in gauges.items()),
        rates=_steps(link.rates, start_ns),
        meter=None,
    )


def _instants(link: LinkTrace, start_ns: int, end_ns: int) -> dict[str, Any]:
    """Return the drops and marks of a span."""
    found: dict[str, Any] = {}
    for kind in INSTANTS:
        t_ns = getattr(link, f"{kind}_t_ns")
        rows = (t_ns >= start_ns) & (t_ns <= end_ns)
        found[f"{kind}_t_ns"] = t_ns[rows] - start_ns
        found[f"{kind}_flow"] = getattr(link, f"{kind}_flow")[rows]
        if kind == "drop":
            found["drop_reason"] = link.drop_reason[rows]
    return found


def _probe(one: TrafficTrace, start_ns: int, end_ns: int) -> TrafficTrace:
    """Return the probes that left in a span."""
    found = ((t, rtt) for t, rtt in one.rtts_ns if start_ns <= t <= end_ns)
    return replace(one, rtts_ns=tuple((t - start_ns, rtt) for t, rtt in found))


def _steps(rates: tuple[tuple[int, int], ...], start_ns: int) -> tuple[tuple[int, int], ...]:
    """Return a rate that changes, from its value at the start on."""
    before = [rate for t_ns, rate in rates if t_ns <= start_ns]
    after = [(t_ns - start_ns, rate) for t_ns, rate in rates if t_ns > start_ns]
    return ((0, before[-1]), *after) if before else tuple(after)


def _completions(found: Completions | None, start_ns: int, end_ns: int) -> Completions | None:
    """Return the completions that began in a span."""
    if found is None:
        return None
    rows = (found.start_ns >= start_ns) & (found.start_ns < end_ns)
    columns = {name: column[rows] for name, column in found.columns().items()}
    ends = np.where(columns["end_ns"] < 0, -1, columns["end_ns"] - start_ns)
    return replace(found, **columns | {"start_ns": columns["start_ns"] - start_ns, "end_ns": ends})
