"""Tests of the shipped scenarios: they load, and set up what their comments say."""

from __future__ import annotations

import pytest

from ccsim import catalog
from ccsim.scenario import Scenario, load_scenario

NAMES = sorted(catalog.scenario_files())


def test_the_shipped_scenarios_are_these() -> None:
    assert {
        "bbr_to_cubic",
        "cubic_to_bbr",
        "cubic_to_reno_slow_start",
        "fairness",
        "link_update",
        "listener",
        "policies",
        "reregister",
        "staged",
        "steady_cubic",
        "sweep",
        "triggers",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_loads_bears_its_files_name_and_says_what_to_see(name: str) -> None:
    file = catalog.scenario_files()[name]
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.description
    assert scenario.source == str(file.resolve())
    assert len(catalog.summary(file)) > 20
    assert "The picture must show" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_survives_being_stored(name: str) -> None:
    scenario = load_scenario(name)
    again = Scenario.from_resolved(scenario.resolved())
    assert again.resolved() == scenario.resolved()
    assert again.identity() == scenario.identity()


def test_the_main_job_is_a_swap_from_cubic_to_bbr_at_twenty_seconds() -> None:
    scenario = load_scenario("cubic_to_bbr")
    assert scenario.duration_ns == 60_000_000_000
    assert (scenario.path.rate_bps, scenario.path.rtt_ns) == (100_000_000, 40_000_000)
    assert scenario.path.buffer_packets == 333
    (flow,), (swap,) = scenario.flows, scenario.swaps
    assert (flow.congestion, swap.to, swap.via) == ("cubic", "bbr", "setsockopt")
    assert swap.at_ns == 20_000_000_000


def test_the_slow_start_scenario_is_the_recorded_path() -> None:
    scenario = load_scenario("cubic_to_reno_slow_start")
    assert (scenario.path.rate_bps, scenario.path.rtt_ns) == (20_000_000, 100_000_000)
    assert scenario.path.buffer_packets == 333
    assert scenario.swaps[0].at_ns == 350_000_000


def test_the_link_update_has_flows_before_and_after() -> None:
    scenario = load_scenario("link_update")
    (swap,) = scenario.swaps
    starts = [flow.start_ns for flow in scenario.flows]
    assert min(starts) < swap.at_ns < max(starts)
    assert {flow.congestion for flow in scenario.flows} == {"fleet"}


def test_the_listener_accepts_before_between_and_after_the_two_swaps() -> None:
    scenario = load_scenario("listener")
    update, again = scenario.swaps
    assert (update.via, again.via, again.listeners) == ("link_update", "setsockopt", ("web",))
    starts = [flow.start_ns for flow in scenario.flows]
    assert starts[0] < update.at_ns < starts[1] < again.at_ns < starts[2]
    assert {flow.listener for flow in scenario.flows} == {"web"}


def test_the_sweep_reaches_all_four_flows() -> None:
    assert load_scenario("sweep").swaps[1].flows == ("web-1", "web-2", "web-3", "web-4")


def test_the_control_has_no_swap() -> None:
    assert load_scenario("steady_cubic").swaps == ()


def test_one_flow_connects_in_the_gap_and_one_after_it() -> None:
    scenario = load_scenario("reregister")
    (swap,) = scenario.swaps
    _, inside, after = [flow.start_ns for flow in scenario.flows]
    assert swap.at_ns < inside < swap.at_ns + swap.gap_ns < after
    assert scenario.kernel.default not in ("cubic", "bbr")  # so that a fallback shows


def test_the_staged_roll_out_has_a_guard_and_ends_with_all_flows() -> None:
    (swap,) = load_scenario("staged").swaps
    assert (len(swap.flows), swap.steps_ppm[-1]) == (10, 1_000_000)
    assert swap.guard is not None


def test_the_policies_are_four_in_one_direction() -> None:
    swaps = [swap for swap in load_scenario("policies").swaps if swap.to == "bbr"]
    assert [swap.state for swap in swaps] == ["linux", "safe_retreat", "pacing_ramp", "rate"]


def test_each_of_the_triggers_waits_for_something_else() -> None:
    triggers = [swap.trigger for swap in load_scenario("triggers").swaps]
    assert [trigger and (trigger.state or trigger.acked_bytes) for trigger in triggers] == [
        "Recovery",
        "ProbeRTT",
        150_000_000,
    ]
