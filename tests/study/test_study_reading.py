"""What is read of studies: query, ls, show, diff, and the verbs' exit statuses."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError, ResultsError
from ccsim.experiment.run import run_scenario
from ccsim.experiment.study.diff import diff
from ccsim.experiment.study.listing import find_study_folder, listing, study_folder
from ccsim.experiment.study.query import as_csv, as_json, query
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.samples import check_metric, read_samples, twin_metric
from ccsim.experiment.study.summary import summarise
from ccsim.experiment.study.sweep import run_study
from ccsim.scenario import load_scenario
from tests.study.study_rig import TINY, write

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a study, one that differs from it, and two runs."""
    folder = tmp_path_factory.mktemp("reading")
    run_study(read_study(write(folder)), out=folder, workers=1)
    other = TINY.replace("name: tiny", "name: other").replace("loss: 0.5 %", "loss: 1 %")
    run_study(read_study(write(folder, other, "other.yaml")), out=folder, workers=1)
    for seed in (1, 2):
        scenario = load_scenario("cubic_to_bbr", ["duration=300 ms", "swaps.0.at=0.2 s"], seed)
        run_scenario(scenario, out=folder)
    return folder


# --- query ------------------------------------------------------------------------------------


def test_a_query_gives_columns_and_rows(results: Path) -> None:
    found = query("tiny", "select seed, count(*) n from runs group by 1 order by 1", results)
    assert found.columns == ["seed", "n"]
    assert found.rows == [(1, 4), (2, 4)]
    assert as_csv(found) == "seed,n\n1,4\n2,4\n"
    assert json.loads(as_json(found)) == [{"seed": 1, "n": 4}, {"seed": 2, "n": 4}]


def test_the_long_form_holds_the_same_numbers(results: Path) -> None:
    sql = """select count(*), bool_and(m.value = r.deficit_s) from metrics m join runs r
             using (run_id, flow) where m.metric = 'deficit_s'"""
    assert query("tiny", sql, results).rows == [(8, True)]


def test_a_query_of_a_run_sees_its_traces_and_its_twins(results: Path) -> None:
    sql = "select twin, count(*) n from flows group by 1 order by 1"
    run = next(entry for entry in listing(results) if entry.kind == "run")
    assert query(run.run_id, sql, results).rows == [("", 31), ("a", 31), ("b", 31)]


def test_a_query_by_path_and_by_name_is_the_same(results: Path) -> None:
    sql = "select sum(point) from runs"
    assert query(str(results / "tiny"), sql, Path("nowhere")) == query("tiny", sql, results)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("drop table runs", "expected one SELECT, got drop; results are only read"),
        ("copy runs to 'x.csv'", "expected one SELECT, got copy"),
        ("select 1; drop table runs", "expected one SELECT, got 2 statements"),
        ("", "expected one SELECT, got 0 statements"),
        ("set enable_external_access = true", "expected one SELECT, got set"),
        ("select * from read_csv('/etc/passwd')", "file system operations are disabled"),
        ("select * from '/etc/passwd'", "query: "),
        ("select nothing from runs", 'Referenced column "nothing" not found'),
        ("select * from traces", "no traces were kept; say `keep: traces` in the study"),
    ],
)
def test_a_query_only_reads_and_only_results(sql: str, message: str, results: Path) -> None:
    with pytest.raises(CcsimError) as caught:
        query("tiny", sql, results)
    assert message in str(caught.value)


def test_a_missing_number_is_null_in_json_and_empty_in_csv(results: Path) -> None:
    found = query("tiny", "select error, 'nan'::double x from runs limit 1", results)
    assert math.isnan(found.rows[0][1])
    assert json.loads(as_json(found)) == [{"error": None, "x": None}]
    assert as_csv(found) == "error,x\n,nan\n"


# --- ls, show -----------------------------------------------------------------------------------


