"""Stored results are what was written, or are told to be damaged: never another number."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.errors import ResultsError
from ccsim.experiment import integrity, load_run, run_scenario
from ccsim.experiment.integrity import check_run, check_study, hashes_of
from ccsim.experiment.matrix import load_matrix
from ccsim.experiment.study.diff import diff
from ccsim.experiment.study.query import query
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.summary import summarise
from ccsim.experiment.study.sweep import run_study
from ccsim.report import write_report
from ccsim.scenario import parse_scenario
from tests.study.study_rig import TINY, write

SCENARIO = """\
name: mine
duration: 1 s
path: {rate: 5 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 500 ms, via: setsockopt, flows: [bulk], to: reno}]
"""
READERS: dict[str, Callable[[Path], object]] = {
    "show, plot, compare": load_run,
    "report": lambda run: write_report(run, run.parent / "page.html"),
    "query": lambda run: query(str(run), "select count(*) from flows", run.parent),
    "diff": lambda run: diff(str(run), str(run), run.parent),
}
STUDY_READERS: dict[str, Callable[[Path], object]] = {
    "show": lambda study: summarise(study, "deficit_s"),
    "plot": load_matrix,
    "report": lambda study: write_report(study, study.parent / "page.html"),
    "query": lambda study: query(str(study), "select count(*) from runs", study.parent),
    "diff": lambda study: diff(str(study), str(study), study.parent),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    return run_scenario(parse_scenario(SCENARIO, "mine.yaml"), out=out, jobs=1).path


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    file = write(folder, TINY.replace("seeds: 2", "seeds: 1"))
    return run_study(read_study(str(file)), out=folder / "results", workers=1).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "mine" / whole.name))


@pytest.fixture
def study(whole_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_study, tmp_path / "tiny"))


def flip(file: Path, at: float = 0.5) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("reader", READERS)
def test_a_run_that_nobody_touched_is_read(run: Path, reader: str) -> None:
    assert READERS[reader](run)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("file", ["flows.parquet", "twin-a/links.parquet", "metrics.json"])
def test_a_flipped_bit_is_told_and_no_value_of_that_run_is_shown(
    run: Path, reader: str, file: str
) -> None:
    flip(run / file)
    wanted = f"{run}: the run is damaged: {file}: its SHA-256 is not that of what was written"
    with pytest.raises(ResultsError, match=re.escape(wanted)):
        READERS[reader](run)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("file", ["metrics.json", "resolved.json", "trace.json"])
@pytest.mark.parametrize("text", ["null", "[]", "{}", '"x"', "7", "", "{", "[" * 100_000])
def test_a_document_of_another_shape_is_told(run: Path, reader: str, file: str, text: str) -> None:
    (run / file).write_text(text)
    manifest = json.loads((run / "manifest.json").read_text())  # even where the hash agrees
    manifest["sha256"][file] = hashlib.sha256(text.encode()).hexdigest()
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ResultsError, match=f"the run is damaged: {file}: .*; run the scenario"):
        READERS[reader](run)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text", ["null", "[]", "{}", '{"sha256": []}', '{"kind": "run"}', "\ud800", "{"]
)
def test_a_manifest_of_another_shape_is_told(run: Path, reader: str, text: str) -> None:
    (run / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ResultsError, match=r"the run is damaged: manifest\.json: "):
        READERS[reader](run)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": "1"}, "seed: expected a whole number, got a text"),
        ({"seed": True}, "seed: expected a whole number, got true or false"),
        ({"sha256": {"flows.parquet": 3}}, "sha256.flows.parquet: expected a text, got a whole"),
        ({"sha256": {}}, "sha256: expected resolved.json, got none"),
        ({"versions": {}}, "versions.ccsim: expected a value, got none"),
    ],
)
def test_what_is_wrong_with_a_document_is_told_with_its_place(
    run: Path, change: dict[str, object], told: str
) -> None:
    manifest = json.loads((run / "manifest.json").read_text()) | change
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ResultsError, match=re.escape(f"damaged: manifest.json: {told}")):
        check_run(run)


def test_a_manifest_cannot_lead_out_of_its_run(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["sha256"]["../secret"] = "0"
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ResultsError, match=r"'\.\./secret' is no file of the run"):
        check_run(run)


def test_a_file_that_is_missing_is_told(run: Path) -> None:
    (run / "twin-b" / "drops.parquet").unlink()
    with pytest.raises(ResultsError, match=r"twin-b/drops\.parquet: cannot be read: No such file"):
        check_run(run)


def test_pictures_may_be_drawn_again(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["sha256"]["plots/run.png"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert check_run(run, verify=True)[1]["status"] == "complete"


def test_of_a_large_file_a_sample_is_read_and_all_of_it_when_asked(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(integrity, "BLOCK_BYTES", 16)
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "manifest.json"]
    manifest = json.loads((run / "manifest.json").read_text()) | hashes_of(run, files)
    (run / "manifest.json").write_text(json.dumps(manifest))
    size = (run / "flows.parquet").stat().st_size
    assert manifest["sampled"]["flows.parquet"]["bytes"] == size > 33 * 16 * 2
    assert check_run(run)
    for at in (0.0, 0.5, 1.0):  # the first, the middle and the last block are in the sample
        before = (run / "flows.parquet").read_bytes()
        flip(run / "flows.parquet", at)
        with pytest.raises(ResultsError, match=r"flows\.parquet: a sample of it has changed"):
            check_run(run)
        (run / "flows.parquet").write_bytes(before)
    between = 20 / size  # byte 20 lies between the blocks at 0 and at (size - 16) / 32
    flip(run / "flows.parquet", between)
    assert check_run(run)
    with pytest.raises(ResultsError, match=r"flows\.parquet: its SHA-256"):
        check_run(run, verify=True)
    with (run / "flows.parquet").open("ab") as stream:
        stream.write(b"x")
    told = rf"flows\.parquet: expected {size} bytes, got {size + 1}"
    with pytest.raises(ResultsError, match=told):
        check_run(run)


@pytest.mark.parametrize("reader", STUDY_READERS)
def test_a_study_that_nobody_touched_is_read(study: Path, reader: str) -> None:
    assert STUDY_READERS[reader](study)


@pytest.mark.parametrize("reader", STUDY_READERS)
@pytest.mark.parametrize("file", ["runs.parquet", "plan.json", "links.parquet"])
def test_a_flipped_bit_in_a_study_is_told(study: Path, reader: str, file: str) -> None:
    flip(study / file)
    with pytest.raises(ResultsError, match=f"the study is damaged: {file}: its SHA-256"):
        STUDY_READERS[reader](study)


@pytest.mark.parametrize("reader", STUDY_READERS)
@pytest.mark.parametrize("text", ["null", "[]", "{}", '{"runs": [1]}', "{"])
def test_a_plan_of_another_shape_is_told(study: Path, reader: str, text: str) -> None:
    manifest = json.loads((study / "manifest.json").read_text())
    del manifest["sha256"]  # as while it is under way
    (study / "manifest.json").write_text(json.dumps(manifest))
    (study / "plan.json").write_text(text)
    with pytest.raises(ResultsError, match=r"the study is damaged: plan\.json: "):
        STUDY_READERS[reader](study)


def test_a_study_under_way_has_no_hashes_yet(study: Path) -> None:
    manifest = json.loads((study / "manifest.json").read_text())
    del manifest["sha256"]
    (study / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    assert len(check_study(study)[1]["runs"]) == 4


def test_a_folder_that_looks_like_a_column_is_a_folder(
    whole: Path, whole_study: Path, tmp_path: Path
) -> None:
    for name in ("flow=3", "t_ns=5", "run_id=5", "seed=7"):
        copy = shutil.copytree(whole, tmp_path / name / "mine" / whole.name)
        assert load_run(copy).flows.keys() == {"bulk"}
        sql = "select min(t_ns), max(t_ns), any_value(flow), count(*) from flows"
        found, given = (query(str(one), sql, one.parent) for one in (copy, whole))
        assert found == given
        again = shutil.copytree(whole_study, tmp_path / name / "tiny")
        sql = "select seed, run_id, deficit_s from runs order by all"
        found, given = (query(str(one), sql, one.parent) for one in (again, whole_study))
        assert found == given
        assert repr(load_matrix(again)) == repr(load_matrix(whole_study))  # NaN is not NaN


@pytest.mark.parametrize("name", ["status=done", "seed=7", "metrics=x", "r[1]", "r*", "it's"])
def test_a_study_has_the_same_tables_wherever_it_lies(
    whole_study: Path, tmp_path: Path, name: str
) -> None:
    file = write(tmp_path, TINY.replace("seeds: 2", "seeds: 1"))
    path = run_study(read_study(str(file)), out=tmp_path / name, workers=1).path
    for table in ("runs.parquet", "flows.parquet", "links.parquet", "totals.parquet"):
        assert (path / table).read_bytes() == (whole_study / table).read_bytes()


def test_parquet_files_are_read_in_one_way_alone() -> None:
    package = Path(integrity.__file__).parents[1]
    naming = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"read_parquet|parquet_scan", path.read_text(encoding="utf-8"))
    ]
    assert naming == ["experiment/parquet.py"]


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["plot"], ["compare"], ["report"], ["export"], ["query"], ["diff"]],
)
def test_every_verb_that_reads_tells_damage_with_exit_status_2(
    run: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"query": ["select 1"], "diff": [str(run)]}.get(arguments[0], [])
    flip(run / "flows.parquet")
    assert main([*arguments, str(run), *more, "--verify"]) == 2
    assert "the run is damaged: flows.parquet: " in capsys.readouterr().err
