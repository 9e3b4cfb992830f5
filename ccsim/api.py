"""What `import ccsim` offers: load a scenario, run it, look at arrays and metrics, plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.experiment import stored
from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import StoredRun as Run
from ccsim.experiment.study.stored import StoredStudy, load_study
from ccsim.scenario import Scenario, load_scenario
from ccsim.verify.torture import AlgorithmReport, check_algorithm

if TYPE_CHECKING:
    from ccsim.bpf.live import LiveObject
    from ccsim.experiment.study.sweep import Progress

__all__ = [
    "AlgorithmReport",
    "Run",
    "Scenario",
    "StoredStudy",
    "check_algorithm",
    "load",
    "load_object",
    "load_run",
    "load_study",
    "run",
    "sweep",
]


def load(
    scenario: str | Path | Mapping[str, Any], *overrides: str, seed: int | None = None
) -> Scenario:
    """Return a validated scenario: a file, the name of a shipped one, or its keys as a dict.

    Each override is ``"key=value"``, as on the command line: ``load("cubic_to_bbr", "duration=10
    s")``. A dict has the keys of a file; object files in it are looked up from the current folder.
    ScenarioError lists all that is wrong with it.
    """
    return load_scenario(scenario, overrides, seed)


def load_run(name: str | Path, results: str | Path = "results", *, verify: bool = False) -> Run:
    """Return a stored run: by its folder, or below ``results`` by its run id (or how that begins)
    or by its scenario's name, which means the newest run.

    ResultsError if none or several fit, or if it is not what was written; ``verify`` checks large
    files whole, not a sample of them.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = stored.find_run(str(name), Path(results))
    return stored.load_run(folder, verify=verify)


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
    scenario: Scenario | str | Path | Mapping[str, Any],
    *,
    twins: bool = True,
    out: str | Path = "results",
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
    formats: Sequence[str] = (),
    paranoid: bool = False,
) -> Run:
    """Run a scenario and, if it swaps, its twins; return the stored run.

    A run whose algorithm raised is returned with its traces up to then (`Run.failed`); it is no
    AlgorithmError. ResultsError if ``out`` cannot be written. For the rest see
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


def sweep(
    study: str | Path | Mapping[str, Any],
    *,
    out: str | Path = "results",
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> StoredStudy:
    """Run what is missing of a study, given as a file, the name of a shipped one, or its keys as a
    dict, and return it as stored.

    ``workers`` processes simulate (None: one a core), which changes no result. ScenarioError lists
    what is wrong with the study or a scenario of it; ResultsError if ``out`` cannot be written.
    """
    from ccsim.experiment.study.read import read_study
    from ccsim.experiment.study.sweep import run_study

    outcome = run_study(read_study(study), out=out, workers=workers, progress=progress)
    return StoredStudy(outcome.path)
