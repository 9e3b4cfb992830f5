"""Studies before they run: `ccsim check` validates them, and their JSON schema agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccsim import catalog
from ccsim.cli import main
from ccsim.errors import ScenarioError
from ccsim.experiment.study.plan import plan_study
from ccsim.experiment.study.read import KEYS, METHODS, is_study, read_study
from ccsim.experiment.study.schema import study_schema
from ccsim.scenario.document import parse_document
from tests.scenario import test_scenario_schema as judge
from tests.study.study_rig import TINY, write

Output = pytest.CaptureFixture[str]
MINE = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return {answer}


def undo_cwnd(sk):
    return sk.snd_cwnd


def cong_avoid(sk, ack, acked):
    sk.snd_cwnd += 1


mine = TcpCongestionOps(
    name="mine", ssthresh=ssthresh, undo_cwnd=undo_cwnd, cong_avoid=cong_avoid
)
"""
WITH_OBJECT = """\
name: own
duration: 1 s
path: {rate: 5 Mbit/s, rtt: 20 ms}
objects: [mine.py]
flows: [{name: bulk, congestion: mine}]
"""


@pytest.fixture
def accepts(monkeypatch: pytest.MonkeyPatch) -> Any:
    schema = study_schema()
    monkeypatch.setattr(judge, "SCHEMA", schema)
    return lambda text: judge.accepts(schema, parse_document(text, "x.yaml").data)


def test_the_schema_names_every_key_of_a_study_and_says_what_it_is() -> None:
    schema = study_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert tuple(schema["properties"]) == KEYS
    assert tuple(schema["$defs"]["Design"]["properties"]) == METHODS
    told = [one for one in schema["properties"].values() if "$ref" not in one]
    assert all(one["description"] for one in told)
    assert "required" not in schema["$defs"]["Scenario"]


@pytest.mark.parametrize("name", sorted(catalog.study_files()))
def test_every_shipped_study_satisfies_the_schema(name: str, accepts: Any) -> None:
    assert accepts(catalog.study_files()[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "change",
    [
        ("seeds: 2", "seeds: {first: 3, count: 2}"),
        ("seeds: 2", "seeds: [3, 7]"),
        ("seeds: 2", "keep: traces"),
        ("[250 ms, 350 ms]", "{choice: [250 ms, 350 ms]}"),
        ("[250 ms, 350 ms]", "{low: 1 ms, high: 1 s, scale: log}"),
        ("grid:", "random: {points: 3, over: {path.rtt: [10 ms, 20 ms]}}\n  grid:"),
        ("[2 Mbit/s, 5 Mbit/s]", "{slow: 2 Mbit/s, fast: 5 Mbit/s}"),
    ],
)
def test_what_is_read_satisfies_the_schema(
    change: tuple[str, str], accepts: Any, tmp_path: Path
) -> None:
    text = TINY.replace(*change)
    assert accepts(text)
    assert read_study(write(tmp_path, text))


@pytest.mark.parametrize(
    "change",
    [
        ("seeds: 2", "seeds: 0"),
        ("seeds: 2", "seeds: []"),
        ("seeds: 2", "seed: 2"),
        ("seeds: 2", "keep: everything"),
        ("[250 ms, 350 ms]", "[250 ms]"),
        ("[250 ms, 350 ms]", "{low: 1 ms}"),
        ("grid:", "grit:"),
        ("base:", "basis:"),
        ("path: {rate:", "path: {rat:"),
    ],
)
def test_slips_are_refused_by_both(change: tuple[str, str], accepts: Any, tmp_path: Path) -> None:
    text = TINY.replace(*change)
    assert text != TINY
    assert not accepts(text)
    file = write(tmp_path, text)
    assert main(["check", str(file)]) == 2


# --- ccsim check ----------------------------------------------------------------------------------


def test_a_study_is_told_from_a_scenario_by_its_keys(tmp_path: Path) -> None:
    assert is_study(str(write(tmp_path)))
    assert is_study("swap_matrix")
    assert not is_study("cubic_to_bbr")
    assert not is_study(str(write(tmp_path, WITH_OBJECT, "own.yaml")))
    assert not is_study(str(tmp_path / "none.yaml"))


def test_a_study_is_checked_with_all_its_scenarios(tmp_path: Path, capsys: Output) -> None:
    file = write(tmp_path)
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok: 4 points × 2 seeds, 8 twins\n"
    assert not (tmp_path / "results").exists()
    assert main(["check", "--json", str(file)]) == 0
    (document,) = json.loads(capsys.readouterr().out)["files"]
    assert (document["kind"], document["ok"]) == ("study", True)


def test_what_is_wrong_with_a_study_comes_with_its_place(tmp_path: Path, capsys: Output) -> None:
    file = write(
        tmp_path, TINY.replace("ordered_pairs: [reno, cubic]", "ordered_pairs: [reno, cubik]")
    )
    assert main(["check", str(file)]) == 2
    told = capsys.readouterr().err
    assert "tiny.yaml:12:" in told
    assert "did you mean 'cubic'" in told


def test_the_objects_that_a_scenario_names_are_checked_too(tmp_path: Path, capsys: Output) -> None:
    file = write(tmp_path, WITH_OBJECT, "own.yaml")
    (tmp_path / "mine.py").write_text(MINE.format(answer="max(sk.snd_cwnd // 2, 2)"))
    assert main(["check", "--json", str(file), str(tmp_path / "mine.py")]) == 0
    documents = json.loads(capsys.readouterr().out)["files"]
    assert [Path(one["file"]).name for one in documents] == ["own.yaml", "mine.py"]  # once


def test_an_object_that_breaks_a_rule_fails_the_check_of_what_names_it(
    tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(answer="0"))
    write(tmp_path, WITH_OBJECT, "own.yaml")
    study = write(tmp_path, "name: s\nbase: own.yaml\nseeds: 2\n", "s.yaml")
    assert main(["check", "--json", str(study)]) == 1
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert (first["kind"], first["ok"]) == ("study", True)
    assert not second["ok"]


def test_the_schema_of_studies_is_printed(capsys: Output) -> None:
    assert main(["schema", "--study"]) == 0
    assert json.loads(capsys.readouterr().out) == study_schema()


def test_a_missing_object_is_a_problem_of_the_scenario(tmp_path: Path) -> None:
    file = write(tmp_path, f"base: {{{WITH_OBJECT.replace(chr(10), ', ').rstrip(', ')}}}\n")
    study = read_study(file)
    with pytest.raises(ScenarioError, match=r"mine\.py"):
        plan_study(study)
