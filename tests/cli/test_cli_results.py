"""Several runs of one name: what they differ in, which one is taken, and how they are deleted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.errors import ResultsError
from ccsim.experiment.study.removing import meant, remove
from tests.cli.cli_rig import Output

SCENARIO = """\
name: dip
duration: 400 ms
path: {rate: 5 Mbit/s, rtt: 20 ms}
flows: [{name: a, congestion: reno}]
swaps: [{at: 200 ms, via: setsockopt, flows: [a], to: cubic}]
twins: false
"""


def made(*overrides: str) -> str:
    """Run the scenario; return the run's id."""
    before = set(Path().glob("results/dip/*"))
    assert main(["run", "dip.yaml", "--no-plot", "--jobs", "1", *overrides]) == 0
    (new,) = set(Path().glob("results/dip/*")) - before
    return new.name


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> list[str]:
    """Three runs of one file: as written, with another rate, with another seed and duration."""
    monkeypatch.chdir(tmp_path)
    Path("dip.yaml").write_text(SCENARIO)
    ids = [made(), made("path.rate=6 Mbit/s"), made("duration=500 ms", "--seed", "7")]
    capsys.readouterr()
    return ids


def differs(capsys: Output) -> dict[str, str]:
    """Return what ls says of each run."""
    assert main(["ls", "--json"]) == 0
    return {entry["run_id"]: entry["differs"] for entry in json.loads(capsys.readouterr().out)}


def test_ls_tells_runs_of_one_file_apart_by_what_was_overridden(
    runs: list[str], capsys: Output
) -> None:
    told = ["as written", "path.rate=6 Mbit/s", "duration=500 ms seed=7"]
    assert differs(capsys) == dict(zip(runs, told, strict=True))


def test_ls_tells_runs_of_an_edited_file_apart_by_the_values_that_differ(
    runs: list[str], capsys: Output
) -> None:
    for run in runs[1:]:
        remove(Path("results/dip") / run)
    Path("dip.yaml").write_text(SCENARIO.replace("to: cubic", "to: {name: cubic, beta: 800}"))
    other = made()
    capsys.readouterr()
    found = differs(capsys)
    assert found[runs[0]] == "swaps.0.to=cubic"
    assert found[other] == "swaps.0.to=cubic(beta=800)"


def test_a_run_alone_differs_from_none(runs: list[str], capsys: Output) -> None:
    for run in runs[1:]:
        remove(Path("results/dip") / run)
    assert differs(capsys) == {runs[0]: ""}


def test_ls_of_a_name_lists_that_alone(runs: list[str], capsys: Output) -> None:
    assert main(["ls", "dip"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(runs)
    assert main(["ls", "dipp"]) == 2
    assert "nothing of that name below results; did you mean 'dip'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb",
    [["show"], ["export"], ["compare"], ["query", "select 1"], ["report"]],
    ids=lambda v: v[0],
)
def test_a_name_that_several_runs_bear_says_which_was_taken(
    verb: list[str], runs: list[str], capsys: Output
) -> None:
    name, *rest = verb
    assert main([name, "dip", *rest]) == 0
    assert capsys.readouterr().err == (
        f"dip: took the newest of 3 runs, {runs[2]} (duration=500 ms seed=7); "
        "ccsim ls dip lists them\n"
    )
    assert main([name, runs[0], *rest]) == 0
    assert capsys.readouterr().err == ""


# --- rm ---


def answered(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)


def test_rm_deletes_all_runs_of_a_name_after_a_yes(
    runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    answered(monkeypatch, "y")
    assert main(["rm", "dip"]) == 0
    out = capsys.readouterr().out
    assert all(run in out for run in runs)
    assert out.endswith("deleted 3\n")
    assert not list(Path("results").iterdir())


@pytest.mark.parametrize("answer", ["", "n", "no", "nay", "maybe"])
def test_rm_deletes_nothing_after_any_other_answer(
    answer: str, runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    answered(monkeypatch, answer)
    assert main(["rm", "dip"]) == 1
    assert capsys.readouterr().out.endswith("nothing deleted\n")
    assert {path.name for path in Path("results/dip").iterdir()} == set(runs)


def test_rm_asks_nobody_where_nobody_can_be_asked(runs: list[str], capsys: Output) -> None:
    assert main(["rm", "dip"]) == 2
    assert "expected --yes where nobody can be asked" in capsys.readouterr().err
    assert main(["rm", runs[1][:6], "--yes"]) == 0
    assert {path.name for path in Path("results/dip").iterdir()} == {runs[0], runs[2]}


def test_rm_of_one_name_that_is_none_deletes_nothing_of_the_others(
    runs: list[str], capsys: Output
) -> None:
    assert main(["rm", "dip", "nosuch", "--yes"]) == 2
    assert len(list(Path("results/dip").iterdir())) == len(runs)


def test_what_is_no_result_or_lies_elsewhere_is_never_deleted(
    runs: list[str], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    elsewhere = tmp_path / "kept" / runs[0]
    elsewhere.parent.mkdir()
    (results / "dip" / runs[0]).rename(elsewhere)
    (results / "dip" / "link").symlink_to(elsewhere)
    with pytest.raises(ResultsError, match="got one elsewhere"):
        meant(str(elsewhere), results)
    with pytest.raises(ResultsError, match="symbolic link"):
        meant(str(results / "dip" / "link"), results)
    for text in (str(tmp_path), str(results), str(results / "dip" / ".."), "..", ""):
        with pytest.raises(ResultsError):
            meant(text, results)
    assert elsewhere.is_dir()


def test_a_study_goes_without_the_runs_of_a_scenario_of_its_name(
    runs: list[str], capsys: Output
) -> None:
    study = Path("results/dip")
    (study / "manifest.json").write_text('{"kind": "study", "study": "dip", "status": "complete"}')
    (study / "parts").mkdir()
    (study / "parts" / "x.parquet").write_bytes(b"x")
    (study / "runs.parquet").write_bytes(b"x")
    assert main(["rm", "dip", "--yes"]) == 0
    assert capsys.readouterr().out.endswith("deleted 1\n")
    assert {path.name for path in study.iterdir()} == set(runs)
    assert main(["show", runs[0]]) == 0


def test_a_study_at_which_a_sweep_is_at_work_stays(runs: list[str], capsys: Output) -> None:
    fcntl = pytest.importorskip("fcntl")
    study = Path("results/dip")
    (study / "manifest.json").write_text('{"kind": "study", "study": "dip", "status": "running"}')
    with (study / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["rm", "dip", "--yes"]) == 2
    assert "a sweep is at work in it" in capsys.readouterr().err
    assert (study / "manifest.json").is_file()


def test_marks_of_one_flow_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["run", "dctcp", "duration=0.5 s", "swaps.0.at=0.3 s", "--no-plot", "--wide"]
    assert main([*argv, "--out", str(tmp_path)]) == 0
    assert "marked (packets)" in capsys.readouterr().out
