"""How far a simulated transfer is from its recording, flow by flow, and what is required."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.qdisc.base import LOST
from ccsim.sim.traces import Event, FlowTrace, SimResult
from ccsim.units import NS_PER_S
from ccsim.verify.trace import RecordedFlow, Trace
from ccsim.verify.trace_requirements import (
    SMALLER_BESIDE_BBR,
    SWAP_DROPS,
    SWAP_DROPS_COUNT,
    Requirement,
    is_random,
    requirement_of,
)
from ccsim.verify.trace_simulation import simulate_trace

__all__ = ["FlowDistance", "SwapMeasure", "TraceMetrics", "compare_trace", "cwnd_distance"]

FROM_NS = 500_000_000  # what comes before is the start, where a window doubles between two samples


@dataclass(frozen=True)
class FlowDistance:
    """The distances of one flow, relative: of bytes acknowledged, of cwnd on the recording's grid,
    of the cwnd samples as distributions, of the mean smoothed RTT; signed but for the middle
    two."""

    acked: float
    aligned: float
    distribution: float
    srtt: float


@dataclass(frozen=True)
class SwapMeasure:
    """One swap: drops in the second after it, recorded and simulated (mean and range over the
    seeds), and (cwnd, ssthresh, pacing rate [bytes/s]) around it, simulated with the first seed."""

    label: str
    drops: tuple[int, float]
    drops_range: tuple[int, int]
    recorded: tuple[tuple[int, int, int], tuple[int, int, int]]
    simulated: tuple[tuple[int, int, int], tuple[int, int, int]]

    @property
    def passes(self) -> bool:
        """Whether about as many packets were dropped."""
        there, here = self.drops
        return abs(here - there) <= max(SWAP_DROPS * there, SWAP_DROPS_COUNT)


@dataclass(frozen=True, eq=False)
class TraceMetrics:
    """All distances: ``flows`` mean over the seeds, ``acked_range`` the simulated range of bytes;
    ``drops`` and ``losses`` recorded and simulated (mean). ``result`` is the first seed's run."""

    trace: Trace
    result: SimResult
    requirement: Requirement
    seeds: int
    flows: tuple[FlowDistance, ...]
    in_range: tuple[bool, ...]
    drops: tuple[int, float]
    losses: tuple[int, float]
    swaps: tuple[SwapMeasure, ...]

    @property
    def missed(self) -> list[str]:
        """Return which requirements are missed, in words."""
        found = [text for k in range(len(self.flows)) for text in self._missed_by_flow(k)]
        there, here = self.drops
        if abs(here - there) > max(self.requirement.drops * there, self.requirement.drops_count):
            found.append(f"drops {there} recorded, {here:.1f} simulated")
        if abs(self.losses[0] - self.losses[1]) >= 1:
            found.append(f"random losses {self.losses[0]} recorded, {self.losses[1]:g} simulated")
        for swap in self.swaps:
            if self._with_bbr and not swap.passes:
                found.append(f"drops in the second after {swap.label}")
        return found

    @property
    def passes(self) -> bool:
        """Whether every requirement is met."""
        return not self.missed

    @property
    def _with_bbr(self) -> bool:
        used = [flow.congestion for flow in self.trace.flows] + [s.to for s in self.trace.swaps]
        return "bbr" in used

    def _missed_by_flow(self, k: int) -> list[str]:
        need, got = self.requirement, self.flows[k]
        bounds: list[tuple[str, float, float | None]] = [
            ("acked", abs(got.acked), self._acked_bound(k)),
            ("aligned", got.aligned, need.aligned),
            ("distribution", got.distribution, need.distribution),
            ("srtt", abs(got.srtt), need.srtt),
        ]
        return [
            f"flow {k} {name} {100 * value:.2f} % > {100 * bound:g} %"
            for name, value, bound in bounds
            if bound is not None and value > bound
        ]

    def _acked_bound(self, k: int) -> float | None:
        """Return the bound for acknowledged bytes; None where the recording lies within the
        simulated range."""
        if len(self.flows) < 2:
            return self.requirement.acked
        if self.in_range[k]:
            return None
        total = [int(flow.acked_bytes[-1]) for flow in self.trace.flows]
        smaller = total[k] == min(total) and self._with_bbr
        return SMALLER_BESIDE_BBR if smaller else self.requirement.acked

    def _acked_text(self, k: int) -> str:
        """Return the bound that applies to acknowledged bytes, as the table prints it."""
        bound = self._acked_bound(k)
        return "within the seeds' range" if bound is None else f"≤ {100 * bound:g} %"

    def text(self) -> str:
        """Return all of it as lines of text."""
        verdict = "passes" if self.passes else "MISSES " + "; ".join(self.missed)
        over = f", mean of {self.seeds} seeds" if self.seeds > 1 else ""
        lines = [f"{self.trace.name} ({self.requirement.kind}{over}): {verdict}"]
        need = self.requirement
        aligned = "–" if need.aligned is None else f"{100 * need.aligned:g} %"
        for k, flow in enumerate(self.flows):
            lines.append(
                f"  flow {k} {self.trace.flows[k].congestion}: acked {100 * flow.acked:+.2f} % "
                f"({self._acked_text(k)}), "
                f"cwnd aligned {100 * flow.aligned:.2f} % (≤ {aligned}), "
                f"distribution {100 * flow.distribution:.2f} % (≤ {100 * need.distribution:g} %), "
                f"srtt {100 * flow.srtt:+.2f} % (≤ {100 * need.srtt:g} %)"
            )
        lines.append(
            f"  drops {self.drops[0]} recorded, {self.drops[1]:g} simulated; "
            f"random losses {self.losses[0]}, {self.losses[1]:g}"
        )
        return "\n".join([*lines, *map(_swap_text, self.swaps)])


