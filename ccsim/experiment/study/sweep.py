"""Running a study: what is missing is simulated, each run once, and the tables are written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ccsim.errors import CcsimError, Problem, ResultsError, ScenarioError
from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.store import package_versions
from ccsim.experiment.study.folder import MANIFEST, MANY, PLAN, RUNS, StudyFolder, drawn
from ccsim.experiment.study.plan import Plan, PlannedRun, id_in, plan_study, scenario_of
from ccsim.experiment.study.read import BACKENDS, Study
from ccsim.experiment.study.repeats import leads_of, mark_repeats, repeated
from ccsim.experiment.study.schedule import ATTEMPTS, Job, Schedule
from ccsim.experiment.study.tables import write_tables
from ccsim.experiment.study.worker import serve_study
from ccsim.jobs.batch import default_jobs
from ccsim.jobs.pool import LocalPool, Reply
from ccsim.jobs.signals import signals_held
from ccsim.scenario import Scenario

__all__ = ["Outcome", "Progress", "Rounds", "run_study"]

STUDY = "study.yaml"
BASE = "base.yaml"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study has come: runs done of all, and the share of this sweep's simulations."""

    done: int
    runs: int
    share: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sweep did: ``runs`` in the study, ``new`` of them run now, ``failed`` of all.

    ``repeats`` are further seeds that only repeat a run. ``simulated`` counts this sweep's
    simulations, twins included; ``deaths`` workers that died, ``damaged`` files of finished runs
    that were not what had been written, so that the runs are new.
    """

    path: Path
    runs: int
    new: int
    failed: int
    simulated: int
    deaths: int
    wall_s: float
    tables: tuple[Path, ...]
    repeats: int = 0
    damaged: int = 0


class Pool(Protocol):
    """Where simulations are carried out."""

    shares: dict[str, float]

    def replies(
        self,
        schedule: Schedule,
        request: Callable[[Job], dict[str, Any]],
        started: Callable[[Job], None],
    ) -> Generator[tuple[Job, Reply] | None, None, None]:
        """Yield each job with its reply, and None now and then in between."""
        ...


PoolOf = Callable[[StudyFolder], AbstractContextManager[Pool]]
Rounds = Callable[[StudyFolder, Plan], "dict[int, tuple[int, ...]] | None"]
"""After each round: the seeds of each point for the next one, or None for no further round."""


def run_study(
    study: Study,
    *,
    out: str | Path = "results",
    workers: int | None = None,
    pool_of: PoolOf | None = None,
    rounds: Rounds | None = None,
    progress: Callable[[Progress], None] | None = None,
    hook_timeout_s: float = 10.0,
    retry: int = 0,
    argv: Sequence[str] = (),
) -> Outcome:
    """Run what is missing of a study and write its tables.

    Every scenario is validated before anything is written: ScenarioError. ``workers`` processes
    simulate (None: one a core), or the pool that ``pool_of`` makes; neither changes a byte of the
    tables. ``rounds`` may ask for more seeds. Whatever ends it early (Ctrl-C, a kill), runs that
    are done stay done, and the next call goes on. ResultsError if the folder cannot be written.

    A study whose backend is ``linux`` runs on this machine's kernel, one run after the other, each
    up to ``retry`` times again while the machine disturbs it; LinuxError if that is not possible.
    """
    plan = plan_study(study)
    if study.backend != BACKENDS[0]:
        _check_kernel(study, plan, elsewhere=pool_of is not None)
        workers = 1  # in real time, and each is to have the machine for itself
    folder = StudyFolder.of(Path(out), study.name)
    clock = time.perf_counter()
    with folder.locked():
        session = _Session(study, folder, progress, argv, hook_timeout_s, retry)
        session.begin(plan)
        try:
            with (pool_of or _local(workers))(folder) as pool:
                session.run(plan, pool)
                while rounds and (seeds := rounds(folder, plan)) is not None:
                    plan = plan_study(study, seeds)
                    session.run(plan, pool)
            tables = session.complete(plan)
        except BaseException as error:
            orderly = isinstance(error, Exception)
            session.write_manifest("stopped" if orderly else "interrupted", runs=len(plan.runs))
            raise
    return Outcome(
        folder.path,
        len(plan.runs) - session.repeats,
        session.new,
        session.failed,
        session.simulated,
        session.deaths,
        time.perf_counter() - clock,
        tables,
        session.repeats,
        session.damaged,
    )


def _check_kernel(study: Study, plan: Plan, *, elsewhere: bool) -> None:
    """Raise before anything starts what of a study this machine's kernel cannot do."""
    from ccsim.experiment.on_linux import check_all

    if elsewhere:
        raise CcsimError(f"{study.name}: backend linux means this machine, not a cluster")
    first = {run.scenario: run for run in plan.runs}
    check_all(scenario_of(study, plan.points[run.point], run.seed) for run in first.values())


