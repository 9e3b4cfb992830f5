"""When, how and from what a swap starts: resolved to integers, or refused with its place."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, parse_scenario
from ccsim.spec import Guard, Swap, Trigger

pytestmark = pytest.mark.usefixtures("three_algorithms")

HEAD = """\
duration: 60 s
path: {rate: 100 Mbit/s, rtt: 40 ms}
links: {fleet: cubic}
flows:
  - {name: bulk, congestion: cubic}
  - {name: near, congestion: reno, rtt: 0 ms}
  - {name: web, congestion: fleet, count: 3}
swaps:
"""
MS, S = 1_000_000, 1_000_000_000


def scenario(*swaps: str) -> Scenario:
    return parse_scenario(HEAD + "".join(f"  - {swap}\n" for swap in swaps), "s.yaml")


def only(swap: str) -> Swap:
    (found,) = scenario(swap).swaps
    return found


def refusal(swap: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario(swap)
    return str(caught.value).splitlines()


def test_a_trigger_is_looked_for_from_a_time_on() -> None:
    swap = only("{when: {flow: bulk, state: Recovery, after: 10 s}, via: setsockopt, "
                "flows: [bulk], to: bbr, state: rate}")  # fmt: skip
    assert (swap.at_ns, swap.state) == (10 * S, "rate")
    assert swap.trigger == Trigger(flow="bulk", state="Recovery", delay_ns=40 * MS)


@pytest.mark.parametrize(
    ("when", "field", "value"),
    [
        ("cwnd_above: 100", "cwnd_above", 100),
        ("cwnd_above: 100 packets", "cwnd_above", 100),
        ("loss: 3", "loss", 3),
        ("acked: 10 MB", "acked_bytes", 10_000_000),
        ("state: app-limited, delay: 5 ms", "delay_ns", 5 * MS),
    ],
)
def test_a_trigger_waits_for_one_thing(when: str, field: str, value: int) -> None:
    swap = only(f"{{when: {{flow: bulk, {when}}}, via: link_update, link: fleet, to: bbr}}")
    assert swap.trigger is not None
    assert getattr(swap.trigger, field) == value


def test_without_a_delay_on_the_path_a_reaction_takes_a_millisecond() -> None:
    swap = only("{when: {flow: near, loss: 1}, via: sweep, to: bbr}")
    assert swap.trigger is not None
    assert swap.trigger.delay_ns == MS
    assert swap.flows == ("bulk", "near", "web-1", "web-2", "web-3")


def test_a_repeated_swap_is_as_many_as_there_are_times() -> None:
    base = "at: 10 s, every: 20 s, via: setsockopt, flows: [bulk], to: bbr"
    assert [swap.at_ns // S for swap in scenario(f"{{{base}}}").swaps] == [10, 30, 50]
    assert [s.at_ns // S for s in scenario(f"{{{base}, until: 30 s}}").swaps] == [10, 30]


def test_a_staged_roll_out_resolves_to_shares_pauses_and_a_guard() -> None:
    swap = only("{at: 20 s, via: staged, link: fleet, to: bbr, flows: [web], "
                "guard: {metric: goodput, threshold: 20 %}}")  # fmt: skip
    assert (swap.link, swap.flows) == ("fleet", ("web-1", "web-2", "web-3"))
    assert (swap.steps_ppm, swap.pause_ns) == ((10_000, 100_000, 1_000_000), S)
    assert swap.guard == Guard(metric="goodput", threshold=200_000, window_ns=S)


def test_a_stall_has_a_time_for_a_threshold() -> None:
    swap = only("{at: 20 s, via: staged, link: fleet, to: bbr, "
                "guard: {metric: stall, threshold: 500 ms, window: 2 s}}")  # fmt: skip
    assert swap.guard == Guard(metric="stall", threshold=500 * MS, window_ns=2 * S)


def test_reregister_and_cohorts_resolve_to_times_and_counts() -> None:
    gap = only("{at: 20 s, via: reregister, link: fleet, to: bbr}")
    assert (gap.gap_ns, gap.flows) == (100 * MS, ())
    cohort = only("{at: 20 s, via: sweep, to: bbr, cohort: 30 %, pause: 1 s}")
    assert (cohort.cohort, cohort.pause_ns, cohort.over_ns) == (2, S, 0)  # 1.5 of five, rounded up


def test_twin_b_of_a_staged_or_reregistered_link_has_the_new_map_from_the_start() -> None:
    swap = "{at: 20 s, via: VIA, link: fleet, to: bbr MORE}"
    for via, more in (("reregister", ""), ("staged", ", flows: [bulk]")):
        twin = scenario(swap.replace("VIA", via).replace(" MORE", more)).with_b_twin()
        assert [link.map for link in twin.links] == ["bbr"]
        assert twin.flows[0].congestion == ("fleet" if more else "cubic")
        assert twin.flows[2].congestion == "fleet"


def test_twin_b_of_a_triggered_swap_runs_its_end_from_the_start() -> None:
    given = scenario("{when: {flow: bulk, loss: 1}, via: setsockopt, flows: [bulk], to: bbr}")
    assert given.with_b_twin().flows[0].congestion == "bbr"
    assert given.without_swaps().swaps == ()


def test_what_is_resolved_can_be_read_back() -> None:
    given = scenario(
        "{when: {flow: bulk, loss: 1}, via: setsockopt, flows: [bulk], to: bbr, state: cold}",
        "{at: 20 s, via: staged, link: fleet, to: bbr, guard: {metric: drops, threshold: 1 %}}",
    )
    assert Scenario.from_resolved(given.resolved()) == given


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        ("{via: sweep, to: bbr}",
         "9:5: swaps.0: missing key 'at': when, such as \"20 s\"; or 'when': a trigger"),
        ("{at: 1 s, when: {flow: bulk, loss: 1}, via: sweep, to: bbr}",
         "9:5: swaps.0: expected either 'at' or 'when', got both"),
        ("{when: {flow: bulk}, via: sweep, to: bbr}",
         "9:12: swaps.0.when: expected exactly one of 'state', 'cwnd_above', 'loss' or 'acked', "
         "got none"),
        ("{when: {flow: bulk, loss: 1, acked: 1 MB}, via: sweep, to: bbr}",
         "9:12: swaps.0.when: expected exactly one of 'state', 'cwnd_above', 'loss' or 'acked', "
         "got loss and acked"),
        ("{when: {flow: bulk, state: Recovry}, via: sweep, to: bbr}",
         "9:32: swaps.0.when.state: no state 'Recovry'; did you mean 'Recovery'?"),
        ("{when: {flow: bulk, loss: 0}, via: sweep, to: bbr}",
         "9:31: swaps.0.when.loss: expected at least 1, got 0"),
        ("{when: {flow: web, loss: 1}, via: sweep, to: bbr}",
         "9:19: swaps.0.when.flow: expected one flow, got 'web', which are 3"),
        ("{when: {flow: bulk, losses: 1}, via: sweep, to: bbr}",
         "9:25: swaps.0.when.losses: unknown key 'losses'; did you mean 'loss'?"),
        ("{when: {flow: bulk, loss: 1, after: 60 s}, via: sweep, to: bbr}",
         "9:12: swaps.0.when: expected a time before the end of the run at 60 s, got 60 s"),
        ("{when: {flow: bulk, loss: 1}, every: 1 s, via: sweep, to: bbr}",
         "9:5: swaps.0: expected 'every' beside 'at', got it beside 'when'"),
        ("{at: 1 s, until: 2 s, via: sweep, to: bbr}",
         "9:5: swaps.0: expected 'until' beside 'every', got no 'every'"),
        ("{at: 5 s, every: 1 s, until: 2 s, via: sweep, to: bbr}",
         "9:34: swaps.0.until: expected a time from 5 s on, got 2 s"),
        ("{at: 5 s, every: 1 us, via: sweep, to: bbr}",
         "9:22: swaps.0.every: expected at most 10000 repetitions, got 55000000"),
        ("{at: 1 s, via: sweep, to: bbr, over: 1 s, cohort: 1, pause: 1 s}",
         "9:5: swaps.0: expected either 'over' or 'cohort', got both"),
        ("{at: 1 s, via: sweep, to: bbr, cohort: 1}",
         "9:5: swaps.0: expected 'cohort' and 'pause' together, got one of them"),
        ("{at: 1 s, via: sweep, to: bbr, cohort: 0, pause: 1 s}",
         "9:44: swaps.0.cohort: expected at least one flow, got 0"),
        ("{at: 1 s, via: sweep, to: bbr, cohort: 1, pause: 15 s}",
         "9:54: swaps.0.pause: expected a time before the end of the run at 60 s, got the last "
         "cohort at 61 s"),
        ("{at: 59 s, via: reregister, link: fleet, to: bbr, gap: 1 s}",
         "9:60: swaps.0.gap: expected a time before the end of the run at 60 s, got the name back "
         "at 60 s"),
        ("{at: 20 s, via: reregister, link: flete, to: bbr}",
         "9:39: swaps.0.link: no link 'flete'; did you mean 'fleet'?"),
        ("{at: 20 s, via: staged, link: fleet, to: bbr, steps: [50 %, 10 %]}",
         "9:5: swaps.0: expected growing steps, got 50 %, 10 %"),
        ("{at: 20 s, via: staged, link: fleet, to: bbr, steps: []}",
         "9:5: swaps.0: expected growing steps, got none"),
        ("{at: 20 s, via: staged, link: fleet, to: bbr, steps: [120 %]}",
         '9:59: swaps.0.steps.0: expected a share such as "25 %" or 0.25, above 0 and at most '
         '100 %, got "120 %"'),
        ("{at: 20 s, via: staged, link: fleet, to: bbr, guard: {metric: goodput, threshold: 1 s}}",
         '9:87: swaps.0.guard.threshold: expected a share such as "20 %" for \'goodput\''),
        ("{at: 20 s, via: staged, link: fleet, to: bbr, guard: {metric: stall, threshold: 1 %}}",
         '9:85: swaps.0.guard.threshold: expected a time such as "500 ms" for \'stall\''),
        ("{at: 1 s, via: staged, link: fleet, to: bbr, "
         "guard: {metric: drops, threshold: 1 %, window: 2 s}}",
         "9:97: swaps.0.guard.window: expected at most the time before the swap, 1 s, got 2 s"),
        ("{at: 1 s, via: staged, link: fleet, to: bbr, "
         "guard: {metric: drops, threshold: 1 %, window: 10 ms}}",
         "9:97: swaps.0.guard.window: expected at least 20 ms, got 10 ms"),
        ("{at: 1 s, via: staged, link: fleet, to: bbr, guard: {metric: drop, threshold: 1 %}}",
         "9:66: swaps.0.guard.metric: no guard metric 'drop'; did you mean 'drops'?"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_place(swap: str, message: str) -> None:
    assert refusal(swap) == [f"s.yaml:{message}"]


@pytest.mark.parametrize("kept", ["none", "aggregate"])
def test_a_guard_needs_the_samples_of_flows(kept: str) -> None:
    swap = "{at: 20 s, via: staged, link: fleet, to: bbr, guard: {metric: drops, threshold: 1 %}}"
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"{HEAD}  - {swap}\nrecord: {{flows: {kept}}}\n", "s.yaml")
    expected = f"a guard reads the samples of flows: expected record.flows: all, got {kept}"
    assert str(caught.value) == f"s.yaml:9:58: swaps.0.guard: {expected}"


@pytest.mark.parametrize(
    ("swap", "place", "what"),
    [
        ("at: %s, via: staged, link: fleet, to: bbr, steps: [10 %%, 50 %%, 1], pause: 10 s",
         "swaps.0.pause", "the last step at"),
        ("at: %s, via: sweep, to: bbr, cohort: 2, pause: 10 s",
         "swaps.0.pause", "the last cohort at"),
        ("at: %s, via: sweep, to: bbr, over: 20 s",
         "swaps.0.over", "a sweep until"),
        ("at: %s, via: reregister, link: fleet, to: bbr, gap: 20 s",
         "swaps.0.gap", "the name back at"),
    ],
)  # fmt: skip
def test_what_takes_twenty_seconds_begins_before_the_last_twenty(
    swap: str, place: str, what: str
) -> None:
    """Three steps have two pauses between them, and five flows three cohorts of two."""
    assert scenario("{" + swap % "39999 ms" + "}")
    (line,) = refusal("{" + swap % "40 s" + "}")
    told = f"{place}: expected a time before the end of the run at 60 s, got {what} 60 s"
    assert line.endswith(told)
