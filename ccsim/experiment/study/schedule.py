"""The order in which a study's simulations start: twins before the runs that need them, each once.

Runs that share twins, directly or through one another, go together, so that few twins lie on the
disk at a time. A run that may repeat that of another seed is held until that one is done and it is
known whether it drew anything from its seed. The order changes no result.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ccsim.experiment.study.plan import PlannedRun

__all__ = ["Job", "Schedule"]

ATTEMPTS = 8
"""A simulation is given up after its worker has died this often."""


@dataclass(frozen=True, slots=True, order=True)
class Job:
    """One simulation: a run, or its A- or B-twin (``kind``: "run", "a", "b")."""

    number: int
    run_id: str
    kind: str
    run: PlannedRun


class Schedule:
    """What is still to simulate. Not thread-safe by itself.

    ``leads`` names for some runs the one that each is held for; ``dropped`` are those of which that
    one showed that they repeat it.
    """

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        has_twin: Callable[[str], bool],
        leads: Mapping[str, str] | None = None,
    ) -> None:
        once = {run.run_id: run for run in runs}
        jobs = list(_jobs(_grouped(list(once.values())), has_twin))
        self.total = len(jobs)
        self.left = len(jobs)
        self.needed = Counter(twin for run in once.values() for twin in _twins(run))
        self.dropped: set[str] = set()
        self._ready: list[Job] = []
        self._blocked: dict[str, set[str]] = {}
        self._behind: dict[str, list[Job]] = defaultdict(list)
        self._held: dict[str, list[Job]] = defaultdict(list)
        self._deaths: Counter[str] = Counter()
        self._twin_jobs = {job.run_id: job for job in jobs if job.kind != "run"}
        self._unasked = dict(self._twin_jobs)
        self._under_way: set[str] = set()
        for job in jobs:
            if job.kind == "run":
                lead = (leads or {}).get(job.run_id)
                self._held[lead].append(job) if lead else self._start(job)

    def next(self) -> Job | None:
        """Return what to start next; None if nothing can be started now."""
        return heapq.heappop(self._ready) if self._ready else None

    def done(self, job: Job, drew: bool = True) -> list[str]:
        """Note that a job is done; return the twins that are needed no more.

        ``drew``: whether a run, or a twin of it, drew anything from its seed. If not, what was held
        for it is dropped.
        """
        self.left -= 1
        if job.kind != "run":
            self._under_way.discard(job.run_id)
            for waiting in self._behind.pop(job.run_id, ()):
                self._blocked[waiting.run_id].discard(job.run_id)
                if not self._blocked[waiting.run_id]:
                    heapq.heappush(self._ready, waiting)
            return []
        gone = self._let_go(job.run)
        for held in self._held.pop(job.run_id, ()):
            if drew:
                self._start(held)
            else:
                gone += self._drop(held)
        return gone

    def _let_go(self, run: PlannedRun) -> list[str]:
        self.needed.subtract(_twins(run))
        return [twin for twin in _twins(run) if not self.needed[twin]]

    def _drop(self, job: Job) -> list[str]:
        """Leave out a run and those of its twins that no other needs; return twins that are
        there and of no use."""
        self.dropped.add(job.run_id)
        gone = self._let_go(job.run)
        unasked = [twin for twin in gone if self._unasked.pop(twin, None)]
        self.left -= 1 + len(unasked)
        self.total -= 1 + len(unasked)
        return [twin for twin in gone if twin not in unasked]

    def _start(self, job: Job) -> None:
        """Make a run ready, behind those of its twins that are still to simulate."""
        for twin in _twins(job.run):
            if asked := self._unasked.pop(twin, None):
                self._under_way.add(twin)
                heapq.heappush(self._ready, asked)
        self._put(job, self._under_way & _twins(job.run))

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
            self._under_way.add(twin)
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
    """Yield each run behind those of its twins that are not simulated yet."""
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
