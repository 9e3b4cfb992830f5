"""The shipped studies: they are valid, and as large as their comments say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ccsim.catalog import study_files, summary
from ccsim.cli import main
from ccsim.experiment.study.plan import plan_study
from ccsim.experiment.study.read import read_study


@pytest.mark.parametrize("name", sorted(study_files()))
def test_a_shipped_study_says_what_its_table_must_show(name: str) -> None:
    file = study_files()[name]
    assert read_study(name).name == name
    assert read_study(name).description
    assert len(summary(file)) > 20
    assert "The table must show" in file.read_text(encoding="utf-8")


def test_the_matrix_is_all_pairs_of_five_on_three_paths_and_shares_its_twins() -> None:
    plan = plan_study(read_study("swap_matrix"))
    assert (len(plan.points), len(plan.runs)) == (20 * 2 * 3, 1200)
    pairs = Counter(
        (run.values["flows.0.congestion"], run.values["swaps.0.to"]) for run in plan.runs
    )
    assert len(pairs) == 20
    assert all(a != b for a, b in pairs)
    assert set(pairs.values()) == {60}
    twins = {twin for run in plan.runs for twin in (run.twin_a, run.twin_b)}
    assert len(twins) == 5 * 3 * 10


PUBLISHED = [name for name in sorted(study_files()) if read_study(name).publication]
FEW = 8


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_quick_form_of_a_published_study_is_valid_and_small(name: str) -> None:
    study = read_study(name, quick=True)
    assert study.publication == read_study(name).publication
    assert 1 < len(plan_study(study).runs) <= FEW


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_quick_form_runs_and_is_published(name: str, tmp_path: Path) -> None:
    arguments = ["--quick", "--workers", "1", "--out", str(tmp_path), "--publish", str(tmp_path)]
    assert main(["sweep", name, *arguments]) == 0
    tables = sorted((tmp_path / "results" / "published").iterdir())
    made = [f"{name}-quick", f"{name}-quick_cells"]
    if (publication := read_study(name).publication) and publication.variance:
        made.append(f"{name}-quick_variance")
    assert [table.stem for table in tables] == made
