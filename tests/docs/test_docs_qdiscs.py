"""docs/qdiscs.md: its tables are those of the code, its figures those of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccsim.net.delivery_trace import PRESETS, preset
from ccsim.net.qdisc import KINDS
from ccsim.net.qdisc.tables import kinds_table, parameter_table
from tests.qdisc.test_qdisc_mutants import MUTANTS
from tests.qdisc.test_qdisc_recordings import CALLS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "qdiscs.md").read_text("utf-8")


def test_it_lists_what_there_is() -> None:
    assert kinds_table() in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_its_section_with_its_parameters(kind: str) -> None:
    section = PAGE.split(f"\n### {kind}\n")[1].split("\n#")[0]
    assert parameter_table(kind) in section


def test_its_figures_are_those_of_the_tests() -> None:
    assert f"{sum(CALLS.values()) - CALLS['links']:,} calls" in PAGE
    assert f"{CALLS['links']:,} packets" in PAGE
    assert f"{len(MUTANTS)} planted bugs" in PAGE


def test_it_names_the_traces_and_their_means() -> None:
    for name in PRESETS:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        assert f"{preset(name).mean_rate_bps() / 1e6:.2f} Mbit/s" in row


def test_a_table_shows_defaults_and_bounds() -> None:
    rows = parameter_table("codel").splitlines()
    assert "| `target` | us | 5000 | 0 | 2^31-1 | the wait that is fine |" in rows
    assert "| `ecn` | flag | 0 | | | mark instead of dropping |" in rows


def test_what_it_names_exists() -> None:
    for name in re.findall(r"`(ccsim(?:\.\w+)+)`", PAGE):
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name
