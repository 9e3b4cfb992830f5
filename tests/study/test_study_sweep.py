"""Sweeps: the same bytes however they come about, nothing twice, failures told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import CcsimError, ResultsError, ScenarioError
from ccsim.experiment.run import run_scenario
from ccsim.experiment.stored import load_run
from ccsim.experiment.study import sweep as sweep_module
from ccsim.experiment.study.folder import StudyFolder
from ccsim.experiment.study.plan import plan_study, scenario_of
from ccsim.experiment.study.query import query
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.schedule import Job, Schedule
from ccsim.experiment.study.sweep import Outcome, Progress, run_study
from ccsim.experiment.study.work import answer, measured
from ccsim.jobs import pool as pool_module
from tests.experiment.synthetic import result
from tests.study.study_rig import TINY, digests, done, write

FAILING = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return 2


def undo_cwnd(sk):
    return sk.snd_cwnd


def cong_avoid(sk, ack, acked):
    raise RuntimeError("tripped")


trip = TcpCongestionOps(
    name="trip", ssthresh=ssthresh, undo_cwnd=undo_cwnd, cong_avoid=cong_avoid
)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The tiny study, run by one worker."""
    folder = tmp_path_factory.mktemp("tiny")
    return run_study(read_study(write(folder)), out=folder, workers=1)


@pytest.fixture
def copy(tiny: Outcome, tmp_path: Path) -> Path:
    """A copy of the folder of its results."""
    shutil.copytree(tiny.path, tmp_path / "tiny")
    return tmp_path


def rows(out: Path, sql: str) -> list[tuple[Any, ...]]:
    return query("tiny", sql, out).rows


def test_twins_are_simulated_once_for_all_runs_that_share_them(tiny: Outcome) -> None:
    # 8 runs; twins: 2 rates × 2 seeds × {reno, cubic} = 8, not 16
    assert (tiny.runs, tiny.new, tiny.simulated, tiny.failed) == (8, 8, 16, 0)
    assert set(done(tiny.path).values()) == {1}
    assert sum(done(tiny.path, "ab").values()) == 8
    assert not (tiny.path / ".twins").exists()


def test_the_tables_do_not_depend_on_the_number_of_workers(tiny: Outcome, tmp_path: Path) -> None:
    three = run_study(read_study(write(tmp_path)), out=tmp_path, workers=3)
    assert digests(three.path) == digests(tiny.path)


