"""The site: it builds without a warning, and what its pages show is what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ccsim.cli.parser import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the blocks of a page that are in one of these languages."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def commands(page: Path) -> list[list[str]]:
    """Return the words of every command of ccsim in the blocks of a page."""
    lines = [line for text in blocks(page, "sh", "console", "") for line in text.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|;", line)]
    own = [part for part in parts if re.match(r"(\.venv/bin/)?ccsim [a-z]", part)]
    return [shlex.split(part.split(" > ")[0], comments=True)[1:] for part in own]


@pytest.mark.slow
def test_it_builds_with_warnings_as_errors_and_can_be_searched(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason="pip install -e '.[dev]' brings it")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d"]
    places = [str(place) for place in (tmp_path / "trees", ROOT / "docs", tmp_path / "site")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "searchindex.js").read_text(encoding="utf-8")
    assert "hystart" in index
    verbs = (tmp_path / "site" / "generated" / "verbs.html").read_text(encoding="utf-8")
    assert {f"ccsim {verb}" for verb in ("run", "verify swaps")} <= set(
        re.findall(r"<h2>([^<]+)<", verbs)
    )
    keys = (tmp_path / "site" / "generated" / "scenario_keys.html").read_text(encoding="utf-8")
    assert "The bottleneck, such as {rate: 100 Mbit/s, rtt: 40 ms}." in keys


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_on_a_page_is_one_that_there_is(page: Path) -> None:
    for words in commands(page):
        words = [re.sub("…", "1", word) for word in words if not word.startswith("[")]
        try:
            build_parser(words[0]).parse_args(words)
        except SystemExit as end:
            pytest.fail(f"{page.name}: ccsim {' '.join(words)}: status {end.code}")


def test_commands_are_found_and_a_wrong_one_is_refused() -> None:
    assert ["run", "cubic_to_bbr"] in commands(ROOT / "docs" / "tutorial.md")
    with pytest.raises(SystemExit):
        build_parser("run").parse_args(["run", "cubic_to_bbr", "--no-such-option"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_to_a_page_and_every_picture_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r'(?:\]\(|src=")(?!https?:|#)([^")#\s]+)', text):
        assert (page.parent / target).exists() or page.stem == "index", f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_python_block_can_be_compiled(page: Path) -> None:
    for text in blocks(page, "python"):
        compile(text, page.name, "exec")