def test_ls_lists_runs_and_studies_with_what_they_are(results: Path) -> None:
    entries = listing(results)
    assert [(e.name, e.kind, e.status, e.runs) for e in entries] == [
        ("cubic_to_bbr", "run", "complete", None),
        ("cubic_to_bbr", "run", "complete", None),
        ("other", "study", "complete", 8),
        ("tiny", "study", "complete", 8),
    ]
    assert all(e.size_bytes > 1000 and e.age_s >= 0 for e in entries)
    assert entries[0].cells()[6] == f"{entries[0].size_bytes / 1e6:.2f}"


def test_a_study_that_says_it_runs_while_nobody_holds_it_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "manifest.json").write_text('{"kind": "study", "status": "running"}')
    assert [entry.status for entry in listing(tmp_path)] == ["interrupted"]


def test_files_that_are_no_manifests_are_no_results(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"kind": "other"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(text)
    assert listing(tmp_path) == []
    assert find_study_folder("a", tmp_path) is None
    with pytest.raises(ResultsError, match="expected a study's name or folder"):
        study_folder("c", tmp_path)


def test_samples_are_means_over_a_runs_rows_and_differences_are_to_the_a_twin(
    results: Path,
) -> None:
    sql = "select rtt_p99_ms, rtt_p99_a_ms from runs where point = 0 order by seed"
    rows = query("tiny", sql, results).rows
    first = read_samples(results / "tiny", "rtt_p99_ms")[0]
    assert first.numbers.tolist() == [row[0] for row in rows]
    assert first.differences.tolist() == [row[0] - row[1] for row in rows]
    deficit = read_samples(results / "tiny", "deficit_s")[0]
    sql = "select deficit_s from runs where point = 0 order by seed"  # of the run's only flow
    alone = [row[0] for row in query("tiny", sql, results).rows]
    assert deficit.numbers.tolist() == pytest.approx(alone, abs=1e-6)
    assert deficit.differences.tolist() == deficit.numbers.tolist()
    recovery = read_samples(results / "tiny", "dip_recovery_s")[0]
    assert len(recovery.differences) == 0
    assert "swaps.0.at" not in first.values


def test_a_metric_has_a_twins_value_or_none() -> None:
    assert twin_metric("goodput_bps") == "goodput_a_bps"
    assert twin_metric("rtos") == "rtos_a"
    assert twin_metric("deficit_s") == ""
    with pytest.raises(ValueError, match="no metric 'deficit'; did you mean 'deficit_s'"):
        check_metric("deficit")


def test_a_summary_gives_no_mean_without_its_n_and_says_that_n_is_small(results: Path) -> None:
    found = summarise(results / "tiny", "deficit_s", detect=0.05)
    assert [point.mean.n for point in found.points] == [2, 2, 2, 2]
    assert all(point.seeds_needed and point.seeds_needed >= 2 for point in found.points)
    assert any("n is below 6 at 4 points" in note for note in found.notes)
    plain = found.plain()
    assert {"estimate", "low", "high", "n", "note"} == set(plain["points"][0]["mean"])
    json.dumps(plain, allow_nan=False)


# --- diff -----------------------------------------------------------------------------------------


def test_two_runs_differ_in_what_was_asked_and_in_what_came_of_it(results: Path) -> None:
    a, b = (entry.path for entry in listing(results) if entry.kind == "run")
    found = diff(a, b, results)
    assert [(c.name, {c.a, c.b}) for c in found.scenario] == [("seed", {1, 2})]
    assert found.code == []
    assert not diff(a, a, results).differs


def test_two_studies_differ_by_the_means_of_the_cells_that_both_have(results: Path) -> None:
    found = diff("tiny", "other", results)
    assert [c.name for c in found.scenario] == ["study.name", "study.base.path.loss"]
    (goodput,) = [c for c in found.metrics if c.name == "goodput_a_bps"]
    assert goodput.n == 8
    sql = "select avg(goodput_a_bps) from runs"
    a, b = (query(name, sql, results).rows[0][0] for name in ("tiny", "other"))
    assert goodput.a == pytest.approx(a, rel=1e-5)
    assert goodput.relative == pytest.approx((b - a) / a)
    assert goodput.low is not None
    assert goodput.high is not None
    assert goodput.low <= b - a <= goodput.high
    assert not diff("tiny", "tiny", results).differs


def test_a_run_and_a_study_are_not_compared(results: Path) -> None:
    with pytest.raises(CcsimError, match="expected two runs or two studies"):
        diff("tiny", "cubic_to_bbr", results)


# --- verbs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["query", "tiny", "select 1 x"], 0, "x\n1\n"),
        (["query", "tiny", "select 1 x", "--format", "csv"], 0, "x\n1\n"),
        (["diff", "tiny", "tiny"], 0, "no difference\n"),
        (["diff", "tiny", "other"], 1, "95 % interval of B - A"),
        (["diff", "tiny", "other", "--json"], 1, '"name": "study.base.path.loss"'),
        (["ls"], 0, "size (MB)"),
        (["ls", "--json"], 0, '"kind": "study"'),
        (["show", "tiny"], 0, "tiny (complete): deficit_s, difference to the A-twin over seeds"),
        (["show", "tiny", "--metric", "rtos", "--json"], 0, '"metric": "rtos"'),
        (["show", "tiny", "--detect", "0.1"], 0, "seeds needed"),
        (["show", "tiny", "--metric", "speed"], 2, ""),
        (["query", "nothing", "select 1"], 2, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_verbs_print_and_exit_as_they_should(
    arguments: list[str], status: int, text: str, results: Path, capsys: Output
) -> None:
    assert main([*arguments, "--results", str(results)]) == status
    out, err = capsys.readouterr()
    assert text in out
    assert bool(err) == (status == 2)


@pytest.mark.parametrize("least", ["0", "-1", "nan", "much"])
def test_what_is_to_be_detected_is_a_number_above_0(least: str, capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["show", "tiny", f"--detect={least}"])
    assert caught.value.code == 2
    assert f"expected a number above 0, got '{least}'" in capsys.readouterr().err


def test_sweep_checks_without_running(tmp_path: Path, capsys: Output) -> None:
    file = str(write(tmp_path))
    assert main(["sweep", file, "--check", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{file}: ok: 4 points × 2 seeds, 8 twins\n"
    assert not (tmp_path / "out").exists()


def test_sweep_tells_what_it_did(tmp_path: Path, capsys: Output) -> None:
    file = write(tmp_path, TINY.replace("seeds: 2", "seeds: 1"))
    arguments = ["sweep", str(file), "--out", str(tmp_path), "--workers", "1"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["new"], told["simulated"]) == (4, 4, 8)
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny: 4 runs, of which 4 were there; 0 simulations, twins included, in")


def test_shipped_studies_are_listed(capsys: Output) -> None:
    assert main(["list", "studies"]) == 0
    told = capsys.readouterr().out.splitlines()
    (line,) = [line for line in told if line.startswith("swap_matrix ")]
    assert line.split(maxsplit=1)[1].startswith("What does each swap cost")


def test_the_long_form_names_each_run_in_full_but_for_its_error(results: Path) -> None:
    found = query("tiny", "select column_name from (describe metrics)", results)
    names = {name for (name,) in found.rows}
    assert {"study", "point", "seed", "run_id", "status", "flow", "metric", "value"} <= names
    assert "error" not in names


def test_what_is_deleted_while_runs_are_listed_is_not_there(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another process renames or deletes a run between two looks."""
    before = [entry.path for entry in listing(results)]
    stat = Path.stat

    def gone(self: Path, **options: bool) -> object:
        if self.suffix == ".parquet" and before[0] in str(self):
            raise FileNotFoundError(self)
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", gone)
    kept = [entry.path for entry in listing(results)]
    assert before[0] not in kept
    assert set(kept) < set(before)


def test_a_folder_that_is_none_has_no_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert listing(tmp_path / "file") == listing(tmp_path / "absent") == []
