"""What the fuzz draws: all that ships, and often enough that a few minutes meet it."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest

from ccsim import catalog
from ccsim.scenario import vocabulary
from ccsim.sim.swap.policies import POLICIES
from ccsim.verify.fuzz import swaps as fuzz_swaps
from ccsim.verify.fuzz.equality import shrink
from ccsim.verify.fuzz.scenarios import Example, RandomDraw, make_example

LEAST = 3  # times in the scenarios made here
SCENARIOS = 1200  # five minutes run so many


@cache
def made() -> tuple[dict[str, Any], ...]:
    return tuple(make_example(RandomDraw(seed)).scenario for seed in range(SCENARIOS))


def swaps() -> list[dict[str, Any]]:
    return [swap for scenario in made() for swap in scenario["swaps"]]


def test_the_lists_of_the_fuzz_name_all_that_there_is() -> None:
    shipped = sorted(file.stem for file in catalog.algorithms_dir().glob("[a-z]*.py"))
    assert sorted(fuzz_swaps.ALGORITHMS) == shipped
    assert set(fuzz_swaps.MECHANISMS) == set(vocabulary.MECHANISMS)
    assert set(fuzz_swaps.POLICIES) == set(vocabulary.STATE_POLICIES) == set(POLICIES)
    assert set(fuzz_swaps.STATES) == set(vocabulary.TRIGGER_STATES)
    assert set(fuzz_swaps.GUARD_METRICS) == set(vocabulary.GUARD_METRICS)


def test_every_algorithm_opens_connections_and_is_swapped_to() -> None:
    opened = Counter(flow["congestion"] for scenario in made() for flow in scenario["flows"])
    reached = Counter(swap["to"] for swap in swaps())
    for name in fuzz_swaps.ALGORITHMS:
        assert opened[name] >= LEAST, f"opened with {name}: {opened[name]}"
        assert reached[name] >= LEAST, f"swapped to {name}: {reached[name]}"


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (fuzz_swaps.MECHANISMS, lambda swap: swap["via"]),
        (fuzz_swaps.POLICIES, lambda swap: swap.get("state")),
        (fuzz_swaps.GUARD_METRICS, lambda swap: (swap.get("guard") or {}).get("metric")),
        (fuzz_swaps.STATES, lambda swap: (swap.get("trigger") or {}).get("state")),
    ],
    ids=["mechanism", "policy", "guard", "state"],
)
def test_every_word_is_drawn(words: tuple[str, ...], of: Any) -> None:
    drawn = Counter(map(of, swaps()))
    assert {word: drawn[word] for word in words if drawn[word] < LEAST} == {}


@pytest.mark.parametrize("condition", ["state", "cwnd_above", "loss", "acked_bytes"])
def test_triggers_wait_for_every_condition(condition: str) -> None:
    waiting = [swap["trigger"] for swap in swaps() if swap.get("trigger")]
    assert sum(bool(trigger[condition]) for trigger in waiting) >= LEAST


def test_connections_are_accepted_and_inherit_and_start_with_a_default() -> None:
    sockets = [
        socket
        for scenario in made()
        for socket in (*scenario["flows"], *(load["flow"] for load in scenario["workloads"]))
    ]
    assert sum(bool(socket.get("listener")) for socket in sockets) > 20
    assert sum(socket.get("netns") == "blue" for socket in sockets) > 10
    assert {scenario["kernel"].get("profile") for scenario in made()} >= {"linux", "v2"}


def test_shrinking_plains_what_a_swap_says_and_drops_what_waits_for_a_flow_that_goes() -> None:
    example = next(
        Example(scenario, (1,))
        for scenario in made()
        if len(scenario["flows"]) > 1
        and any(swap.get("trigger") and swap["via"] == "staged" for swap in scenario["swaps"])
    )

    def fails(smaller: Example) -> bool:
        return any(swap["via"] == "staged" for swap in smaller.scenario["swaps"])

    smallest = shrink(example, fails).scenario
    assert len(smallest["swaps"]) == len(smallest["flows"]) == 1
    staged = smallest["swaps"][0]
    assert (staged["state"], staged["trigger"], staged["guard"]) == ("linux", None, None)
    assert staged["flows"] == [smallest["flows"][0]["name"]]
