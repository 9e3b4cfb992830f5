"""What `import ccsim` offers: load a scenario, run it, look at arrays and metrics, plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import StoredRun as Run
from ccsim.experiment.stored import load_run
from ccsim.scenario import Scenario, load_scenario
from ccsim.verify.torture import AlgorithmReport, check_algorithm

__all__ = [
    "AlgorithmReport",
    "Run",
    "Scenario",
    "check_algorithm",
    "load",
    "load_run",
    "run",
]


def load(scenario: str | Path, *overrides: str, seed: int | None = None) -> Scenario:
    """Return a validated scenario: a file, or the name of a shipped one.

    Each override is ``"key=value"``, as on the command line: ``load("cubic_to_bbr", "duration=10
    s")``. ScenarioError lists all that is wrong with it.
    """
    return load_scenario(scenario, overrides, seed)


def run(
    scenario: Scenario | str | Path,
    *,
    twins: bool = True,
    out: str | Path = "results",
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
    formats: Sequence[str] = (),
    paranoid: bool = False,
) -> Run:
    """Run a scenario and, if it swaps, its twins; return the stored run.

    AlgorithmError never: a run whose algorithm raised is returned with its traces up to then, see
    `Run.failed`. ResultsError if ``out`` cannot be written. For the rest see
    `ccsim.experiment.run_scenario`.
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    return run_scenario(
        scenario,
        twins=twins,
        out=out,
        jobs=jobs,
        progress=progress,
        formats=formats,
        paranoid=paranoid,
    )
