"""A swap's target with parameters: another table entry of the same algorithm, by every mechanism.

`fixed` keeps the window that its parameter says, so that the window tells which entry serves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import FlowTrace, SimResult
from tests.sim.sim_rig import MS, S, flow_of, run

FIXED = """\
duration: 4 s
path: {rate: 100 Mbit/s, rtt: 20 ms}
links: {fleet: {name: fixed, cwnd: 5}}
listeners: [{name: web, congestion: {name: fixed, cwnd: 6}}]
flows:
  - {name: own, congestion: {name: fixed, cwnd: 3}}
  - {name: member, congestion: fleet}
  - {name: early, listener: web}
  - {name: later, congestion: fleet, start: 3 s}
  - {name: accepted, listener: web, start: 3 s}
  - {name: default, start: 3 s}
swaps:
"""


def windows(flow: FlowTrace) -> list[int]:
    """Return the windows that a flow has had since its handshake, one after the other."""
    cwnd = flow.snd_cwnd[flow.t_ns > flow.start_ns + 100 * MS]
    return [int(cwnd[0]), *(int(now) for now in cwnd[1:][np.diff(cwnd) != 0])]


def swapped(swap: str) -> SimResult:
    return run(f"{FIXED}  - {{at: 2 s, {swap}}}\n")


@pytest.mark.parametrize(
    ("swap", "flow", "expected"),
    [
        ("via: setsockopt, flows: [own], to: {name: fixed, cwnd: 7}", "own", [3, 7]),
        ("via: sweep, flows: all, over: 100 ms, to: {name: fixed, cwnd: 8}", "own", [3, 8]),
        ("via: link_update, link: fleet, to: {name: fixed, cwnd: 9}", "member", [5]),
        ("via: link_update, link: fleet, to: {name: fixed, cwnd: 9}", "later", [9]),
        ("via: reregister, link: fleet, to: {name: fixed, cwnd: 11}", "later", [11]),
        ("via: staged, link: fleet, to: {name: fixed, cwnd: 12}, steps: [100 %]", "own", [3, 12]),
        ("via: staged, link: fleet, to: {name: fixed, cwnd: 12}, steps: [100 %]", "later", [12]),
        ("via: sysctl, to: {name: fixed, cwnd: 13}", "default", [13]),
        ("via: setsockopt, listeners: [web], to: {name: fixed, cwnd: 14}", "early", [6]),
        ("via: setsockopt, listeners: [web], to: {name: fixed, cwnd: 14}", "accepted", [14]),
    ],
)
def test_every_mechanism_puts_its_own_parameters_in_place(
    swap: str, flow: str, expected: list[int]
) -> None:
    found = flow_of(swapped(swap), flow)
    assert windows(found) == expected
    assert found.implementations == tuple(f"fixed(cwnd={window})" for window in expected)


@pytest.mark.parametrize(
    ("swap", "label"),
    [
        (
            "via: setsockopt, flows: [own], to: {name: fixed, cwnd: 7}",
            "fixed(cwnd=3) → fixed(cwnd=7), setsockopt",
        ),
        (
            "via: link_update, link: fleet, to: {name: fixed, cwnd: 9}",
            "fixed(cwnd=5) → fixed(cwnd=9), link_update",
        ),
        (
            "via: reregister, link: fleet, to: {name: fixed, cwnd: 9}",
            "fixed(cwnd=5) → fixed(cwnd=9), reregister",
        ),
        ("via: link_update, link: fleet, to: fixed", "fixed(cwnd=5) → fixed, link_update"),
        ("via: sysctl, to: {name: fixed, cwnd: 9}", "cubic → fixed(cwnd=9), sysctl"),
        (
            "via: setsockopt, listeners: [web], to: {name: fixed, cwnd: 9}",
            "fixed(cwnd=6) → fixed(cwnd=9), setsockopt",
        ),
        (
            "via: setsockopt, flows: [own], to: {name: cubic, hystart: false, beta: 800}",
            "fixed(cwnd=3) → cubic(beta=800,hystart=false), setsockopt",
        ),
    ],
)
def test_a_swap_is_told_with_the_parameters_of_both_sides(swap: str, label: str) -> None:
    (record,) = swapped(swap).swaps
    assert (record.label, record.errno) == (label, 0)


def test_the_entry_that_a_flow_has_already_changes_nothing() -> None:
    (record,) = swapped("via: setsockopt, flows: [own], to: {name: fixed, cwnd: 3}").swaps
    assert (record.flows, record.errno) == ((), 0)


def test_the_order_in_which_parameters_are_written_makes_no_other_entry() -> None:
    result = run(
        "duration: 2 s\npath: {rate: 10 Mbit/s, rtt: 20 ms}\n"
        "flows: [{name: a, congestion: {name: cubic, beta: 800, hystart: 0}}]\n"
        "swaps: [{at: 1 s, via: setsockopt, flows: [a], to: {name: cubic, hystart: 0, beta: 800}}]"
    )
    assert flow_of(result, "a").implementations == ("cubic(beta=800,hystart=0)",)
    assert result.swaps[0].flows == ()


def test_a_roll_back_returns_the_link_and_the_flows_to_the_parameters_they_had() -> None:
    guard = "guard: {metric: goodput, threshold: 10 %, window: 500 ms}"
    result = swapped(
        "via: staged, link: fleet, flows: [own, member], steps: [50 %, 100 %], pause: 200 ms, "
        "to: {name: fixed, cwnd: 1}, " + guard
    )
    assert result.swaps[0].outcome.startswith("rolled back")
    assert windows(flow_of(result, "own")) == [3, 1, 3]
    assert windows(flow_of(result, "member")) == [5, 1, 5]
    assert windows(flow_of(result, "later")) == [5]
    assert flow_of(result, "later").implementations == ("fixed(cwnd=5)",)


def test_a_workloads_connections_have_the_parameters_that_it_says() -> None:
    result = run(
        "duration: 3 s\npath: {rate: 100 Mbit/s, rtt: 20 ms}\nrecord: {flows: all}\n"
        "workloads: [{name: w, arrivals: {at_once: 2}, sizes: 100 MB,\n"
        "  congestion: {name: fixed, cwnd: 4}}]\n"
        "swaps: [{at: 1 s, via: setsockopt, flows: [w], to: {name: fixed, cwnd: 7}}]\n"
    )
    assert [windows(flow) for flow in result.flows] == [[4, 7], [4, 7]]


def plain(scenario: Any) -> list[tuple[Any, ...]]:
    result = simulate(scenario)
    return [(f.name, f.congestion, f.implementations, windows(f)) for f in result.flows]


def test_twin_b_runs_from_the_start_what_the_swaps_end_in_with_its_parameters() -> None:
    scenario = parse_scenario(
        f"""{FIXED}\
  - {{at: 1 s, via: setsockopt, flows: [own], to: {{name: fixed, cwnd: 21}}}}
  - {{at: 1 s, via: link_update, link: fleet, to: {{name: fixed, cwnd: 22}}}}
  - {{at: 1 s, via: setsockopt, listeners: [web], to: {{name: fixed, cwnd: 23}}}}
  - {{at: 1 s, via: sysctl, to: {{name: fixed, cwnd: 24}}}}