def test_a_row_holds_what_ccsim_run_measures(tiny: Outcome, tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    plan = plan_study(study)
    chosen = plan.runs[5]
    alone = run_scenario(scenario_of(study, plan.points[chosen.point], chosen.seed), out=tmp_path)
    (cost,) = alone.metrics["swaps"][0]["flows"]
    names = ["deficit_bytes", "cwnd_jump_packets", "drops_in_second_after", "rtt_p99_ms"]
    sql = f"select {', '.join(names)} from runs where run_id = '{alone.run_id}'"
    assert rows(tiny.path.parent, sql) == [tuple(cost[name] for name in names)]
    assert alone.run_id == chosen.run_id


def test_the_twins_values_are_those_of_the_twins_own_runs(tiny: Outcome) -> None:
    # the A-twin of reno → cubic is the B-twin of cubic → reno, in the same window
    sql = """select x.goodput_a_bps = y.goodput_b_bps, x.rtt_p99_a_ms = y.rtt_p99_b_ms
             from runs x join runs y on x.seed = y.seed and x."path.rate" = y."path.rate"
             where x.new = 'cubic' and y.new = 'reno'"""
    assert rows(tiny.path.parent, sql) == [(True, True)] * 4
    (extra,) = rows(
        tiny.path.parent,
        "select bool_and(drops_in_second_after - drops_in_second_after_a = extra_drops) from runs",
    )
    assert extra == (True,)


def test_the_columns_are_those_that_are_documented(tiny: Outcome) -> None:
    found = rows(tiny.path.parent, "select column_name from (describe runs)")
    columns = [row[0] for row in found]
    assert columns[:10] == [
        "study", "point", "path.rate", "path.rate_bps", "flows.0.congestion", "swaps.0.to",
        "swaps.0.at", "swaps.0.at_ns", "seed", "run_id",
    ]  # fmt: skip
    text = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    for name in columns[8:]:
        own = name.replace("_a_", "_").replace("_b_", "_").removesuffix("_a").removesuffix("_b")
        assert f"`{name}`" in text or f"`{own}`" in text, name


def test_jitter_is_the_same_for_all_points_of_a_seed_and_differs_between_seeds(
    tiny: Outcome,
) -> None:
    found = rows(tiny.path.parent, "select seed, min(swap_t_s), max(swap_t_s) from runs group by 1")
    assert all(low == high and 0.25 <= low <= 0.35 for _, low, high in found)
    assert len({low for _, low, _ in found}) == 2


def test_nothing_is_run_again_and_more_seeds_run_what_is_new(copy: Path, tmp_path: Path) -> None:
    before = digests(copy / "tiny")
    again = run_study(read_study(write(tmp_path)), out=copy, workers=1)
    assert (again.new, again.simulated) == (0, 0)
    assert digests(copy / "tiny") == before
    more = run_study(
        read_study(write(tmp_path, TINY.replace("seeds: 2", "seeds: 3"))), out=copy, workers=1
    )
    assert (more.runs, more.new, more.simulated) == (12, 4, 8)
    assert set(done(copy / "tiny").values()) == {1}


def test_a_smaller_study_keeps_what_it_does_not_ask_for(copy: Path, tmp_path: Path) -> None:
    smaller = TINY.replace("[2 Mbit/s, 5 Mbit/s]", "[5 Mbit/s]")
    outcome = run_study(read_study(write(tmp_path, smaller)), out=copy, workers=1)
    assert (outcome.runs, outcome.new) == (4, 0)
    assert rows(copy, "select count(*), max(point) from runs") == [(4, 1)]
    whole = run_study(read_study(write(tmp_path)), out=copy, workers=1)
    assert (whole.runs, whole.new) == (8, 0)


def test_many_small_parts_become_one_and_a_row_that_is_there_twice_counts_once(copy: Path) -> None:
    folder = StudyFolder(copy / "tiny")
    parts = copy / "tiny" / "parts"
    assert [path.name[:11] for path in parts.glob("*.parquet")] == ["part-00000-"]
    ids = sorted(folder.done())
    results = dict(folder.results(ids))
    folder.add(ids[0], results[ids[0]])  # as after a crash between joining and removing
    assert len(list(parts.glob("*.parquet"))) == 2
    assert list(folder.results(ids)) == list(results.items())
    assert folder.done() == set(ids)


def test_a_run_whose_algorithm_raises_is_a_row_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "trip.py").write_text(FAILING)
    text = TINY.replace("  swaps:", "  objects: [trip.py]\n  swaps:")
    text = text.replace("ordered_pairs: [reno, cubic]", "ordered_pairs: [reno, trip]")
    outcome = run_study(read_study(write(tmp_path, text)), out=tmp_path, workers=1)
    assert (outcome.runs, outcome.failed) == (8, 8)
    errors = rows(tmp_path, "select distinct status, error from runs order by 2")
    assert {status for status, _ in errors} == {"failed"}
    assert all("tripped" in error for _, error in errors)
    assert run_study(read_study(write(tmp_path, text)), out=tmp_path, workers=1).simulated == 0


def test_a_run_with_a_twin_that_failed_has_failed_and_says_which() -> None:
    ran, tripped = result(), result(failed="trip.py:13: cong_avoid: tripped")
    found = measured(ran, None, tripped)
    assert (found["status"], found["error"]) == ("failed", f"B-twin: {tripped.failed}")
    assert measured(ran, ran, ran)["status"] == "complete"


def test_a_scenario_without_swaps_has_a_row_a_run_and_its_flows(tmp_path: Path) -> None:
    path = "{rate: 2 Mbit/s, rtt: 20 ms, loss: 5 %}"
    text = f"name: tiny\nbase: {{duration: 300 ms, path: {path}, flows: "
    text += "[{name: a, congestion: reno}, {name: b, congestion: cubic}]}\nseeds: 2\n"
    outcome = run_study(read_study(write(tmp_path, text)), out=tmp_path, workers=1)
    assert outcome.simulated == 2
    assert rows(tmp_path, "select seed, swap, deficit_s from runs") == [
        (1, None, None),
        (2, None, None),
    ]
    assert rows(tmp_path, "select flow, count(*) from flows group by 1 order by 1") == [
        ("a", 2),
        ("b", 2),
    ]
    assert rows(tmp_path, "select count(*) from links") == [(2,)]


def test_points_that_are_the_same_scenario_are_run_once_and_have_a_row_each(tmp_path: Path) -> None:
    text = TINY.replace("[2 Mbit/s, 5 Mbit/s]", "[2 Mbit/s, 2000 kbit/s]")
    outcome = run_study(read_study(write(tmp_path, text)), out=tmp_path, workers=1)
    assert (outcome.runs, outcome.new, outcome.simulated) == (8, 4, 8)
    assert rows(tmp_path, "select count(*), count(distinct run_id) from runs") == [(8, 4)]


def test_traces_are_kept_on_request_as_runs_that_can_be_loaded(tmp_path: Path) -> None:
    text = TINY.replace("seeds: 2", "seeds: 1\nkeep: traces")
    outcome = run_study(read_study(write(tmp_path, text)), out=tmp_path, workers=1)
    folders = sorted((outcome.path / "runs").iterdir())
    assert len(folders) == 4
    run = load_run(folders[0])
    assert run.run_id == folders[0].name
    assert run.twin_a is not None
    (found,) = rows(tmp_path, "select count(distinct run_id), max(snd_cwnd) > 4 from traces")
    assert found == (4, True)


