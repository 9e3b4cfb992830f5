"""Several simulations at once: the caller's process takes part, workers take the rest."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.jobs.fork import may_fork
from ccsim.jobs.simulation import Apart, needs_watch, serve_simulations, simulate_in
from ccsim.jobs.worker import Worker, WorkerDied

if TYPE_CHECKING:
    from ccsim.sim.traces import SimResult
    from ccsim.spec import Scenario
    from ccsim.spill import Spill

__all__ = ["WORTH_S", "default_jobs", "simulate_all"]

WORTH_S = 1.0
"""What must be left to simulate [s of CPU] before workers are started, each of which first imports
the simulator for a third of that, maybe on the core on which a picture is about to be drawn."""

Progress = Callable[[float], None]


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def simulate_all(
    scenarios: Sequence[Scenario],
    jobs: int | None = None,
    progress: Progress | None = None,
    while_waiting: Callable[[], object] | None = None,
    *,
    paranoid: bool = False,
    hook_timeout_s: float | None = 10.0,
    spill: Path | None = None,
    fork: bool = False,
    explain_trains: bool = False,
) -> list[SimResult | None]:
    """Return the results of scenarios, in order; None for those not reached.

    The first runs in this process; if it fails, the others are given up and are None. ``jobs`` is
    how many run at once at most (None: one a core); results do not depend on it, and what this
    process has soon done alone it does alone. ``progress`` receives the share done, 0 to 1, on this
    thread. ``while_waiting`` is called once if this process would wait.
    ``paranoid`` checks invariants throughout, ``hook_timeout_s`` is what one call of a hook may
    take, ``explain_trains`` counts which ACKs go as trains and why others do not.
    ``spill`` is a folder for traces that are too long for memory; whatever has a name in it
    afterwards is a dead worker's. With ``fork`` workers are forks of this process if it has only
    one thread, and so are started at once. ResultsError if ``spill`` cannot be written.
    """
    jobs = default_jobs() if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs: expected 1 or more, got {jobs}")
    workers = min(jobs, len(scenarios)) - 1 if sys.executable else 0
    batch = _Batch(
        scenarios,
        progress or (lambda share: None),
        while_waiting or (lambda: None),
        {
            "paranoid": paranoid,
            "hook_timeout_s": hook_timeout_s,
            "explain_trains": explain_trains,
        },
        spill,
        fork,
    )
    return batch.run(workers)


class _Batch:
    """The scenarios still to do, shared by the caller's thread and one thread a worker process."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        progress: Progress,
        while_waiting: Callable[[], object],
        options: Mapping[str, Any],
        spill: Path | None,
        fork: bool,
    ) -> None:
        self.scenarios = scenarios
        self.progress = progress
        self.while_waiting = while_waiting
        self.options = options
        self.spill = spill
        self.fork = fork
        self.waiting = deque(range(1, len(scenarios)))
        self.given_back: deque[int] = deque()
        self.results: list[SimResult | None] = [None] * len(scenarios)
        self.done = [0.0] * len(scenarios)
        self.workers: list[Worker] = []
        self.threads: list[threading.Thread] = []
        self.apart = Apart(fork=fork)
        self.watched = any(needs_watch(one, options["hook_timeout_s"]) for one in scenarios)
        self.may_start = 0
        self.begun = 0.0

    def run(self, workers: int) -> list[SimResult | None]:
        """Simulate all, with up to that many workers beside this process."""
        self.may_start = workers
        import_module("ccsim.sim.world")
        self.begun = self._spent_s()
        try:
            if self.watched:
                self.apart.begin()
            if workers and self.fork and may_fork():
                self._start(workers)
            first = self._simulate_here(0)
            if first.failed:
                return [first] + [None] * (len(self.scenarios) - 1)
            self._take_here(self.waiting)
            if self.threads:
                self.while_waiting()
            for thread in self.threads:
                while thread.is_alive():
                    thread.join(0.05)
                    self.progress(sum(self.done) / len(self.done))
            self._take_here(self.given_back)
            return self.results
        finally:
            self.waiting.clear()
            self.apart.close()
            for worker in self.workers:
                worker.kill()
            for thread in self.threads:
                thread.join()
            for worker in self.workers:
                worker.close()

    def _spent_s(self) -> float:
        """Return what has been spent [s]; another process's time is not this one's."""
        return time.monotonic() if self.watched else time.process_time()

    def _consider_workers(self) -> None:
        """Start workers once it is clear that they are worth it."""
        share = sum(self.done) / len(self.done)
        spent_s = self._spent_s() - self.begun
        if self.may_start and share > 0 and spent_s / share - spent_s > WORTH_S:
            self._start(min(self.may_start, len(self.waiting)))

    def _start(self, workers: int) -> None:
        """Start workers, and a thread for each that talks to it; fewer if no more can be had."""
        self.may_start = 0
        with suppress(OSError):
            for _ in range(workers):
                self.workers.append(Worker(serve_simulations, fork=self.fork))
        self.threads = [
            threading.Thread(target=self._work, args=(worker,), daemon=True)
            for worker in self.workers
        ]
        for thread in self.threads:
            thread.start()

    def _work(self, worker: Worker) -> None:
        """Give one worker what waits; what it does not survive is given back."""
        while self.waiting:
            with suppress(IndexError):  # another thread was faster
                index = self.waiting.popleft()
                try:
                    result = simulate_in(
                        worker,
                        self.scenarios[index],
                        self._noting(index),
                        spill=self._spill(),
                        **self.options,
                    )
                except WorkerDied:
                    self.given_back.append(index)
                    return
                self._keep(index, result)

    def _take_here(self, queue: deque[int]) -> None:
        """Simulate in this process until a queue is empty."""
        while queue:
            with suppress(IndexError):
                self._simulate_here(queue.popleft())

    def _simulate_here(self, index: int) -> SimResult:
        note = self._noting(index)

        def progress(t_ns: int) -> None:
            note(t_ns)
            self.progress(sum(self.done) / len(self.done))
            self._consider_workers()

        result = self.apart.simulate(
            self.scenarios[index], progress=progress, spill=self._spill(), **self.options
        )
        self._keep(index, result)
        if not result.failed:
            self._consider_workers()
        return result

    def _spill(self) -> Spill | None:
        from ccsim.spill import Spill

        return None if self.spill is None else Spill(self.spill)

    def _keep(self, index: int, result: SimResult) -> None:
        self.results[index] = result
        self.done[index] = 1.0

    def _noting(self, index: int) -> Callable[[int], None]:
        """Return a function that notes how far one simulation has come."""
        duration_ns = max(self.scenarios[index].duration_ns, 1)

        def note(t_ns: int) -> None:
            self.done[index] = min(t_ns / duration_ns, 1.0)

        return note