def _local(workers: int | None) -> PoolOf:
    """Return a maker of worker processes on this machine."""

    def make(folder: StudyFolder) -> AbstractContextManager[Pool]:
        inherited = () if folder.lock_fd is None else (folder.lock_fd,)
        return nullcontext(LocalPool(serve_study, workers or default_jobs(), inherited))

    return make


@dataclass
class _Session:
    """One sweep over a study's folder, which it holds."""

    study: Study
    folder: StudyFolder
    progress: Callable[[Progress], None] | None
    argv: Sequence[str]
    hook_timeout_s: float
    retry: int
    new: int = 0
    simulated: int = 0
    deaths: int = 0
    failed: int = 0
    repeats: int = 0
    damaged: int = 0
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def begin(self, plan: Plan) -> None:
        """Write what the study is before its first run."""
        self.folder.write_text(STUDY, self.study.text)
        if self.study.base_source:
            text = Path(self.study.base_source).read_text(encoding="utf-8-sig")
            self.folder.write_text(BASE, text)
        self.write_manifest("running", runs=len(plan.runs))
        self.folder.log("session", runs=len(plan.runs), argv=list(self.argv))
        self.damaged = self.folder.drop_broken()

    def write_manifest(self, status: str, **facts: Any) -> None:
        """Say how it stands; who, when and with which versions."""
        manifest = {
            "kind": "study",
            "study": self.study.name,
            "description": self.study.description,
            "status": status,
            **facts,
            "keep": self.study.keep,
            **({} if self.study.backend == BACKENDS[0] else {"backend": self.study.backend}),
            "argv": list(self.argv),
            "started": self.started,
            "code_sha256": code_sha256({"objects": True}),  # all that a study may reach
            "versions": package_versions(),
        }
        self.folder.write_json(MANIFEST, manifest)

    def run(self, plan: Plan, pool: Pool) -> None:
        """Simulate what is missing of a plan."""
        self.write_plan(plan)
        schedule, finished, expected = self.schedule(plan)
        parts = 0
        self.tell(schedule, pool, finished, expected)
        requests = _Requests(self.study, plan, self.folder, self.hook_timeout_s, self.retry)
        # What ends the loop early must close the replies, which hold the schedule's lock meanwhile.
        replies = pool.replies(schedule, requests, self.note_start)
        with signals_held() as act, closing(replies):
            for found in replies:
                if found is not None:
                    stored = self.take(schedule, *found)
                    finished, parts = finished + stored, parts + stored
                    self.new += stored
                if parts >= MANY:
                    self.folder.compact()
                    parts = 0
                self.tell(schedule, pool, finished, expected - len(schedule.dropped))
                act()
        self.write_plan(plan)

    def write_plan(self, plan: Plan) -> None:
        """Write the plan, in which runs that are known to repeat another one say so."""
        marked = mark_repeats(plan.to_plain(), self.folder.facts())
        self.repeats = sum(map(repeated, marked["runs"]))
        self.folder.write_text(PLAN, json.dumps(marked, ensure_ascii=False) + "\n")

    def schedule(self, plan: Plan) -> tuple[Schedule, int, int]:
        """Return what is to simulate, how many runs are finished, and how many there are to be."""
        facts, leads = self.folder.facts(), leads_of(plan.runs)
        repeat = {
            run_id for run_id, lead in leads.items() if lead in facts and facts[lead].drew == ""
        }
        planned = {run.run_id for run in plan.runs} - repeat
        missing = [run for run in plan.runs if run.run_id in planned - facts.keys()]
        held = {run_id: lead for run_id, lead in leads.items() if lead not in facts}
        schedule = Schedule(missing, lambda twin: self.folder.twin(twin).exists(), held)
        return schedule, len(planned & facts.keys()), len(planned)

    def note_start(self, job: Job) -> None:
        self.folder.log("start", run=job.run_id, kind=job.kind)

    def take(self, schedule: Schedule, job: Job, reply: Reply) -> bool:
        """Deal with one reply; report whether a run was stored."""
        if reply is None:
            self.deaths += 1
            self.folder.log("died", run=job.run_id, kind=job.kind)
            if not schedule.died(job):
                raise CcsimError(
                    f"{self.study.name}: run {job.run_id} (point {job.run.point}, seed "
                    f"{job.run.seed}): its worker died {ATTEMPTS} times; is there enough memory?"
                )
            return False
        if "trouble" in reply:
            raise ResultsError(str(self.folder.path), f"a worker stopped: {reply['trouble']}")
        if "unreadable" in reply:
            twin = Path(reply["unreadable"]).stem
            self.folder.drop_twins([twin])
            schedule.without_twin(job, twin)
            return False
        if job.kind == "run":
            self.folder.add(job.run_id, reply)
        self.simulated += 1
        seconds = round(reply["seconds"], 4)
        self.folder.log("done", run=job.run_id, kind=job.kind, seconds=seconds)
        self.folder.drop_twins(schedule.done(job, job.kind != "run" or drawn(reply) != []))
        return job.kind == "run"

    def tell(self, schedule: Schedule, pool: Pool, done: int, runs: int) -> None:
        """Report progress."""
        if self.progress:
            under_way = sum(list(pool.shares.values()))
            share = (schedule.total - schedule.left + under_way) / max(schedule.total, 1)
            self.progress(Progress(done, runs, min(share, 1.0)))

    def complete(self, plan: Plan) -> tuple[Path, ...]:
        """Write the tables and that all is done, which no signal comes between; return the
        tables."""
        with signals_held():
            self.folder.compact()
            tables = tuple(write_tables(self.folder))
            self.failed = self.count_failed(plan)
            runs = len(plan.runs) - self.repeats
            facts = {"runs": runs, "repeats": self.repeats, "failed": self.failed}
            self.write_manifest("complete", **facts, **self.folder.hashes())
            self.folder.clean()
        return tables

    def count_failed(self, plan: Plan) -> int:
        """Return how many of the plan's runs failed."""
        ids = [run.run_id for run in plan.runs]
        return sum(result["status"] == "failed" for _, result in self.folder.results(ids))


