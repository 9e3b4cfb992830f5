"""docs/policies.md: its example runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from ccsim.scenario import parse_scenario
from ccsim.scenario.vocabulary import GUARD_METRICS, MECHANISMS, STATE_POLICIES, TRIGGER_STATES
from ccsim.sim import simulate

TEXT = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return TEXT.split(f"```{language}\n")[1].split("```")[0]


def first_column(heading: str) -> set[str]:
    table = TEXT.split(heading)[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_policy_of_ones_own_holds_three_quarters_for_ten_events(tmp_path: Path) -> None:
    (tmp_path / "gentle.py").write_text(block("python"), encoding="utf-8")
    result = simulate(parse_scenario(block("yaml"), "s.yaml", tmp_path))
    swap, free = (e for e in result.events if e.kind in ("swap", "policy"))
    held = swap.detail["before"]["snd_cwnd"] * 3 // 4
    assert swap.detail["after"]["snd_cwnd"] == held
    assert free.detail == {"policy": "gentle", "phase": "free", "snd_cwnd": held}


def test_the_tables_name_all_that_there_is() -> None:
    assert first_column("| policy | cwnd |") == set(STATE_POLICIES)
    assert first_column("| `metric` | unit |") == set(GUARD_METRICS)
    assert first_column("| `via` | what it does |") == set(MECHANISMS)
    assert all(f"`{state}`" in TEXT for state in TRIGGER_STATES)
