"""Seeds that draw nothing: simulated once, counted once, and said so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ccsim.experiment.study.folder import Fact, StudyFolder
from ccsim.experiment.study.plan import PlannedRun, plan_study
from ccsim.experiment.study.query import query
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.repeats import leads_of, mark_repeats, repeat_notes
from ccsim.experiment.study.schedule import Job, Schedule
from ccsim.experiment.study.sequential import until_ci
from ccsim.experiment.study.summary import summarise
from ccsim.experiment.study.sweep import Outcome, run_study
from tests.study.study_rig import TINY, ccsim, digests, write

QUIET = """\
name: tiny
base:
  duration: 600 ms
  path: {rate: 5 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
  flows: [{name: bulk, congestion: cubic}]
  swaps: [{at: 300 ms, via: setsockopt, flows: [bulk], to: reno}]
design: {grid: {path.buffer: [1 BDP]}}
seeds: 10
"""
"""Nothing in it is random."""
ASKING = """\
from ccsim.kernel import TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd


def init(sk):
    sk.random.u32()


asks = TcpCongestionOps(
    name="asks", init=init, ssthresh=tcp_reno_ssthresh, undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
)
"""
"""An algorithm that draws a random number and makes nothing of it."""


def swept(folder: Path, text: str = QUIET, **options: Any) -> Outcome:
    return run_study(read_study(write(folder, text)), out=folder, workers=1, **options)


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    return query("tiny", sql, folder).rows


def test_ten_seeds_of_which_nothing_is_drawn_are_one_run_and_its_twins(tmp_path: Path) -> None:
    outcome = swept(tmp_path)
    assert (outcome.runs, outcome.repeats, outcome.simulated) == (1, 9, 3)
    assert rows(tmp_path, "select seed, count(*) from runs group by 1") == [(1, 1)]
    for table in ("flows", "links", "totals", "metrics"):
        assert rows(tmp_path, f"select count(distinct seed) from {table}") == [(1,)]
    plan = json.loads((outcome.path / "plan.json").read_text())
    assert [run.get("same_as") for run in plan["runs"]] == [None, *[plan["runs"][0]["run_id"]] * 9]


def test_one_outcome_has_no_interval_no_effect_size_and_no_p_and_says_why(tmp_path: Path) -> None:
    found = summarise(swept(tmp_path).path, "deficit_s")
    (point,) = found.points
    assert (point.mean.n, point.mean.low, point.mean.high) == (1, None, None)
    assert math.isnan(point.p)
    assert math.isnan(point.p_holm)
    assert math.isnan(point.cohens_d)
    (note,) = [note for note in found.notes if "Nothing random" in note]
    assert note.startswith("Nothing random happens here: every seed gives the same run")
    assert all(word in note for word in ("loss", "jitter", "workload", "n = 1"))
    assert not any("run more seeds" in note for note in found.notes)
    assert found.notes[0].startswith("1 of 1 runs")


def test_a_single_seed_of_which_nothing_is_drawn_is_not_told_to_take_more(tmp_path: Path) -> None:
    notes = summarise(swept(tmp_path, QUIET.replace("seeds: 10", "seeds: 1")).path, "deficit_s")
    assert any("Nothing random happens here" in note for note in notes.notes)
    assert not any("run more seeds" in note for note in notes.notes)


def test_seeds_that_lose_packets_are_runs_of_their_own(tmp_path: Path) -> None:
    outcome = swept(tmp_path, QUIET.replace("1 BDP}", "1 BDP, loss: 1 %}"))
    assert (outcome.runs, outcome.repeats, outcome.simulated) == (10, 0, 30)
    found = summarise(outcome.path, "deficit_s")
    assert found.points[0].mean.n == 10
    assert not any("random" in note for note in found.notes)


def test_points_are_told_apart_one_by_one(tmp_path: Path) -> None:
    text = QUIET.replace("path.buffer: [1 BDP]", "path.loss: [0 %, 1 %]").replace("10\n", "3\n")
    outcome = swept(tmp_path, text)
    assert (outcome.runs, outcome.repeats) == (4, 2)
    assert rows(tmp_path, "select point, count(*) from runs group by 1 order by 1") == [
        (0, 1),
        (1, 3),
    ]
    notes = summarise(outcome.path, "deficit_s").notes
    assert any(note.startswith("Nothing random happens at 1 of 2 points") for note in notes)


def test_jitter_of_a_choice_counts_each_value_once(tmp_path: Path) -> None:
    jitter = "jitter: {swaps.0.at: {choice: [250 ms, 300 ms]}}\n"
    outcome = swept(tmp_path, QUIET + jitter)
    assert (outcome.runs, outcome.repeats) == (2, 8)
    found = summarise(outcome.path, "deficit_s")
    assert found.points[0].mean.n == 2
    assert any(
        note.startswith("8 of 10 seeds drew values that another one") for note in found.notes
    )


def test_an_algorithm_that_draws_for_nothing_gives_one_outcome(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(ASKING)
    text = QUIET.replace("  swaps", "  objects: [asks.py]\n  swaps").replace("to: reno", "to: asks")
    outcome = swept(tmp_path, text.replace("seeds: 10", "seeds: 3"))
    assert (outcome.simulated, outcome.runs, outcome.repeats) == (9, 1, 2)
    found = summarise(outcome.path, "deficit_s")
    assert found.points[0].mean.n == 1
    assert any("all came out alike: n = 1" in note for note in found.notes)


def test_more_seeds_are_not_asked_for_where_they_make_no_difference(tmp_path: Path) -> None:
    outcome = swept(tmp_path, rounds=until_ci("1%", "deficit_s", 50))
    assert (outcome.runs, outcome.simulated) == (1, 3)


def test_interrupted_or_not_and_by_so_many_workers_the_tables_are_the_same(tmp_path: Path) -> None:
    first = swept(tmp_path, QUIET.replace("seeds: 10", "seeds: [5]"))
    assert rows(tmp_path, "select seed from runs") == [(5,)]
    again = swept(tmp_path)  # seed 1 leads, whichever seed was there before
    assert (again.runs, again.repeats, again.simulated) == (1, 9, 3)
    (tmp_path / "whole").mkdir()
    whole = run_study(read_study(write(tmp_path)), out=tmp_path / "whole", workers=3)
    assert whole.runs == 8
    whole = run_study(read_study(write(tmp_path, QUIET)), out=tmp_path / "two", workers=2)
    assert digests(whole.path) == digests(first.path)
    assert swept(tmp_path).simulated == 0


def test_the_terminal_says_that_seeds_repeat_a_run(tmp_path: Path) -> None:
    write(tmp_path, QUIET)
    status, out, _ = ccsim(tmp_path, "sweep", "tiny.yaml", "--workers", "1")
    assert status == 0
    assert out.startswith("tiny: 1 run, of which 0 were there; 3 simulations")
    assert "9 further seeds only repeat a run" in out
    status, out, _ = ccsim(tmp_path, "ls", "--json")
    assert [entry["runs"] for entry in json.loads(out)] == [1]


def test_what_a_run_drew_is_in_its_metrics(tmp_path: Path) -> None:
    outcome = swept(tmp_path, TINY)
    found = [one["metrics"]["random"] for _, one in results(outcome)]
    assert found == [["loss"]] * 8


def results(outcome: Outcome) -> Any:
    folder = StudyFolder(outcome.path)
    return folder.results(sorted(folder.done()))


def test_a_study_of_an_older_version_is_read_as_it_was(tmp_path: Path) -> None:
    plan: dict[str, Any] = {
        "columns": [],
        "runs": [{"run_id": f"{k}", "point": 0, "seed": k, "values": {}} for k in (1, 2)],
    }
    facts = {f"{k}": Fact(None, "") for k in (1, 2)}
    assert mark_repeats(plan, facts) == plan
    assert list(repeat_notes(plan, facts)) == []


# --- the schedule --------------------------------------------------------------------------------


def quiet_runs(folder: Path) -> tuple[PlannedRun, ...]:
    return plan_study(read_study(write(folder, QUIET.replace("10\n", "3\n")))).runs


def test_a_run_that_may_repeat_another_waits_for_what_that_one_drew(tmp_path: Path) -> None:
    runs = quiet_runs(tmp_path)
    leads = leads_of(runs)
    assert leads == {run.run_id: runs[0].run_id for run in runs[1:]}
    for drew, more in ((False, []), (True, [run.run_id for run in runs[1:]])):
        schedule = Schedule(runs, lambda twin: False, leads)
        order = started(schedule, drew)
        assert [job.run_id for job in order if job.kind == "run"] == [runs[0].run_id, *more]
        assert schedule.left == 0
        assert len(order) == schedule.total == (9 if drew else 3)
        assert schedule.dropped == (set() if drew else set(leads))


def started(schedule: Schedule, drew: bool) -> list[Job]:
    order = []
    while job := schedule.next():
        order.append(job)
        schedule.done(job, drew)
    return order


def test_runs_that_are_sure_to_draw_wait_for_nobody(tmp_path: Path) -> None:
    assert leads_of(plan_study(read_study(write(tmp_path))).runs) == {}


def test_twins_that_dropped_runs_alone_need_are_left_out_and_shared_ones_are_not() -> None:
    def run(run_id: str, twin_a: str, scenario: str) -> PlannedRun:
        return PlannedRun(run_id, 0, 1, {}, twin_a, f"b-{run_id}", scenario=scenario)

    runs = [run("p1", "a1", "p"), run("p2", "a2", "p"), run("q1", "a1", "q"), run("q2", "a2", "q")]
    schedule = Schedule(runs, lambda twin: False, leads_of(runs))
    jobs = []
    while job := schedule.next():
        jobs.append(job.run_id)
        schedule.done(job, job.run_id != "p1")  # only p draws nothing
    assert sorted(jobs) == ["a1", "a2", "b-p1", "b-q1", "b-q2", "p1", "q1", "q2"]
    assert schedule.left == 0


@pytest.mark.parametrize(
    ("outcomes", "marked"),
    [(["x", "x", "x"], [None, "1", "1"]), (["x", "x", "y"], [None] * 3), (["x"], [None] * 3)],
)
def test_seeds_that_drew_count_as_one_only_if_all_came_out_alike(
    outcomes: list[str], marked: list[str | None]
) -> None:
    runs: list[dict[str, Any]] = [
        {"run_id": f"{k}", "point": 0, "seed": k, "scenario": "s", "values": {}} for k in (1, 2, 3)
    ]
    facts = {f"{k}": Fact("loss", outcome) for k, outcome in enumerate(outcomes, start=1)}
    plan = mark_repeats({"columns": [], "runs": runs}, facts)
    assert [run.get("same_as") for run in plan["runs"]] == marked
    notes = " ".join(repeat_notes(plan, facts))
    assert ("distinct outcomes of 3" in notes) == (outcomes == ["x", "x", "y"])