""",
        "s.yaml",
    )
    assert plain(scenario.with_b_twin()) == [
        ("own", "fixed(cwnd=21)", ("fixed(cwnd=21)",), [21]),
        ("member", "fleet", ("fixed(cwnd=22)",), [22]),
        ("early", "fixed(cwnd=23)", ("fixed(cwnd=23)",), [23]),
        ("later", "fleet", ("fixed(cwnd=22)",), [22]),
        ("accepted", "fixed(cwnd=23)", ("fixed(cwnd=23)",), [23]),
        ("default", "fixed(cwnd=24)", ("fixed(cwnd=24)",), [24]),
    ]


def test_without_hystart_slow_start_goes_on_to_the_first_loss() -> None:
    """At 10 Mbit/s and 40 ms the pipe holds 33 packets and the buffer 10 times as many: HyStart
    leaves at the first sign of a queue, its absence lets the window double past 300."""
    text = (
        "duration: 3 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 10 BDP}\n"
        "flows: [{name: a, congestion: reno}]\n"
        "swaps: [{at: 50 ms, via: setsockopt, flows: [a], to: TARGET}]\n"
    )
    with_it, without = (
        flow_of(run(text.replace("TARGET", to)), "a")
        for to in ("cubic", "{name: cubic, hystart: false}")
    )
    late = with_it.t_ns > S
    assert with_it.snd_cwnd[~late].max() < 100
    assert without.snd_cwnd.max() > 300
