"""What `import ccsim` offers: load a scenario, run it, look at arrays and metrics, plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import StoredRun as Run
from ccsim.experiment.stored import load_run
from ccsim.scenario import Scenario, load_scenario
from ccsim.verify.torture import AlgorithmReport, check_algorithm

if TYPE_CHECKING:
    from ccsim.bpf.live import LiveObject

__all__ = [
    "AlgorithmReport",
    "Run",
    "Scenario",
    "check_algorithm",
    "load",
    "load_object",
    "load_run",
    "run",
]


def load(scenario: str | Path, *overrides: str, seed: int | None = None) -> Scenario:
    """Return a validated scenario: a file, or the name of a shipped one.

    Each override is ``"key=value"``, as on the command line: ``load("cubic_to_bbr", "duration=10
    s")``. ScenarioError lists all that is wrong with it.
    """
    return load_scenario(scenario, overrides, seed)


def load_object(
    file: str | Path,
    variables: Mapping[str, Any] | None = None,
    *,
    profile: str = "linux",
    hz: int = 250,
) -> LiveObject:
    """Load a compiled BPF object: its congestion controls are ``tables``, its variables ``bss`` and
    ``data``, its maps ``maps``.

    ``variables`` are set before it is loaded. Each call gives an object of its own. BpfObjectError
    (a KernelError) if libbpf or the kernel would refuse it, with stage and errno; ValueError for a
    variable that cannot be set; OSError if the file cannot be read.
    """
    from ccsim.bpf.live import load_object, target_of

    return load_object(file, variables, target_of(profile, hz))


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
