"""The figures of docs/findings: drawn from published tables, of every study that is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    *("web_mean_more_ms", "web_p99_more_ms"),
)
SHAPES = {
    "swap_cost": ("beside, old, new", ("beside", "old", "new")),
    "swap_policy": ("pair, policy", ("pair", "policy")),
    "swap_aqm": ("queue, pair", ("queue", "pair")),
    "swap_fleet": ("way, pair", ("way", "pair")),
}


NUMBERS: tuple[dict[str, Any], ...] = (
    {"mean": 1.5, "low": 1.0, "high": 2.0, "p_holm": 0.01},
    {"mean": -3.0, "low": None, "high": None, "p_holm": None},
    {"mean": None, "low": None, "high": None, "p_holm": None},
)


def tables(study: str, cells: Sequence[tuple[str, ...]]) -> dict[str, list[dict[str, Any]]]:
    """Return a table of cells with each metric, of which one has no value."""
    level, keys = SHAPES[study]
    rows = [
        {"level": level, **dict(zip(keys, cell, strict=True)), "metric": metric, **numbers}
        for metric in METRICS
        for cell, numbers in zip(cells, NUMBERS, strict=True)
    ]
    return {"cells": rows}


@pytest.mark.parametrize("study", SHAPES)
def test_a_figure_is_drawn_from_cells_and_is_the_same_each_time(study: str, tmp_path: Path) -> None:
    cells = {
        "swap_cost": [("nobody", "a", "b"), ("nobody", "b", "a"), ("cubic", "a", "b")],
    }.get(study, [("x", "p"), ("y", "p"), ("x", "q")])
    (first,) = draw_finding(study, tables(study, cells), tmp_path / "one")
    (second,) = draw_finding(study, tables(study, cells), tmp_path / "two")
    assert first == tmp_path / "one" / f"{study}.png"
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 10_000


def test_what_a_map_writes_as_nothing_has_no_colour(tmp_path: Path) -> None:
    """The panels show two digits at most: 0.004 is nothing in each, 0.006 is not in one."""
    drawn = []
    for mean in (0.0, 0.004, -0.004, 0.006):
        made = tables(
            "swap_cost", [("nobody", "a", "b"), ("nobody", "b", "a"), ("cubic", "a", "b")]
        )
        for row in made["cells"]:
            row["mean"] = mean if row["mean"] == 1.5 else row["mean"]
        drawn.append(draw_finding("swap_cost", made, tmp_path)[0].read_bytes())
    assert drawn[0] == drawn[1] == drawn[2]
    assert drawn[3] != drawn[0]


def test_shares_of_variance_are_bars(tmp_path: Path) -> None:
    numbers = {"n": 4, "first": 0.3, "first_low": 0.2, "first_high": 0.4, "total": 0.5}
    rows = [
        {"metric": metric, "factor": factor, **numbers, "total_low": None, "total_high": None}
        for metric in METRICS
        for factor in ("pair", "chance")
    ]
    (file,) = draw_finding("swap_decides-quick", {"variance": rows}, tmp_path)
    assert file.name == "swap_decides-quick.png"


def test_a_study_without_a_figure_has_none(tmp_path: Path) -> None:
    assert draw_finding("other", {}, tmp_path) == []


def test_each_figure_belongs_to_a_shipped_study_that_is_published() -> None:
    assert set(FIGURES) <= {name for name in study_files() if read_study(name).publication}
