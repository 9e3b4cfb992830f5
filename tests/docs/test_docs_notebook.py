"""The notebook of the documentation: it is executed from top to bottom, and shows what it says."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "swap.ipynb"


def executed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("executed", ROOT / "docs" / "executed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, dict[str, Any]]]:
    """What each code cell was, printed and showed."""
    pytest.importorskip("pandas")
    found = executed().executed(NOTEBOOK, tmp_path_factory.mktemp("notebook"))
    return [(text, printed, value) for kind, text, printed, value in found if kind == "code"]


def of(shown: list[tuple[str, str, dict[str, Any]]], word: str) -> tuple[str, dict[str, Any]]:
    ((_, printed, value),) = [cell for cell in shown if cell[0].startswith(word)]
    return printed, value


def test_a_run_shows_its_tables_and_its_picture(
    shown: list[tuple[str, str, dict[str, Any]]],
) -> None:
    run = of(shown, "run = ")[1]
    assert "cubic → bbr, setsockopt" in run["html"]
    assert run["png"].startswith(b"\x89PNG")
    assert "<table>" in of(shown, "import ccsim")[1]["html"]


def test_samples_around_the_swap_are_a_frame(shown: list[tuple[str, str, dict[str, Any]]]) -> None:
    page = of(shown, "bulk = ")[1]["html"]
    rows = re.findall(r"<td>(\d+)</td>.*?<td>(\w+)</td>\s*</tr>", page, re.DOTALL)
    assert [int(t_ns) for t_ns, _ in rows] == [5_900_000_000 + 40_000_000 * k for k in range(5)]
    assert [name for _, name in rows] == ["cubic"] * 3 + ["bbr"] * 2


def test_the_cost_is_told_and_the_figure_drawn(
    shown: list[tuple[str, str, dict[str, Any]]],
) -> None:
    printed = of(shown, "total = ")[0]
    assert re.fullmatch(r"deficit -?0\.\d{3} s; at the end [+-]\d\.\d\d MB .*\n", printed)
    assert of(shown, "run.plot")[1]["png"].startswith(b"\x89PNG")


def test_a_study_shows_its_points_and_their_curve_and_answers_sql(
    shown: list[tuple[str, str, dict[str, Any]]],
) -> None:
    study = of(shown, "study = ")[1]
    assert study["html"].count("<tr>") == 4  # a head and three buffers
    assert study["png"].startswith(b"\x89PNG")
    assert of(shown, "ccsim.load_study")[1]["html"].count("<tr>") == 4


def test_it_is_stored_without_what_it_shows() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 7
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_a_cell_that_fails_is_not_hidden(tmp_path: Path) -> None:
    broken = {"cells": [{"cell_type": "code", "source": ["1 / 0"]}]}
    (tmp_path / "broken.ipynb").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        list(executed().executed(tmp_path / "broken.ipynb", tmp_path))
