"""One experiment: a scenario, its twins, their metrics and pictures, in one folder of the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ccsim.errors import ResultsError
from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.store import (
    FAILED_SUFFIX,
    explained,
    finish,
    folder_for,
    run_id,
    unfinished_folder,
    write_manifest,
    write_run,
)
from ccsim.experiment.stored import StoredRun
from ccsim.files import read_bounded
from ccsim.jobs.batch import default_jobs, simulate_all
from ccsim.jobs.plot_worker import PlotWorker
from ccsim.scenario import Scenario
from ccsim.scenario.document import MAX_DOCUMENT_BYTES
from ccsim.sim.traces import SimResult

__all__ = ["Backend", "run_scenario"]

Results = dict[str, SimResult | None]


class Backend(Protocol):
    """What carries out runs instead of the simulator: `ccsim.experiment.on_linux`."""

    def name(self, run_id: str) -> str:
        """Return the name of a run's folder."""

    def run_all(
        self, scenarios: Sequence[Scenario], progress: Callable[[float], None] | None
    ) -> Sequence[SimResult | None]:
        """Return the results of scenarios, in order: the run and its twins."""

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of how it was done, once it was."""


def run_scenario(
    scenario: Scenario,
    *,
    twins: bool = True,
    out: str | Path = "results",
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
    argv: Sequence[str] = (),
    formats: Sequence[str] = (),
    paranoid: bool = False,
    hook_timeout_s: float | None = 10.0,
    plotter: PlotWorker | None = None,
    fork: bool = False,
    backend: Backend | None = None,
    explain_trains: bool = False,
) -> StoredRun:
    """Run a scenario and, if it swaps, its twins; store and return all of it.

    ``jobs`` simulations run at once (None: one a core), which changes no result. ``progress`` is
    called now and then with the share done, 0 to 1. ``formats`` are those in which the picture is
    drawn into the folder's ``plots``, by ``plotter`` if there is one already. ``paranoid`` checks
    invariants throughout. A hook that takes ``hook_timeout_s`` of CPU in one call fails the run.
    ``fork`` lets workers be forks of this process, if it has one thread. ``backend`` runs it
    instead of the simulator. ``explain_trains`` fills the results' ``trains``. A run whose
    algorithm raised is stored, without twins, in a folder ``….failed``: see `StoredRun.failed`.

    ResultsError if ``out`` cannot be written, InvariantError if one is violated; nothing
    half-written stays, whatever is raised.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    identity = scenario.identity()
    name, code = run_id(identity, scenario.seed), code_sha256(identity)
    name = name if backend is None else backend.name(name)
    final = folder_for(Path(out), scenario.name, name)
    plotter = plotter or PlotWorker(formats, jobs or default_jobs())
    with plotter, unfinished_folder(final) as folder:
        with _spill_folder(folder, final) as spill:
            results, failed = _simulate(
                *(scenario, twins, jobs, progress, plotter, backend, explain_trains),
                paranoid=paranoid,
                hook_timeout_s=hook_timeout_s,
                spill=spill,
                fork=fork,
            )
        _expect_code(code, identity, final)
        final = final.with_name(name + FAILED_SUFFIX) if failed else final
        with explained(final):
            run = _write(folder, scenario, results, failed, plotter)
            manifest = write_manifest(
                folder,
                **_identified(scenario, name, code, failed),
                argv=list(argv),
                started=started.isoformat(timespec="seconds"),
                wall_s=round(time.perf_counter() - clock, 3),
                **({} if backend is None else backend.facts()),
            )
            finish(folder, final)
    if not failed:
        shutil.rmtree(final.with_name(name + FAILED_SUFFIX), ignore_errors=True)
    return replace(run, path=final, manifest=manifest)


def _identified(scenario: Scenario, name: str, code: str, failed: str) -> dict[str, Any]:
    """Return what the manifest says of what was run and how it ended."""
    return {
        "scenario": scenario.name,
        "run_id": name,
        "code_sha256": code,
        "status": "failed" if failed else "complete",
        "failed": failed or None,
        "seed": scenario.seed,
    }


def _expect_code(code: str, identity: dict[str, Any], final: Path) -> None:
    """Raise ResultsError if the code is no longer what it was when the run began."""
    if code_sha256(identity) != code:
        reason = "an algorithm that ships with ccsim changed while the run went on; start it again"
        raise ResultsError(str(final), reason)


def _write(
    folder: Path, scenario: Scenario, results: Results, failed: str, plotter: PlotWorker
) -> StoredRun:
    """Measure, write and draw a run into its unfinished folder."""
    resolved = scenario.resolved()
    _needed(results)
    run = StoredRun(folder, resolved, {"failed": failed}, {}, **_known(results))
    plotter.begin(run)
    from ccsim.experiment.measure import measure  # while the picture is drawn

    metrics = measure(_needed(results), results.get("twin_a"), results.get("twin_b"))
    write_run(
        folder,
        scenario_text=_text(scenario),
        resolved=resolved,
        metrics=metrics,
        results=results,
    )
    plotter.finish(run)
    return replace(run, metrics=metrics)


def _simulate(
    scenario: Scenario,
    twins: bool,
    jobs: int | None,
    progress: Callable[[float], None] | None,
    plotter: PlotWorker,
    backend: Backend | None,
    explain_trains: bool,
    **options: Any,
) -> tuple[Results, str]:
    """Return the results of the run and its twins, and why it failed (empty: it did not)."""
    variants = {"result": scenario}
    if twins and scenario.twins and scenario.swaps:
        variants |= {"twin_b": scenario.with_b_twin(), "twin_a": scenario.without_swaps()}
    scenarios = list(variants.values())
    found: Sequence[SimResult | None]
    if backend is not None:
        found = backend.run_all(scenarios, progress)
    else:
        found = simulate_all(
            scenarios,
            jobs,
            progress,
            while_waiting=lambda: _import_early(plotter),
            explain_trains=explain_trains,
            **options,
        )
    results: Results = dict(zip(variants, found, strict=True))
    names = {"result": "", "twin_a": "A-twin: ", "twin_b": "B-twin: "}
    failures = [names[key] + one.failed for key, one in results.items() if one and one.failed]
    return results, failures[0] if failures else ""


@contextmanager
def _spill_folder(folder: Path, final: Path) -> Iterator[Path]:
    """Give a folder for long traces, where nothing stays that a worker left which was killed."""
    spill = folder / "spill"
    with explained(final):
        spill.mkdir()
    try:
        yield spill
    except ResultsError as error:  # the folder that it names is about to go
        raise ResultsError(str(final), error.reason) from error
    shutil.rmtree(spill, ignore_errors=True)


def _import_early(plotter: PlotWorker) -> None:
    """Import what will be needed once the twins are there: half a second that costs no time."""
    import_module("duckdb")
    if plotter.formats and not plotter.ready:
        import_module("ccsim.plot.render")


def _needed(results: Results) -> SimResult:
    result = results["result"]
    if result is None:
        raise RuntimeError("run_scenario: expected a result of the run itself, got none")
    return result


def _known(results: Results) -> dict[str, Any]:
    """Return the results that there are, as `StoredRun` takes them."""
    return {key: result for key, result in results.items() if result is not None}


def _text(scenario: Scenario) -> str:
    """Return the scenario as it was given; empty if it came from no file, or the file has gone."""
    try:
        return read_bounded(scenario.source, MAX_DOCUMENT_BYTES).decode() if scenario.source else ""
    except (OSError, UnicodeDecodeError):
        return ""
