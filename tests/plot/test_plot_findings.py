"""The figures of docs/findings: drawn from published tables, of every study that is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from ccsim.catalog import study_files
from ccsim.experiment.study.read import read_study
from ccsim.plot.findings import FIGURES, draw_finding

METRICS = (
    *(
        "extra_drops",
        "peak_mb",
        "queue_excess_ms",
        "neighbour_deficit_mb",
        "deficit_s",
        "old_gone_s",
    ),
    "web_p99_more_ms",
)
SHAPES = {
    "swap_cost": ("beside, old, new", ("beside", "old", "new")),
    "swap_policy": ("pair, policy", ("pair", "policy")),
    "swap_aqm": ("queue, pair", ("queue", "pair")),
    "swap_fleet": ("way, pair", ("way", "pair")),
}


def tables(folder: Path, study: str, cells: Sequence[tuple[str, ...]]) -> Path:
    """Write a table of cells with each metric, of which one has no value."""
    level, keys = SHAPES[study]
    numbers = ("15e-1, 1e0, 2e0, 1e-2", "-3e0, NULL, NULL, NULL", "NULL, NULL, NULL, NULL")
    rows = [
        f"('{level}', {', '.join(map(repr, cell))}, '{metric}', {number})"
        for metric in METRICS
        for cell, number in zip(cells, numbers, strict=True)
    ]
    names = ("level", *keys, "metric", "mean", "low", "high", "p_holm")
    values = f"(VALUES {', '.join(rows)}) AS t({', '.join(names)})"
    file = folder / f"{study}_cells.parquet"
    duckdb.connect(":memory:").execute(f"COPY (FROM {values}) TO '{file}' (FORMAT parquet)")
    return folder


@pytest.mark.parametrize("study", SHAPES)
def test_a_figure_is_drawn_from_cells_and_is_the_same_each_time(study: str, tmp_path: Path) -> None:
    cells = {
        "swap_cost": [("nobody", "a", "b"), ("nobody", "b", "a"), ("cubic", "a", "b")],
    }.get(study, [("x", "p"), ("y", "p"), ("x", "q")])
    folder = tables(tmp_path, study, cells)
    (first,) = draw_finding(study, folder, tmp_path / "one")
    (second,) = draw_finding(study, folder, tmp_path / "two")
    assert first == tmp_path / "one" / f"{study}.png"
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 10_000


def test_a_study_without_a_figure_has_none(tmp_path: Path) -> None:
    assert draw_finding("other", tmp_path, tmp_path) == []


def test_each_figure_belongs_to_a_shipped_study_that_is_published() -> None:
    assert set(FIGURES) <= {name for name in study_files() if read_study(name).publication}
