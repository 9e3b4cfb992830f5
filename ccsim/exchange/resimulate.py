"""A stored run simulated a second time, for its packets, which are not stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ccsim.errors import ResultsError
from ccsim.exchange.tap import Take, TappedWorld
from ccsim.experiment.stored import StoredRun
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario

__all__ = ["scenario_of", "simulated_again", "stored_result"]


def scenario_of(run: StoredRun, twin: str = "none") -> Scenario:
    """Return the scenario of a run, or of a twin of it."""
    scenario = Scenario.from_resolved(run.scenario)
    if twin == "none":
        return scenario
    return scenario.without_swaps() if twin == "a" else scenario.with_b_twin()


def stored_result(run: StoredRun, twin: str = "none") -> SimResult:
    """Return what is stored of a run, or of a twin of it; ResultsError if it has no such twin."""
    stored = {"none": run.result, "a": run.twin_a, "b": run.twin_b}[twin]
    if stored is None:
        raise ResultsError(str(run.path), f"expected a run with a twin {twin}, got none")
    return stored


def simulated_again(
    run: StoredRun, take: Take, *, twin: str = "none", progress: Callable[[int], None] | None = None
) -> SimResult:
    """Simulate a run, or its twin ``a`` or ``b``, again, and let ``take`` have every packet.

    ResultsError if the run was no simulation, failed, has no such twin, or if this version of ccsim
    and of the algorithms' files does not give the same as is stored.
    """
    place = str(run.path)
    if run.manifest.get("backend"):
        raise ResultsError(place, "a run on a kernel cannot be done again; expected a simulation")
    if run.failed:
        raise ResultsError(place, f"expected a run that ended well; this one failed: {run.failed}")
    stored = stored_result(run, twin)
    make_world = partial(TappedWorld, take=take)
    again = simulate(scenario_of(run, twin), progress=progress, make_world=make_world)
    if again.failed or not _same(stored, again):
        what = again.failed or "its flows delivered otherwise"
        raise ResultsError(
            place,
            f"simulated again it is not what is stored ({what}): ccsim or an algorithm's file has "
            "changed since; run the scenario again",
        )
    return again


def _same(stored: SimResult, again: SimResult) -> bool:
    pairs = zip(stored.flows, again.flows, strict=True)
    return len(stored.flows) == len(again.flows) and all(
        one.counters == other.counters
        and np.array_equal(one.delivered_bytes, other.delivered_bytes)
        for one, other in pairs
    )
