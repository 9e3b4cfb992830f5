"""A study's quick form, and the small tables of it that are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError, ScenarioError
from ccsim.experiment.statistics import bca_interval
from ccsim.experiment.study.publication import cells
from ccsim.experiment.study.read import read_study
from tests.study.study_rig import TINY, write

QUICK = """\
quick:
  seeds: 1
  base.duration: 400 ms
  design.grid.pair.ordered_pairs: [bbr, cubic]
"""
PUBLISH = """\
publish:
  select: >-
    SELECT "flows.0.congestion" AS old, seed, avg(deficit_s) AS deficit_s
    FROM runs GROUP BY ALL ORDER BY ALL
  by: [[old], []]
"""
Output = pytest.CaptureFixture[str]


# --- quick ----------------------------------------------------------------------------------------


def test_the_quick_form_is_the_study_with_what_quick_sets_under_a_name_of_its_own(
    tmp_path: Path,
) -> None:
    file = write(tmp_path, TINY + QUICK)
    whole, quick = read_study(file), read_study(file, quick=True)
    assert (whole.name, len(whole.seeds), whole.base.data["duration"]) == ("tiny", 2, "600 ms")
    assert (quick.name, len(quick.seeds), quick.base.data["duration"]) == (
        "tiny-quick",
        1,
        "400 ms",
    )
    olds = {level.columns["flows.0.congestion"] for level in quick.factors[1]}
    assert olds == {"bbr", "cubic"}
    assert len(quick.factors[0]) == 2  # what quick does not name stays


@pytest.mark.parametrize(
    ("quick", "message"),
    [
        ("", "1:1: quick: expected a quick form, such as quick: {seeds: 2}, got null"),
        ("quick: 3\n", "16:8: quick: expected a quick form"),
        ("quick: {seed: 1, }\n", "16:9: seed: unknown key 'seed'"),
        ("quick: {name: x}\n", "16:9: quick.name: expected a key of this study"),
        ("quick: {basis.duration: 1 s}\n", "16:9: quick.basis.duration: expected a key of this"),
        ("quick: {seeds: 0}\n", "16:16: seeds: expected a count from 1 to"),
        ("quick: {design.grid.path.rate: 3}\n", "expected a key of this study"),
    ],
)
def test_what_is_no_quick_form_is_told_with_its_place(
    quick: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_study(write(tmp_path, TINY + quick), quick=True)
    assert message in str(caught.value)


# --- cells ----------------------------------------------------------------------------------------


def run(old: str, seed: int, drops: float | None) -> dict[str, Any]:
    return {"old": old, "seed": seed, "drops": drops}


RUNS = [run("bbr", 1, 4.0), run("bbr", 2, 4.0), run("reno", 1, 2.0), run("reno", 2, None)]


def test_a_cell_counts_runs_outcomes_that_differ_and_seeds_that_have_a_value() -> None:
    bbr, reno, both = cells(RUNS, [["old"], []])
    counted = [(c["level"], c["runs"], c["outcomes"], c["n"]) for c in (bbr, reno, both)]
    assert counted == [("old", 2, 1, 2), ("old", 2, 2, 1), ("", 4, 3, 2)]
    assert (bbr["mean"], bbr["least"], bbr["most"]) == (4, 4, 4)
    assert bbr["low"] is None  # values that are equal have no interval
    assert "old" not in both


def test_the_values_of_a_seed_are_averaged_before_the_mean_over_seeds() -> None:
    runs = [*(run("bbr", 1, x) for x in (0, 0, 0, 8)), run("bbr", 2, 10.0)]
    (cell,) = cells(runs, [[]])
    assert (cell["mean"], cell["least"], cell["most"], cell["n"]) == (6, 2, 10, 2)


def test_intervals_are_bca_over_seeds_and_p_is_corrected_over_the_cells() -> None:
    values = [1.0, 2.0, 4.0, 3.0, 5.0, 6.0, 7.0, 9.0]
    runs = [run(old, seed, x) for old in ("bbr", "reno") for seed, x in enumerate(values)]
    bbr, reno = cells(runs, [["old"]])
    expected = bca_interval(values)
    assert (bbr["low"], bbr["high"]) == (
        pytest.approx(expected.low, rel=1e-5),
        pytest.approx(expected.high, rel=1e-5),
    )
    assert bbr["p_holm"] == reno["p_holm"] == 2 * 2 / 2**8


# --- the verb -------------------------------------------------------------------------------------


def test_a_sweep_publishes_two_small_tables(tmp_path: Path, capsys: Output) -> None:
    file = write(tmp_path, TINY + QUICK.replace("seeds: 1", "seeds: 2") + PUBLISH)
    arguments = ["sweep", str(file), "--quick", "--workers", "1", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--publish", str(tmp_path)]) == 0
    folder = tmp_path / "results" / "published"
    named = [folder / "tiny-quick.parquet", folder / "tiny-quick_cells.parquet"]
    assert sorted(folder.iterdir()) == named
    told = capsys.readouterr().out
    assert all(f"written {name}" in told for name in named)
    ask = duckdb.connect(":memory:").execute
    rows = ask(f"SELECT old, seed FROM '{named[0]}'").fetchall()
    assert rows == [("bbr", 1), ("bbr", 2), ("cubic", 1), ("cubic", 2)]
    ((mean,),) = ask(f"SELECT avg(deficit_s) FROM '{named[0]}' WHERE old = 'bbr'").fetchall()
    found = ask(f"SELECT mean, n FROM '{named[1]}' WHERE old = 'bbr'").fetchall()
    assert found == [(pytest.approx(mean, rel=1e-5), 2)]
    before = [name.read_bytes() for name in named]
    assert main([*arguments, "--publish", str(tmp_path)]) == 0
    assert [name.read_bytes() for name in named] == before


@pytest.mark.parametrize(
    ("publish", "message"),
    [
        ("publish: runs\n", "publish: expected select: SQL and by: lists of its columns"),
        ("publish: {select: SELECT 1}\n", "publish: expected select: SQL and by"),
        ("publish: {select: 3, by: [[]]}\n", "publish: expected SQL under select"),
        ("publish: {select: SELECT 1, by: [old]}\n", "publish: expected lists of columns"),
    ],
)
def test_what_cannot_be_published_is_told(publish: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_study(write(tmp_path, TINY + publish))
    assert message in str(caught.value)


def test_a_study_that_says_nothing_of_it_is_not_published(tmp_path: Path, capsys: Output) -> None:
    assert main(["sweep", str(write(tmp_path)), "--publish"]) == 2
    assert "expected a study with the key publish" in capsys.readouterr().err


def test_a_select_must_give_the_columns_of_cells(tmp_path: Path) -> None:
    from ccsim.experiment.study.publication import publish
    from ccsim.experiment.study.sweep import run_study

    text = TINY.replace("[2 Mbit/s, 5 Mbit/s]", "[2 Mbit/s]") + PUBLISH.replace("[[old]", "[[new]")
    study = read_study(write(tmp_path, text))
    made = run_study(study, out=tmp_path, workers=1)
    assert study.publication is not None
    with pytest.raises(CcsimError, match="its select gives no column 'new'"):
        publish("tiny", study.publication, made.path, tmp_path / "published")
