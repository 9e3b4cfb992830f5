"""Recorded swaps of a real kernel, each beside its simulation, by the same metrics against twins of
the same kind.

A recording without swaps whose path and flows are those of a swap's recording is its twin. With
random losses only twins with the same sequence of losses are, where there are any. A swap's figures
are their means over its twins. What is simulated has no other input than the description of the
recordings; with late hosts its chances come from a seed for each recorded swap.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context

from ccsim.errors import RecordingError
from ccsim.experiment.agreement import RESOLUTION, figure, part, rank_correlation
from ccsim.experiment.estimates import Estimate
from ccsim.experiment.measure import measure
from ccsim.experiment.statistics import student_interval
from ccsim.jobs.batch import default_jobs
from ccsim.jobs.processes import end_with
from ccsim.sim.traces import SimResult
from ccsim.verify.recorded_run import recorded_result
from ccsim.verify.trace import Trace
from ccsim.verify.trace_simulation import simulate_trace

__all__ = ["HOSTS", "Agreement", "Case", "RecordedCell", "compare_swaps", "twins_of"]

HOSTS = ("exact", "late")
"""How the hosts of a simulation are: as exact as clocks, or as late as in the recording."""
Figures = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Case:
    """One recorded swap: its figures on the kernel, and simulated with each kind of hosts."""

    name: str
    series: str
    path: str
    swap: str
    twins: int
    kernel: Figures
    simulated: Mapping[str, Figures]


@dataclass(frozen=True, eq=False)
class RecordedCell:
    """One metric of all swaps of one pair on one path: means and intervals over these."""

    series: str
    path: str
    swap: str
    metric: str
    kernel: Estimate
    simulated: Mapping[str, Estimate]

    def apart(self, hosts: str) -> bool:
        """Return whether kernel and simulation part; two values have an interval."""
        return part(self.kernel, self.simulated[hosts], RESOLUTION[self.metric], few=2)


@dataclass(frozen=True, eq=False)
class Agreement:
    """All swaps, and what they say together."""

    cases: tuple[Case, ...]

    @cached_property
    def cells(self) -> tuple[RecordedCell, ...]:
        """A cell for each path, pair and metric that is known, in order of the recordings."""
        groups: dict[tuple[str, str, str], list[Case]] = {}
        for case in self.cases:
            groups.setdefault((case.series, case.path, case.swap), []).append(case)
        found = [
            _cell(key, metric, cases) for key, cases in groups.items() for metric in RESOLUTION
        ]
        return tuple(cell for cell in found if cell.kernel.value is not None)

    def apart(self, hosts: str) -> tuple[RecordedCell, ...]:
        """Return the cells in which kernel and simulation part."""
        return tuple(cell for cell in self.cells if cell.apart(hosts))

    def by_cell(self, metric: str, hosts: str) -> float:
        """Return the rank correlation of a metric's means over paths and pairs."""
        cells = [cell for cell in self.cells if cell.metric == metric]
        pairs = [(cell.kernel.value, cell.simulated[hosts].value) for cell in cells]
        return rank_correlation([_or_nan(x) for x, _ in pairs], [_or_nan(y) for _, y in pairs])

    def by_swap(self, metric: str, hosts: str) -> float:
        """Return the rank correlation of a metric, swap by swap."""
        return rank_correlation(
            [case.kernel[metric] for case in self.cases],
            [case.simulated[hosts][metric] for case in self.cases],
        )


def _cell(key: tuple[str, str, str], metric: str, cases: Sequence[Case]) -> RecordedCell:
    simulated = {
        hosts: _estimate([case.simulated[hosts][metric] for case in cases]) for hosts in HOSTS
    }
    return RecordedCell(*key, metric, _estimate([case.kernel[metric] for case in cases]), simulated)


def _estimate(values: Sequence[float]) -> Estimate:
    found = student_interval(values)
    value = None if math.isnan(found.estimate) else found.estimate
    return Estimate(value, found.low, found.high, found.n)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def twins_of(trace: Trace, traces: Iterable[Trace]) -> list[Trace]:
    """Return the recordings that are a swap's twins, in order."""
    found = [t for t in traces if not t.swaps and _conditions(t) == _conditions(trace)]
    if trace.meta["loss_prob"] > 0:
        same = [t for t in found if t.meta["loss_seed"] == trace.meta["loss_seed"]]
        return same or found
    return found


def _conditions(trace: Trace) -> tuple[object, ...]:
    meta = trace.meta
    path = ("rate_bps", "rtt_ms", "buffer_pkts", "loss_prob", "duration_s")
    return (
        *(meta[key] for key in path),
        *((flow.congestion, flow.start_ns) for flow in trace.flows),
    )


@dataclass(frozen=True)
class Task:
    """One simulation: a recording, by name, with a seed, and whether its hosts are late."""

    name: str
    seed: int
    late: bool


