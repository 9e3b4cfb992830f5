"""Nothing that is simulated changes unless somebody means it to: every result has its old bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from ccsim.catalog import algorithm_files, scenario_files
from ccsim.scenario import MECHANISMS, STATE_POLICIES
from ccsim.sim.world import World
from tests.digests.digests import Case, cases, digest, line, stored


@pytest.mark.parametrize(("name", "case"), cases().items(), ids=cases())
def test_a_result_has_the_bytes_that_it_had(
    name: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "always_paranoid", False)
    assert line(name, case()) == stored()[name]


def test_every_case_is_written_down_and_no_other() -> None:
    assert list(stored()) == list(cases())


def test_every_scenario_and_algorithm_that_is_shipped_is_a_case() -> None:
    assert {f"scenario/{name}" for name in scenario_files()} < set(stored())
    assert {f"algorithm/{name}" for name in algorithm_files()} < set(stored())


def test_every_mechanism_and_state_policy_is_met() -> None:
    met = {word for line in stored().values() for word in line.split()[2:]}
    assert {word.partition("/")[0] for word in met} == set(MECHANISMS)
    assert {word.partition("/")[2] for word in met} == set(STATE_POLICIES)


@dataclass
class Left:
    """Something a simulation might leave."""

    column: np.ndarray
    failed: str = ""
    counters: dict[str, int] = field(default_factory=dict)


@dataclass
class LeftSince(Left):
    """The same with a field that came later."""

    more: str = ""


def test_another_value_is_another_digest_and_an_unused_field_is_not() -> None:
    column = np.arange(3)
    same = digest(LeftSince(column))
    assert digest(Left(column)) == same
    others = [
        Left(column + 1),
        Left(column[:2]),
        Left(column, "x"),
        Left(column, counters={"rtos": 1}),
        LeftSince(column, more="y"),
    ]
    assert len({same, *map(digest, others)}) == 6