def _swap_text(swap: SwapMeasure) -> str:
    values = [
        f"{name} {_value(r0)}→{_value(r1)} recorded, {_value(s0)}→{_value(s1)} simulated"
        for name, r0, r1, s0, s1 in zip(
            ("cwnd", "ssthresh", "pacing B/s"), *swap.recorded, *swap.simulated, strict=True
        )
    ]
    there, here = swap.drops
    drops = f"drops in the second after {there} recorded, {here:g} simulated"
    least, most = swap.drops_range
    if least != most:
        drops += f" ({least} to {most})"
    return f"  {swap.label}: {drops}; {'; '.join(values)}"


def _value(number: int) -> str:
    return "inf" if number in (-1, 0x7FFFFFFF) else str(number)


def compare_trace(trace: Trace, seeds: int = 8) -> TraceMetrics:
    """Simulate a recording, with several seeds where chance matters, and measure the distances."""
    count = seeds if is_random(trace) else 1
    results = [simulate_trace(trace, seed) for seed in range(1, count + 1)]
    table = [
        [_distance(there, here) for there, here in zip(trace.flows, result.flows, strict=True)]
        for result in results
    ]
    flows = tuple(_mean([row[k] for row in table]) for k in range(len(trace.flows)))
    ranges = [[row[k].acked for row in table] for k in range(len(trace.flows))]
    return TraceMetrics(
        trace=trace,
        result=results[0],
        requirement=requirement_of(trace),
        seeds=count,
        flows=flows,
        in_range=tuple(min(values) <= 0 <= max(values) for values in ranges),
        drops=(len(trace.drops), float(np.mean([_drops(r)[0] for r in results]))),
        losses=(len(trace.losses), float(np.mean([_drops(r)[1] for r in results]))),
        swaps=tuple(_swap(trace, results, k) for k in range(len(trace.swaps))),
    )


def _drops(result: SimResult) -> tuple[int, int]:
    random = int((result.links[0].drop_reason == LOST).sum())
    return len(result.links[0].drop_t_ns) - random, random


def _mean(values: list[FlowDistance]) -> FlowDistance:
    columns = zip(*((v.acked, v.aligned, v.distribution, v.srtt) for v in values), strict=True)
    return FlowDistance(*(float(np.mean(column)) for column in columns))


def _distance(recorded: RecordedFlow, simulated: FlowTrace) -> FlowDistance:
    t = recorded.t_ns
    since = t >= recorded.start_ns + FROM_NS
    rows = np.clip(np.searchsorted(simulated.t_ns, t[since], side="right") - 1, 0, None)
    there, here = recorded.snd_cwnd[since], simulated.snd_cwnd[rows]
    mean = float(there.mean())
    acked = int(recorded.acked_bytes[-1])
    srtt = float(recorded.srtt_us[since].mean())
    return FlowDistance(
        acked=int(simulated.delivered_bytes[rows[-1]]) / acked - 1,
        aligned=float(np.abs(there - here).mean()) / mean,
        distribution=float(np.abs(np.sort(there) - np.sort(here)).mean()) / mean,
        srtt=float(simulated.srtt_us[rows].mean()) / srtt - 1,
    )


def cwnd_distance(one: Trace, other: Trace) -> float:
    """Return how far cwnd is from one recording to another of the same scenario: as `aligned`, of
    the flow that is furthest."""
    found = []
    for a, b in zip(one.flows, other.flows, strict=True):
        since = a.t_ns >= a.start_ns + FROM_NS
        rows = np.clip(np.searchsorted(b.t_ns, a.t_ns[since], side="right") - 1, 0, None)
        there, here = a.snd_cwnd[since], b.snd_cwnd[rows]
        found.append(float(np.abs(there - here).mean()) / float(there.mean()))
    return max(found)


def _swap(trace: Trace, results: list[SimResult], k: int) -> SwapMeasure:
    swap = trace.swaps[k]
    there = _in_second_after(np.concatenate((trace.drops, trace.losses)), swap.t_ns)
    counts = [_in_second_after(r.links[0].drop_t_ns, _made(r)[k].t_ns) for r in results]
    detail = _made(results[0])[k].detail
    before, after = (_state(detail, side) for side in ("before", "after"))
    return SwapMeasure(
        label=f"swap to {swap.to} at {swap.t_ns / NS_PER_S:.2f} s",
        drops=(there, float(np.mean(counts))),
        drops_range=(min(counts), max(counts)),
        recorded=(swap.before, swap.after),
        simulated=(before, after),
    )


def _made(result: SimResult) -> list[Event]:
    """Return the swaps by ``setsockopt`` that a run made, in order."""
    swaps = (event for event in result.events if event.kind == "swap")
    return [event for event in swaps if "before" in event.detail]


def _state(detail: dict[str, Any], side: str) -> tuple[int, int, int]:
    values = detail[side]
    rate = values["pacing_rate"]
    return values["snd_cwnd"], values["ssthresh"], -1 if rate >= 1 << 63 else rate


def _in_second_after(times: NDArray[np.int64], t_ns: int) -> int:
    return int(((times >= t_ns) & (times < t_ns + NS_PER_S)).sum())
