"""Runs: what is in their folders, failed ones, interrupted ones, and reading them back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ccsim.sim
from ccsim.errors import ResultsError
from ccsim.experiment import export, find_run, load_run, run_scenario
from ccsim.experiment.code_identity import code_sha256
from ccsim.scenario import Scenario
from ccsim.sim.traces import SimResult
from tests.experiment.conftest import answer
from tests.experiment.synthetic import equal

Asked = list[Scenario]


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {n: (folder / n).read_bytes() for n in files(folder) if n != "manifest.json"}


def test_a_run_with_a_swap_is_stored_with_both_twins(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path / "results", jobs=1, argv=["ccsim", "run"])
    assert run.path == tmp_path / "results" / "dip" / run.run_id
    traces = [f"{name}.parquet" for name in ("drops", "events", "flows", "links", "marks")]
    traces.append("trace.json")
    assert files(run.path) == sorted(
        ["manifest.json", "metrics.json", "resolved.json", "scenario.yaml", *traces]
        + [f"twin-a/{name}" for name in traces]
        + [f"twin-b/{name}" for name in traces]
    )
    assert (run.path / "scenario.yaml").read_text() == Path(scenario.source).read_text()
    assert (run.manifest["status"], run.manifest["argv"]) == ("complete", ["ccsim", "run"])
    assert run.manifest["code_sha256"] == code_sha256(scenario.identity())
    assert run.metrics["swaps"][0]["flows"][0]["deficit_bytes"] == pytest.approx(6_250_000)


def test_the_twins_are_the_scenario_without_swaps_and_with_the_new_one_from_the_start(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run_scenario(scenario, out=tmp_path, jobs=1)
    assert [len(one.swaps) for one in simulated] == [1, 0, 0]
    assert [one.flows[0].congestion for one in simulated] == ["cubic", "bbr", "cubic"]
    assert len({one.seed for one in simulated}) == 1


def test_no_twins_without_swaps_or_when_they_are_not_wanted(
    scenario: Scenario, control: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, twins=False, out=tmp_path, jobs=1)
    assert (run.twin_a, run.twin_b) == (None, None)
    run = run_scenario(control, out=tmp_path, jobs=1)
    assert "scenario.yaml" not in files(run.path)
    assert len(simulated) == 2


def test_a_run_again_gives_the_same_bytes_in_the_same_place(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    first = run_scenario(scenario, out=tmp_path, jobs=1)
    before = contents(first.path)
    again = run_scenario(scenario, out=tmp_path, jobs=1)
    assert again.path == first.path
    assert contents(again.path) == before
    assert first.manifest["sha256"] == again.manifest["sha256"]


def test_a_stored_run_is_read_back_as_it_was(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    read = load_run(run.path)
    assert read.metrics == run.metrics
    assert read.scenario == run.scenario
    assert read.manifest == run.manifest
    for one, other in ((read.result, run.result), (read.twin_a, run.twin_a)):
        assert equal(one, other)
    assert read.flows["bulk"].snd_cwnd[0] == 100
    assert (read.name, read.run_id, read.failed) == ("dip", run.run_id, "")


def test_a_run_whose_algorithm_raised_is_kept_as_failed_without_twins(
    scenario: Scenario, simulated: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scenario: Scenario, **_: Any) -> SimResult:
        return answer(scenario, failed="my_cc.py:7: cong_avoid: ZeroDivisionError")

    good = run_scenario(scenario, out=tmp_path, jobs=1)
    monkeypatch.setattr(ccsim.sim, "simulate", broken)
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    assert run.path == good.path.with_name(f"{good.path.name}.failed")
    assert run.failed == "my_cc.py:7: cong_avoid: ZeroDivisionError"
    assert run.manifest["status"] == "failed"
    assert (run.run_id, run.twin_a) == (good.run_id, None)
    read = load_run(run.path)
    assert read.failed == run.failed
    assert len(read.flows["bulk"].t_ns) == 3001


def test_a_failed_twin_fails_the_run_and_says_which(
    scenario: Scenario, simulated: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scenario: Scenario, **_: Any) -> SimResult:
        bbr = scenario.flows[0].congestion == "bbr"
        return answer(scenario, failed="bbr.py:1: boom" if bbr else "")

    monkeypatch.setattr(ccsim.sim, "simulate", broken)
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    assert run.failed == "B-twin: bbr.py:1: boom"
    assert run.metrics["swaps"][0]["flows"][0]["time_to_b_twin_s"] is None


def test_a_run_that_works_again_replaces_the_failed_one(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    failed = run.path.with_name(f"{run.run_id}.failed")
    failed.mkdir()
    run_scenario(scenario, out=tmp_path, jobs=1)
    assert not failed.exists()


def test_an_interrupted_run_leaves_nothing(
    scenario: Scenario, simulated: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(scenario: Scenario, **_: Any) -> SimResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(ccsim.sim, "simulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_scenario(scenario, out=tmp_path / "results", jobs=1)
    assert list((tmp_path / "results").iterdir()) == []


def test_results_that_cannot_be_written_are_refused_before_the_first_event(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="--out DIR"):
        run_scenario(scenario, out=tmp_path / "file", jobs=1)
    assert simulated == []


def test_progress_goes_up_to_all_of_it(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    seen: list[float] = []
    run_scenario(scenario, out=tmp_path, jobs=1, progress=seen.append)
    # each of three simulations reports half of its 30 s
    assert seen == pytest.approx([0.5 / 3, 1.5 / 3, 2.5 / 3])


def test_no_jobs_at_all_is_refused(scenario: Scenario, simulated: Asked, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs: expected 1 or more, got 0"):
        run_scenario(scenario, out=tmp_path, jobs=0)


def test_a_picture_is_drawn_into_the_folder_and_hashed(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path, jobs=1, formats=("png",))
    assert (run.path / "plots" / "run.png").read_bytes().startswith(b"\x89PNG")
    assert "plots/run.png" in run.manifest["sha256"]
    assert run.plot(tmp_path / "here" / "mine.svg").read_text().startswith("<?xml")
    with pytest.raises(ValueError, match="expected png"):
        run.plot(tmp_path / "mine.gif")


def test_export_writes_csv_of_the_run_and_its_twins(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path / "results", jobs=1)
    written = export(run, "csv", tmp_path / "csv")
    assert [p.relative_to(tmp_path / "csv").as_posix() for p in written][:6] == [
        "flows.csv",
        "links.csv",
        "drops.csv",
        "marks.csv",
        "events.csv",
        "twin-a/flows.csv",
    ]
    assert (tmp_path / "csv" / "drops.csv").read_text().splitlines() == [
        "link,t_ns,flow,reason",
        "bottleneck,20500000000,bulk,overflow",
    ]
    with pytest.raises(ValueError, match=r"expected one of .*csv.*, got 'xls'"):
        export(run, "xls", tmp_path / "csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="choose another --out"):
        export(run, "csv", tmp_path / "file" / "below")


def test_a_run_is_found_by_folder_id_beginning_and_scenario(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    for text in (str(run.path), run.run_id, run.run_id[:5], "dip"):
        assert find_run(text, tmp_path) == run.path


def test_of_a_scenarios_runs_the_newest_is_found(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run_scenario(scenario, out=tmp_path, jobs=1)
    newer = run_scenario(replace(scenario, seed=2), out=tmp_path, jobs=1)
    assert find_run("dip", tmp_path) == newer.path


@pytest.mark.parametrize("text", ["nothing", "", ".."])
def test_a_run_that_is_not_there_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="expected a run's folder, its run id or its scenario"):
        find_run(text, tmp_path)


def test_a_folder_that_is_no_run_or_a_damaged_one_is_refused(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    with pytest.raises(ResultsError, match=r"no manifest\.json in it"):
        load_run(tmp_path)
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    (run.path / "flows.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ResultsError, match="the run is damaged"):
        load_run(run.path)


def test_the_metrics_file_is_the_metrics(
    scenario: Scenario, simulated: Asked, tmp_path: Path
) -> None:
    run = run_scenario(scenario, out=tmp_path, jobs=1)
    assert json.loads((run.path / "metrics.json").read_text()) == run.metrics
    assert "wall_s" not in (run.path / "metrics.json").read_text()