class _Requests:
    """Makes what a worker is sent for a job: its scenario is built again, not kept."""

    def __init__(
        self, study: Study, plan: Plan, folder: StudyFolder, hook_timeout_s: float, retry: int
    ) -> None:
        self.study = study
        self.plan = plan
        self.folder = folder
        self.hook_timeout_s = hook_timeout_s
        self.retry = retry

    def __call__(self, job: Job) -> dict[str, Any]:
        """Return the request; ScenarioError if a file has changed since the plan was made."""
        scenario = self.scenario(job.run, job.kind)
        if id_in(self.study, scenario) != job.run_id:
            reason = "its code or an object file changed while the study ran; start it again"
            raise ScenarioError(Problem(self.study.file, 0, 0, "", reason))
        resolved = scenario.resolved()
        whole = {
            "resolved": resolved,
            "code": code_sha256(resolved),
            "hook_timeout_s": self.hook_timeout_s,
            **({} if self.study.backend == BACKENDS[0] else {"retry": self.retry}),
        }
        if job.kind != "run":
            return {**whole, "save": str(self.folder.twin(job.run_id))}
        twins = {"twin_a": job.run.twin_a, "twin_b": job.run.twin_b}
        traces = self.folder.path / RUNS / job.run_id if self.study.keep == "traces" else ""
        return {
            **whole,
            **{key: str(self.folder.twin(twin)) if twin else "" for key, twin in twins.items()},
            "traces": str(traces),
        }

    def scenario(self, run: PlannedRun, kind: str) -> Scenario:
        scenario = scenario_of(self.study, self.plan.points[run.point], run.seed)
        if kind == "run":
            return scenario
        return scenario.without_swaps() if kind == "a" else scenario.with_b_twin()
