"""The page about studies: its example is a study, and what it says of the tables holds."""

from __future__ import annotations

import re
from pathlib import Path

from ccsim.experiment.study.columns import TABLES
from ccsim.experiment.study.plan import plan_study
from ccsim.experiment.study.read import METHODS, read_study

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")


def test_the_example_is_a_study_of_so_many_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "buffers.yaml").write_text(example, encoding="utf-8")
    plan = plan_study(read_study(tmp_path / "buffers.yaml"))
    assert len(plan.points) == 2 * 2 * 2 * 6
    assert len(plan.runs) == 480
    assert len({twin for run in plan.runs for twin in (run.twin_a, run.twin_b)}) == 4 * 3 * 10


def test_every_method_and_every_column_of_the_small_tables_is_on_the_page() -> None:
    for method in METHODS:
        assert f"`{method}: " in PAGE
    for table in ("flows", "links", "totals"):
        for column in TABLES[table]:
            assert f"`{column}`" in PAGE, column