@dataclass(frozen=True, eq=False)
class _Plan:
    """A recorded swap, its twins, and which of them is simulated beside it with which seeds."""

    trace: Trace
    twins: Sequence[Trace]
    seeds: Sequence[int]

    def runs(self, hosts: str) -> list[tuple[Task, Task]]:
        """Return what to simulate: the swap and a twin, seed by seed."""
        late = hosts == "late"
        names = [self.twins[seed % len(self.twins)].name for seed in self.seeds]
        return [
            (Task(self.trace.name, seed, late), Task(name, seed, late))
            for seed, name in zip(self.seeds, names, strict=True)
        ]


Simulation = tuple[Trace, int, bool]


def _simulate(simulation: Simulation) -> SimResult:
    trace, seed, late = simulation
    return simulate_trace(trace, seed, late=late)


def _simulated(simulations: Sequence[Simulation], jobs: int) -> Iterator[SimResult]:
    """Yield the results in order; what is not yet begun is given up with the caller."""
    if min(jobs, len(simulations)) <= 1:
        yield from map(_simulate, simulations)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (os.getpid(),))
    try:
        yield from pool.map(_simulate, simulations)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the process that waits, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


def compare_swaps(
    traces: Sequence[Trace],
    seeds: int = 1,
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Agreement:
    """Simulate recorded swaps and twins, with exact and with late hosts, and measure all alike.

    Each swap has ``seeds`` seeds of its own, over which its figures are means. ``jobs`` simulate at
    once (None: one a core), which changes nothing else; ``progress`` is told the share done, 0 to
    1, after each. RecordingError if no recording has a swap, or one that has is without a twin.
    """
    plans = _plans(traces, seeds)
    pairs = [pair for plan in plans for hosts in HOSTS for pair in plan.runs(hosts)]
    tasks = list(dict.fromkeys(task for pair in pairs for task in pair))
    by_name = {trace.name: trace for trace in traces}
    simulations = [(by_name[task.name], task.seed, task.late) for task in tasks]
    simulated: dict[Task, SimResult] = {}
    for result in _simulated(simulations, default_jobs() if jobs is None else jobs):
        simulated[tasks[len(simulated)]] = result
        if progress is not None:
            progress(len(simulated) / len(tasks))
    recorded = {name: recorded_result(trace) for name, trace in by_name.items()}
    return Agreement(tuple(_case(plan, recorded, simulated) for plan in plans))


def _plans(traces: Sequence[Trace], seeds: int) -> list[_Plan]:
    names = [trace.name for trace in traces]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecordingError(f"{twice}: expected each recording once, got two of this name")
    plans, counts = list[_Plan](), dict[tuple[str, ...], int]()
    for trace in traces:
        if not trace.swaps:
            continue
        twins = twins_of(trace, traces)
        if not twins:
            raise RecordingError(
                f"{trace.name}: expected a recording of the same path and flows without the swap "
                "among those given"
            )
        key = (_series(trace), _path(trace), _swap(trace))
        first = counts.get(key, 0) * seeds + 1
        counts[key] = counts.get(key, 0) + 1
        plans.append(_Plan(trace, twins, range(first, first + seeds)))
    if not plans:
        raise RecordingError("expected recordings of swaps, got twins alone")
    return plans


def _case(
    plan: _Plan, recorded: Mapping[str, SimResult], simulated: Mapping[Task, SimResult]
) -> Case:
    trace = plan.trace
    kernel = [(recorded[trace.name], recorded[twin.name]) for twin in plan.twins]
    runs = {
        hosts: [(simulated[run], simulated[twin]) for run, twin in plan.runs(hosts)]
        for hosts in HOSTS
    }
    return Case(
        name=trace.name,
        series=_series(trace),
        path=_path(trace),
        swap=_swap(trace),
        twins=len(plan.twins),
        kernel=_figures(kernel),
        simulated={hosts: _figures(pairs) for hosts, pairs in runs.items()},
    )


def _figures(pairs: Iterable[tuple[SimResult, SimResult]]) -> dict[str, float]:
    """Return each metric of the first swap, its mean over pairs of a run and its twin."""
    swaps = [measure(run, twin)["swaps"][0] for run, twin in pairs]
    found = {}
    for metric in RESOLUTION:
        values = [figure(swap, metric) for swap in swaps]
        known = [value for value in values if not math.isnan(value)]
        found[metric] = sum(known) / len(known) if known else math.nan
    return found


def _series(trace: Trace) -> str:
    """Return the series that a recording belongs to: its name up to the first underscore."""
    return trace.name.partition("_")[0]


def _path(trace: Trace) -> str:
    """Return a recording's path and neighbours in words."""
    meta = trace.meta
    words = [
        f"{meta['rate_bps'] / 1e6:g} Mbit/s",
        f"{meta['rtt_ms']:g} ms",
        f"{meta['buffer_pkts']} packets",
    ]
    if meta["loss_prob"] > 0:
        words.append(f"{100 * meta['loss_prob']:g} % lost")
    others = [flow.congestion for k, flow in enumerate(trace.flows) if k != trace.swaps[0].flow]
    return ", ".join(words) + (" beside " + " and ".join(others) if others else "")


def _swap(trace: Trace) -> str:
    names = [trace.flows[trace.swaps[0].flow].congestion, *(swap.to for swap in trace.swaps)]
    return " → ".join(names)
