"""A scenario on this machine's kernel and in the simulator, side by side: the same metrics of both,
each with its interval, and whether these overlap.

A kernel never does the same twice, so it runs the scenario and its twins several times. The
simulator does as well where the run can be told as a recording (`ccsim.linux.recording`): once for
each repetition, with hosts as late as they were measured in it (`ccsim.sim.lateness`). Elsewhere
it runs the scenario once, and its value is held against the kernel's interval.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ccsim.experiment.agreement import RESOLUTION, estimate_of, figure, overlap, part
from ccsim.experiment.estimates import Estimate
from ccsim.experiment.measure import measure
from ccsim.experiment.on_linux import OnLinux
from ccsim.experiment.run import run_scenario
from ccsim.experiment.statistics import FEW
from ccsim.experiment.stored import StoredRun
from ccsim.linux.recording import why_no_recording, write_recording
from ccsim.scenario import Scenario
from ccsim.sim.traces import SimResult

__all__ = ["METRICS", "Confirmation", "Row", "confirm"]

METRICS = tuple(metric for metric in RESOLUTION if metric not in ("neighbour_harm", "jain_index"))
"""What is compared of a swap."""


@dataclass(frozen=True)
class Row:
    """One metric of one swap: on the kernel, simulated, and whether the two part."""

    swap: str
    metric: str
    kernel: Estimate
    simulated: Estimate

    @property
    def overlap(self) -> bool:
        """Whether the intervals do."""
        return overlap(self.kernel, self.simulated)

    @property
    def apart(self) -> bool:
        """Whether the intervals do not overlap, and the means differ by more than can be told; not
        where too few repetitions make them too narrow."""
        return part(self.kernel, self.simulated, RESOLUTION[self.metric])


@dataclass(frozen=True, eq=False)
class Confirmation:
    """All rows, the stored runs (the simulated one, then the kernel's), and for each repetition
    how far the simulated cwnd was from the recorded one; ``own`` is how far cwnd was from one
    repetition to another, on average over pairs (None: not told)."""

    rows: tuple[Row, ...]
    simulated: StoredRun
    repetitions: tuple[StoredRun, ...]
    distances: tuple[float, ...]
    own: float | None
    late: bool

    def plain(self) -> dict[str, Any]:
        """Return all of it as JSON values; runs by the folders below that of the results."""
        return {
            "simulated": _folder_of(self.simulated),
            "kernel": [_folder_of(run) for run in self.repetitions],
            "repetitions": len(self.repetitions),
            "disturbed": self.disturbed,
            "host_lateness_simulated": self.late,
            "cwnd_distances": list(self.distances),
            "cwnd_distance_of_repetitions": self.own,
            "rows": [
                {
                    "swap": row.swap,
                    "metric": row.metric,
                    "kernel": _plain(row.kernel),
                    "simulated": _plain(row.simulated),
                    "overlap": row.overlap,
                    "apart": row.apart,
                }
                for row in self.rows
            ],
            "sentence": self.sentence,
        }

    @property
    def disturbed(self) -> int:
        """How many repetitions the machine disturbed."""
        return sum(bool(run.manifest["disturbed"]) for run in self.repetitions)

    @property
    def sentence(self) -> str:
        """What came out, in one sentence."""
        n, parted = len(self.rows), [row.metric for row in self.rows if row.apart]
        runs = f"over {len(self.repetitions)} repetitions"
        if self.disturbed:
            runs += f", of which the machine disturbed {self.disturbed}"
        if not n:
            return f"There is no swap to compare {runs}."
        if len(self.repetitions) < FEW:
            runs += f" (fewer than {FEW}: their intervals are too narrow to part anything)"
        if not parted:
            return f"Kernel and simulation agree in all {n} metrics {runs}."
        names = ", ".join(dict.fromkeys(parted))
        agree = f"agree in {n - len(parted)} of {n} metrics"
        return f"Kernel and simulation {agree} {runs}: not in {names}."


def confirm(
    scenario: Scenario,
    *,
    repeat: int,
    retry: int = 0,
    out: str | Path = "results",
    progress: Callable[[float], None] | None = None,
    argv: Sequence[str] = (),
) -> Confirmation:
    """Simulate a scenario, run it ``repeat`` times on this machine's kernel, and compare.

    All runs are stored below ``out``. LinuxError if a run on the kernel is not possible here.
    """
    tell = progress or (lambda share: None)
    simulated = run_scenario(scenario, out=out, argv=argv)
    backends = [OnLinux(k + 1, retry) for k in range(repeat)]

    def repetition(k: int) -> StoredRun:
        def share_done(share: float) -> None:
            tell((k + share) / repeat)

        return run_scenario(scenario, out=out, argv=argv, backend=backends[k], progress=share_done)

    runs = [repetition(k) for k in range(repeat)]
    kernel = [run.metrics for run in runs]
    late = not why_no_recording(scenario)
    ours, distances, own = [simulated.metrics], tuple[float, ...](), None
    if late:
        ours, distances, own = _simulated_late(scenario, backends)
    return Confirmation(_rows(kernel, ours), simulated, tuple(runs), distances, own, late)


def _folder_of(run: StoredRun) -> str:
    return f"{run.path.parent.name}/{run.path.name}"


def _plain(estimate: Estimate) -> dict[str, float | int | None]:
    return {
        "mean": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
    }


def _simulated_late(
    scenario: Scenario, backends: Sequence[OnLinux]
) -> tuple[list[dict[str, Any]], tuple[float, ...], float | None]:
    """Return the metrics of each repetition simulated with its own lateness, the distances of
    cwnd, and how far repetitions are from one another."""
    from ccsim.verify.trace import load_trace
    from ccsim.verify.trace_comparison import compare_trace, cwnd_distance
    from ccsim.verify.trace_simulation import simulate_trace

    variants = [scenario, scenario.with_b_twin(), scenario.without_swaps()]
    metrics, distances, recorded = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, backend in enumerate(backends, start=1):
            traces = []
            for k, (variant, measured) in enumerate(zip(variants, backend.measured, strict=False)):
                name = f"r{number}_{k}"
                traces.append(load_trace(write_recording(Path(folder), name, variant, measured)))
            results = [simulate_trace(trace, number) for trace in traces]
            metrics.append(_metrics(results))
            distances.append(max(flow.aligned for flow in compare_trace(traces[0], 1).flows))
            recorded.append(traces[0])
    pairs = [cwnd_distance(one, other) for one, other in combinations(recorded, 2)]
    return metrics, tuple(distances), sum(pairs) / len(pairs) if pairs else None


def _metrics(results: Sequence[SimResult]) -> dict[str, Any]:
    """Return the metrics of a run, its B-twin and its A-twin, in this order."""
    run, *twins = results
    twin_b, twin_a = (*twins, None, None)[:2]
    return measure(run, twin_a, twin_b)


def _rows(
    kernel: Sequence[Mapping[str, Any]], simulated: Sequence[Mapping[str, Any]]
) -> tuple[Row, ...]:
    """Return a row for each swap and metric that either has."""
    swaps = kernel[0]["swaps"]
    return tuple(
        Row(swap["label"], metric, ours, theirs)
        for k, swap in enumerate(swaps)
        for metric in METRICS
        for ours, theirs in [(_estimate(kernel, k, metric), _estimate(simulated, k, metric))]
        if ours.value is not None or theirs.value is not None
    )


def _estimate(runs: Sequence[Mapping[str, Any]], swap: int, metric: str) -> Estimate:
    """Return a metric of one swap over runs."""
    swaps = [run["swaps"][swap] for run in runs if swap < len(run["swaps"])]
    return estimate_of([figure(one, metric) for one in swaps])
