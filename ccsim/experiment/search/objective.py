"""What one candidate costs: its metric against twins that are simulated once for all it shares.

A twin has no swaps, so it does not depend on their instants: where these alone vary, all candidates
have the same A-twin (never swapped) and the same B-twin (the new implementation from the start).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ccsim.experiment.measure import observed_until, plain
from ccsim.experiment.search.space import SearchError
from ccsim.experiment.swap_cost import Compared, measure_swap
from ccsim.experiment.swap_window import FIGURES
from ccsim.jobs.batch import simulate_all
from ccsim.scenario import Scenario
from ccsim.sim.traces import SimResult

__all__ = ["METRICS", "Objective", "metric_of"]

METRICS = {
    "deficit_s": "goodput deficit to the A-twin, in seconds of its goodput",
    "deficit_bytes": "goodput deficit to the A-twin",
    "deficit_peak_bytes": "goodput deficit at its greatest",
    "dip_depth": "how deep goodput dips in the 2 s after, 0 to 1",
    "dip_recovery_s": "time until back above 95 % of the A-twin",
    "time_to_b_twin_s": "time until within 10 % of the B-twin",
    "queue_excess_ms": "queueing beyond the A-twin's in the 2 s after",
    "drops_in_second_after": "packets dropped in the second after",
    "drops": "packets dropped in the swap's window",
    "extra_drops": "the same beyond the A-twin's",
    "rtos": "retransmission timeouts in the window",
    "extra_rtos": "the same beyond the A-twin's",
    "rtt_p99_ms": "p99 of the RTT in the window",
    "longest_stall_s": "longest time without a byte in order",
    "extra_stall_s": "the same beyond the A-twin's",
}
"""What can be searched for, all such that more is worse."""
_KEPT = 8
"""Twins kept for later candidates."""

Simulate = Callable[[Sequence[Scenario]], Sequence[SimResult | None]]


def metric_of(swap: Mapping[str, Any], metric: str) -> float | None:
    """Return a metric of one swap's row: that of all flows together or, of what is told of each
    flow alone, that of the one hit hardest.

    What had not happened by the end counts as the time observed. None if there is none:
    the swap reached no flow, or the number does not exist.
    """
    values = [row.get(metric) for row in swap["flows"]]
    if metric in FIGURES:
        values = [(swap["total"] or {}).get(metric)]
    numbers = [one["at_least_s"] if isinstance(one, Mapping) else one for one in values]
    return max((float(one) for one in numbers if one is not None), default=None)


class Objective:
    """Answers what scenarios cost, several at once; `simulations` counts what that took."""

    def __init__(
        self, metric: str, swap: int, jobs: int | None = None, simulate: Simulate | None = None
    ) -> None:
        self.metric = metric
        self.swap = swap
        self.simulations = 0
        self._simulate = simulate or (lambda batch: simulate_all(batch, jobs))
        self._twins: dict[str, SimResult] = {}

    def __call__(self, scenarios: Sequence[Scenario]) -> list[float | None]:
        """Return the metric of each scenario; None where it has none, or its algorithm raised.

        SearchError if a twin fails: then nothing can be compared.
        """
        twins = [self._twins_of(scenario) for scenario in scenarios]
        missing = {_key(t): t for pair in twins for t in pair if _key(t) not in self._twins}
        batch = [*missing.values(), *scenarios]
        results = self._all(batch)
        for key, result in zip(missing, results, strict=False):
            if result.failed:
                raise SearchError(f"search: a twin failed: {result.failed}")
            self._twins[key] = result
        found = [
            self._measure(result, [self._twins[_key(twin)] for twin in pair])
            for result, pair in zip(results[len(missing) :], twins, strict=True)
        ]
        self._twins = dict(list(self._twins.items())[-_KEPT:])
        return found

    def _twins_of(self, scenario: Scenario) -> list[Scenario]:
        """Return the A-twin and, where the metric looks at it, the B-twin."""
        wanted = [scenario.without_swaps()]
        return [*wanted, scenario.with_b_twin()] if self.metric == "time_to_b_twin_s" else wanted

    def _all(self, batch: list[Scenario]) -> list[SimResult]:
        """Simulate all; when the first of a batch fails, the others are given back: try them."""
        done: list[SimResult] = []
        while len(done) < len(batch):
            rest = self._simulate(batch[len(done) :])
            reached = [result for result in rest if result is not None]
            if not reached:
                raise SearchError("search: a simulation gave no result")
            done += reached
        self.simulations += len(done)
        return done

    def _measure(self, result: SimResult, twins: list[SimResult]) -> float | None:
        if result.failed:
            return None
        compared = Compared(result, observed_until(result), *twins)
        swaps = [swap for swap in result.swaps if swap.index == self.swap]
        value = metric_of(plain(measure_swap(compared, swaps[0])), self.metric) if swaps else None
        return None if value is None or math.isnan(value) else value


def _key(scenario: Scenario) -> str:
    return json.dumps(scenario.identity(), sort_keys=True)
