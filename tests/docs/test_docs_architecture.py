"""The pages for contributors: every place they name is there, and every room has its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.test_imports import ORDER

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md"])
def test_every_place_it_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    places = re.findall(r"`((?:ccsim|tests|docs|algorithms|scenarios)/[\w/.-]*)`", text)
    assert places or page == "docs/glossary.md"
    for place in places:
        assert (ROOT / place).exists(), place


def test_every_room_has_its_line_and_no_line_is_of_a_room_that_is_gone() -> None:
    rooms = {f"ccsim/{path.parent.name}/" for path in (ROOT / "ccsim").glob("*/__init__.py")}
    rooms.add("algorithms/")
    assert set(re.findall(r"^\| `([\w/]+/)` \|", ARCHITECTURE, re.MULTILINE)) == rooms


def test_the_rooms_stand_in_the_order_in_which_they_import() -> None:
    lines = re.findall(r"^\| `ccsim/(\w+)/` \|", ARCHITECTURE, re.MULTILINE)
    ordered = [room for room in ORDER if room != "base"]
    assert [room for room in lines if room in ordered] == [
        room for room in ordered if room in lines
    ]
    assert set(ordered) <= set(lines)


def test_ten_questions_are_answered_by_files() -> None:
    rows = ARCHITECTURE.split("| question | answer |")[1].splitlines()[2:]
    answers = [row for row in rows if row.startswith("|")]
    assert len(answers) == 10
    assert all(re.search(r"`ccsim/[\w/]+\.py` \|$", row) for row in answers)


def test_the_answers_define_what_is_asked_for() -> None:
    for place, name in [
        ("ccsim/tcp/rack.py", "def rack_reo_wnd"),
        ("ccsim/sim/swap/policies.py", "class KeepCwnd"),
        ("ccsim/cc/hystart.py", "def ends_slow_start"),
        ("ccsim/experiment/metrics.py", "def deficit"),
    ]:
        assert name in (ROOT / place).read_text(encoding="utf-8"), place


def test_every_commit_is_checked_as_ci_checks_it() -> None:
    config = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format --check", "mypy"):
        assert any(f"bin/{tool}" in entry for entry in entries), tool
        name, _, rest = tool.partition(" ")
        assert f'"$bin/{name}"{" " + rest if rest else ""}' in ci
