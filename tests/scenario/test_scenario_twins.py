"""Tests of the twins: A is never swapped, B runs from the start what the swaps end in."""

from __future__ import annotations

import pytest

from ccsim.scenario import Scenario, parse_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

HEAD = """\
duration: 60 s
path: {rate: 100 Mbit/s, rtt: 40 ms}
links: {fleet: cubic}
flows:
  - {name: bulk, congestion: {name: cubic, beta: 717}}
  - {name: rival, congestion: cubic}
  - {name: member, congestion: fleet}
swaps:
"""


def scenario(*swaps: str) -> Scenario:
    return parse_scenario(HEAD + "".join(f"  - {swap}\n" for swap in swaps), "s.yaml")


def started(twin: Scenario) -> dict[str, str]:
    return {flow.name: flow.congestion for flow in twin.flows}


def test_twin_a_differs_by_its_swaps_and_nothing_else() -> None:
    given = scenario("{at: 20 s, via: setsockopt, flows: [bulk], to: bbr}")
    twin = given.without_swaps()
    assert twin.swaps == ()
    assert twin.replace_swaps(given.swaps) == given


def test_twin_b_starts_the_swapped_flow_on_the_new_implementation() -> None:
    twin = scenario("{at: 20 s, via: setsockopt, flows: [bulk], to: bbr}").with_b_twin()
    assert twin.swaps == ()
    assert started(twin) == {"bulk": "bbr", "rival": "cubic", "member": "fleet"}


def test_twin_b_leaves_the_old_parameters_behind() -> None:
    given = scenario("{at: 20 s, via: setsockopt, flows: [bulk], to: bbr}")
    assert given.flows[0].congestion_params == {"beta": 717}
    assert given.with_b_twin().flows[0].congestion_params == {}


def test_twin_b_of_several_swaps_is_what_the_last_in_time_ends_in() -> None:
    twin = scenario(
        "{at: 30 s, via: setsockopt, flows: [bulk], to: reno}",
        "{at: 20 s, via: setsockopt, flows: [bulk, rival], to: bbr}",
    ).with_b_twin()
    assert started(twin) == {"bulk": "reno", "rival": "bbr", "member": "fleet"}


def test_of_two_swaps_at_one_time_the_one_written_last_holds() -> None:
    twin = scenario(
        "{at: 20 s, via: setsockopt, flows: [bulk], to: reno}",
        "{at: 20 s, via: setsockopt, flows: [bulk], to: bbr}",
    ).with_b_twin()
    assert started(twin)["bulk"] == "bbr"


def test_twin_b_of_a_link_update_starts_with_the_new_map() -> None:
    twin = scenario("{at: 20 s, via: link_update, link: fleet, to: bbr}").with_b_twin()
    assert [(link.name, link.map) for link in twin.links] == [("fleet", "bbr")]
    assert started(twin) == {"bulk": "cubic", "rival": "cubic", "member": "fleet"}


def test_twin_b_of_an_update_and_a_sweep_has_both() -> None:
    twin = scenario(
        "{at: 20 s, via: link_update, link: fleet, to: bbr}",
        "{at: 21 s, via: sweep, flows: [rival, member], to: fleet, over: 5 s}",
    ).with_b_twin()
    assert twin.links[0].map == "bbr"
    assert started(twin) == {"bulk": "cubic", "rival": "fleet", "member": "fleet"}


def test_the_twins_of_a_scenario_without_swaps_are_itself() -> None:
    given = parse_scenario(HEAD.replace("swaps:\n", ""), "s.yaml")
    assert given.with_b_twin() == given.without_swaps() == given


def test_twins_keep_the_seed_so_that_they_differ_by_the_swap_alone() -> None:
    given = scenario("{at: 20 s, via: setsockopt, flows: [bulk], to: bbr}")
    assert given.with_b_twin().seed == given.without_swaps().seed == given.seed