def test_a_twin_that_cannot_be_read_is_simulated_again(
    tmp_path: Path, tiny: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn: list[str] = []
    take = sweep_module._Session.take

    def tearing(self: Any, schedule: Schedule, job: Job, reply: Any) -> bool:
        if job.kind == "a" and not torn:
            torn.append(job.run_id)
            self.folder.twin(job.run_id).write_bytes(b"PK torn")
        return take(self, schedule, job, reply)

    monkeypatch.setattr(sweep_module._Session, "take", tearing)
    outcome = run_study(read_study(write(tmp_path)), out=tmp_path, workers=1)
    assert len(torn) == 1
    assert outcome.simulated == 17
    assert digests(outcome.path) == digests(tiny.path)


class Dying:
    """A pool whose workers die at every simulation."""

    def __init__(self) -> None:
        self.shares: dict[str, float] = {}

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def replies(self, schedule: Schedule, *_: Any) -> Generator[Any, None, None]:
        while job := schedule.next():
            yield job, self.reply()

    def reply(self) -> Any:
        return None


class Full(Dying):
    """A pool whose workers' disk is full."""

    def reply(self) -> Any:
        return {"trouble": "OSError: [Errno 28] No space left on device"}


@pytest.mark.parametrize(
    ("pool", "error", "message"),
    [
        (Dying, CcsimError, r"its worker died 8 times; is there enough memory\?"),
        (Full, ResultsError, "a worker stopped: OSError: .* No space left on device"),
    ],
)
def test_what_keeps_a_study_from_going_on_is_told(
    pool: type[Dying], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run_study(read_study(write(tmp_path)), out=tmp_path, pool_of=lambda folder: pool())
    assert json.loads((tmp_path / "tiny" / "manifest.json").read_text())["status"] == "stopped"


def test_a_machine_without_room_for_a_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(pool_module, "Worker", refused)
    with pytest.raises(CcsimError, match="cannot start a worker process: Resource temporarily"):
        run_study(read_study(write(tmp_path)), out=tmp_path, workers=2)


def test_a_file_that_changes_while_the_study_runs_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TINY.replace("  swaps:", "  objects: [trip.py]\n  swaps:")
    (tmp_path / "trip.py").write_text(FAILING)
    study = read_study(write(tmp_path, text))
    begin = sweep_module._Session.begin

    def changing(self: Any, plan: Any) -> None:
        begin(self, plan)
        (tmp_path / "trip.py").write_text(FAILING + "\n# changed\n")

    monkeypatch.setattr(sweep_module._Session, "begin", changing)
    with pytest.raises(ScenarioError, match="changed while the study ran; start it again"):
        run_study(study, out=tmp_path, workers=1)


def test_a_worker_whose_code_is_not_the_sweeps_refuses(tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    resolved = scenario_of(study, plan_study(study).points[0], 1).resolved()
    request = {"resolved": resolved, "code": "0" * 64, "save": str(tmp_path / "twin.npz")}
    assert "changed while the study ran" in answer(request)["trouble"]
    assert not (tmp_path / "twin.npz").exists()


def test_progress_begins_with_what_is_there_and_ends_with_all(tmp_path: Path) -> None:
    told: list[Progress] = []
    run_study(read_study(write(tmp_path)), out=tmp_path, workers=2, progress=told.append)
    assert (told[0].done, told[-1].done, told[-1].runs) == (0, 8, 8)
    assert told[-1].share == 1.0
    dones = [one.done for one in told]
    assert dones == sorted(dones)


def test_a_results_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ResultsError, match="cannot write results"):
        run_study(read_study(write(tmp_path)), out=tmp_path / "results", workers=1)


def test_runs_that_share_twins_go_together_and_twins_go_first(tmp_path: Path) -> None:
    plan = plan_study(read_study(write(tmp_path)))
    schedule = Schedule(plan.runs, lambda twin: False)
    order: list[Job] = []
    gone: dict[str, int] = {}
    while job := schedule.next():
        order.append(job)
        gone |= dict.fromkeys(schedule.done(job), len(order))
    seen: set[str] = set()
    for job in order:
        if job.kind == "run":
            assert {job.run.twin_a, job.run.twin_b} <= seen
        seen.add(job.run_id)
    assert len(order) == 16
    # each group of two pairs is two twins and two runs, after which its twins are of no use
    assert sorted(gone.values()) == [4, 4, 8, 8, 12, 12, 16, 16]


def test_a_schedule_gives_up_a_job_whose_worker_dies_again_and_again(tmp_path: Path) -> None:
    plan = plan_study(read_study(write(tmp_path)))
    schedule = Schedule(plan.runs, lambda twin: True)
    answers = []
    for _ in range(8):
        job = schedule.next()
        assert job is not None
        answers.append(schedule.died(job))
    assert answers == [True] * 7 + [False]
