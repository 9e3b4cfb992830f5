"""In which order a study's simulations start: twins before the runs that need them, each once.

Runs that share twins, directly or through one another, go together, so that few twins lie on the
disk at a time. The order changes no result.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ccsim.experiment.study.plan import PlannedRun

__all__ = ["Job", "Schedule"]

ATTEMPTS = 8
"""A simulation whose worker has died so often is given up."""


@dataclass(frozen=True, slots=True, order=True)
class Job:
    """One simulation: a run, or its A- or B-twin (``kind``: "run", "a", "b")."""

    number: int
    run_id: str
    kind: str
    run: PlannedRun


class Schedule:
    """What is still to simulate. Not safe for threads by itself."""

    def __init__(self, runs: Sequence[PlannedRun], has_twin: Callable[[str], bool]) -> None:
        once = {run.run_id: run for run in runs}
        jobs = list(_jobs(_grouped(list(once.values())), has_twin))
        self.total = len(jobs)
        self.left = len(jobs)
        self.needed = Counter(twin for run in once.values() for twin in _twins(run))
        self._ready: list[Job] = []
        self._blocked: dict[str, set[str]] = {}
        self._behind: dict[str, list[Job]] = defaultdict(list)
        self._deaths: Counter[str] = Counter()
        planned = {job.run_id for job in jobs if job.kind != "run"}
        for job in jobs:
            self._put(job, planned & set(_twins(job.run)) if job.kind == "run" else set())
        self._twin_jobs = {job.run_id: job for job in jobs if job.kind != "run"}

    def next(self) -> Job | None:
        """Return what to start next; None if nothing can be started now."""
        return heapq.heappop(self._ready) if self._ready else None

    def done(self, job: Job) -> list[str]:
        """Note that a job is done; return the twins that nobody needs any more."""
        self.left -= 1
        if job.kind != "run":
            for waiting in self._behind.pop(job.run_id, ()):
                self._blocked[waiting.run_id].discard(job.run_id)
                if not self._blocked[waiting.run_id]:
                    heapq.heappush(self._ready, waiting)
            return []
        self.needed.subtract(_twins(job.run))
        return [twin for twin in _twins(job.run) if not self.needed[twin]]

    def died(self, job: Job) -> bool:
        """Start a job again whose worker died; False if that has happened too often."""
        self._deaths[job.run_id] += 1
        heapq.heappush(self._ready, job)
        return self._deaths[job.run_id] < ATTEMPTS

    def without_twin(self, job: Job, twin: str) -> None:
        """Let a run wait for a twin, to be simulated (again) because its file cannot be read."""
        if twin not in self._behind:
            kind = "a" if twin == job.run.twin_a else "b"
            again = self._twin_jobs.get(twin) or Job(job.number, twin, kind, job.run)
            heapq.heappush(self._ready, again)
            self.total += 1
            self.left += 1
        self._put(job, {twin})

    def _put(self, job: Job, needs: set[str]) -> None:
        if not needs:
            heapq.heappush(self._ready, job)
            return
        self._blocked[job.run_id] = needs
        for twin in needs:
            self._behind[twin].append(job)


def _twins(run: PlannedRun) -> set[str]:
    return {twin for twin in (run.twin_a, run.twin_b) if twin}


def _jobs(runs: Iterable[PlannedRun], has_twin: Callable[[str], bool]) -> Iterable[Job]:
    """Yield each run behind those of its twins that nobody has simulated yet."""
    number, seen = 0, set()
    for run in runs:
        for kind, twin in (("a", run.twin_a), ("b", run.twin_b)):
            if twin and twin not in seen and not has_twin(twin):
                yield Job(number, twin, kind, run)
                number += 1
            seen.add(twin)
        yield Job(number, run.run_id, "run", run)
        number += 1


def _grouped(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Return runs with those that share twins together, else in their order (union-find)."""
    parent: dict[str, str] = {}

    def root(twin: str) -> str:
        while parent.setdefault(twin, twin) != twin:
            parent[twin] = parent[parent[twin]]
            twin = parent[twin]
        return twin

    for run in runs:
        if run.twin_a and run.twin_b:
            parent[root(run.twin_b)] = root(run.twin_a)
    groups: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        groups[root(run.twin_a) if run.twin_a else run.run_id].append(run)
    return [run for group in groups.values() for run in group]
