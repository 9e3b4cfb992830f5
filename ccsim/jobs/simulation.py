"""A simulation in a worker process, and its result back, through the pipe or through a file."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.errors import AlgorithmError, ResultsError
from ccsim.jobs.stuck import Watch, can_watch
from ccsim.jobs.worker import Progress, Worker, WorkerDied, serve

if TYPE_CHECKING:  # starting a worker first of all must not wait for NumPy
    from ccsim.sim.traces import SimResult
    from ccsim.spec import Scenario
    from ccsim.spill import Spill

__all__ = ["Apart", "needs_watch", "serve_simulations", "simulate_in", "unrecorded"]


def simulate_in(
    worker: Worker,
    scenario: Scenario,
    progress: Progress,
    *,
    spill: Spill | None = None,
    **options: Any,
) -> SimResult:
    """Return the result of a simulation in a worker that runs `serve_simulations`.

    Where ``spill`` would put long traces the worker puts them; ``options`` are those of
    `ccsim.sim.simulate`. WorkerDied if the process ends before. A hook that hangs so that the
    process must be ended is a failed run, of which nothing was recorded.
    """
    from ccsim.jobs.handover import take_over

    place = [None, None] if spill is None else [str(spill.folder), spill.bound_bytes]
    watch = _watch(worker.pid, scenario, options.get("hook_timeout_s"))
    message = {"scenario": scenario.resolved(), "spill": place, **options}
    try:
        data = worker.ask(message, progress, watch)
    except AlgorithmError as error:
        return unrecorded(scenario.duration_ns, str(error))
    try:
        return take_over(data)
    except (ValueError, ResultsError) as error:
        raise worker.died(error) from error


class Apart:
    """Simulates as `ccsim.sim.simulate` does, in a process of its own if algorithm files are to be
    executed: there hooks end that no exception ends.

    With ``fork`` that process is a fork of this one, where that is safe; it serves again and again.
    """

    def __init__(self, *, fork: bool = False) -> None:
        self._fork = fork
        self._worker: Worker | None = None

    def begin(self) -> None:
        """Start the process, while this one has no second thread."""
        with suppress(OSError):
            self._worker = Worker(serve_simulations, fork=self._fork)

    def simulate(
        self,
        scenario: Scenario,
        *,
        progress: Progress | None = None,
        spill: Spill | None = None,
        **options: Any,
    ) -> SimResult:
        """Return the result of a simulation; it raises what `ccsim.sim.simulate` raises."""
        from ccsim.sim import simulate

        if needs_watch(scenario, options.get("hook_timeout_s")):
            told = progress or (lambda t_ns: None)
            try:
                return self._watched(scenario, told, spill=spill, **options)
            except (OSError, WorkerDied):  # what it raised there is raised again here
                self.close()
        result: SimResult = simulate(scenario, progress=progress, spill=spill, **options)
        return result

    def _watched(self, scenario: Scenario, progress: Progress, **options: Any) -> SimResult:
        if self._worker is None:
            self._worker = Worker(serve_simulations, fork=self._fork)
        result = simulate_in(self._worker, scenario, progress, **options)
        if not self._worker.alive:
            self.close()
        return result

    def close(self) -> None:
        """End the process, whatever it does."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.close()


def needs_watch(scenario: Scenario, hook_timeout_s: float | None) -> bool:
    """Report whether a simulation executes code that may hang as no exception ends it. Compiled
    objects do not: they are verified, and bounded where they run."""
    return bool(hook_timeout_s and can_watch() and _algorithm_files(scenario))


def _algorithm_files(scenario: Scenario) -> list[str]:
    return [file for file in scenario.objects if not file.endswith(".o")]


def _watch(pid: int, scenario: Scenario, hook_timeout_s: float | None) -> Watch | None:
    """Return the onlooker, if one is needed."""
    if hook_timeout_s is None or not needs_watch(scenario, hook_timeout_s):
        return None
    return Watch(pid, _algorithm_files(scenario), hook_timeout_s)


def unrecorded(duration_ns: int, reason: str) -> SimResult:
    """Return the result of a run that failed and left nothing."""
    from ccsim.sim.traces import Flows, SimResult

    unknown = ("unknown",)  # of another seed it might not
    return SimResult(duration_ns, Flows(), (), (), (), failed=reason, drew=unknown)


def serve_simulations() -> None:
    """Simulate what standard input asks for until it ends or the parent does."""
    import_module("ccsim.sim.world")
    serve(_simulated, watched=True)


def _simulated(request: dict[str, Any], progress: Progress) -> bytes:
    from ccsim.jobs.handover import hand_over
    from ccsim.sim import simulate
    from ccsim.spec import Scenario
    from ccsim.spill import Spill

    folder, bound_bytes = request.pop("spill")
    spill = Spill(folder and Path(folder), bound_bytes)
    scenario = Scenario.from_resolved(request.pop("scenario"))
    return hand_over(simulate(scenario, **request, progress=progress, spill=spill), spill)
