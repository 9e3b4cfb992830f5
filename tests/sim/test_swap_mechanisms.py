"""Mechanisms that take their time: gaps, cohorts, stages, repetition."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccsim.sim import simulate
from ccsim.sim.recorder import COLUMNS, FlowRecorder
from ccsim.sim.swap.guard import GUARDS, check_guard
from ccsim.sim.traces import Event, SimResult
from ccsim.spec import Guard, Scenario
from ccsim.tcp.host import Host
from ccsim.tcp.sender import Sender
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, at, flow_of, resolved, run

PROFILES = pytest.mark.parametrize("profile", ["linux", "v2"])


def of_kind(result: SimResult, *kinds: str) -> list[Event]:
    return [event for event in result.events if event.kind in kinds]


# --- reregister ---

GAP = """\
duration: 2 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
kernel: {default: reno, profile: PROFILE}
links: {fleet: cubic}
flows:
  - {name: before, congestion: fleet}
  - {name: other, congestion: reno}
  - {name: inside, congestion: fleet, start: 1050 ms}
  - {name: after, congestion: fleet, start: 1100.001 ms}
swaps:
  - {at: 1 s, via: reregister, link: fleet, to: bbr, gap: 100 ms}
  - {at: 1050 ms, via: setsockopt, flows: [other], to: fleet}
  - {at: 1500 ms, via: setsockopt, flows: [other], to: fleet}
"""


@PROFILES
def test_who_connects_in_the_gap_gets_the_default_and_running_flows_keep_the_old(
    profile: str,
) -> None:
    result = run(GAP.replace("PROFILE", profile))
    served = {flow.name: flow.implementations for flow in result.flows}
    assert served == {
        "before": ("cubic",),
        "other": ("reno", "bbr"),
        "inside": ("reno",),
        "after": ("bbr",),
    }
    assert flow_of(result, "inside").congestion == "reno"
    (fallback,) = of_kind(result, "fallback")
    assert (fallback.t_ns, fallback.flow) == (1050 * MS, "inside")
    assert fallback.detail == {"wanted": "fleet", "got": "reno", "errno": errno.ENOENT}
    gone, refused, late = result.swaps
    assert (gone.label, gone.errno, gone.t_ns) == ("cubic → bbr, reregister", 0, S)
    assert (refused.errno, refused.flows) == (errno.ENOENT, ())
    assert (late.errno, late.flows) == (0, ("other",))


def test_the_name_is_missing_from_the_first_instant_of_the_gap_to_the_last() -> None:
    text = GAP.replace("PROFILE", "linux")
    for at_us, number in ((1_000_000, errno.ENOENT), (1_100_000, errno.ENOENT), (1_100_001, 0)):
        result = run(text.replace("1050 ms, via", f"{at_us} us, via"))
        assert [swap.errno for swap in result.swaps] == [0, number, 0]


def test_a_link_update_in_the_gap_finds_no_link() -> None:
    swap = "  - {at: 1050 ms, via: link_update, link: fleet, to: vegas}\n"
    result = run(GAP.replace("PROFILE", "linux") + swap)
    assert {swap.via: swap.errno for swap in result.swaps}["link_update"] == errno.ENOENT
    assert flow_of(result, "after").implementations == ("bbr",)


def test_a_gap_that_outlasts_the_run_leaves_the_name_missing() -> None:
    scenario = resolved(GAP.replace("PROFILE", "linux"))
    scenario["swaps"][0]["gap_ns"] = 5 * S
    result = simulate(Scenario.from_resolved(scenario))
    assert flow_of(result, "after").implementations == ("reno",)
    assert [swap.errno for swap in result.swaps] == [0, errno.ENOENT, errno.ENOENT]


# --- sweep by cohort ---

COHORT = """\
duration: 2 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows: [{name: web, congestion: cubic, count: 5}]
swaps: [{at: 1 s, via: sweep, to: bbr, COHORT, pause: 100 ms}]
"""


@pytest.mark.parametrize(
    ("cohort", "times"),
    [
        ("cohort: 2", [1000, 1000, 1100, 1100, 1200]),
        ("cohort: 40 %", [1000, 1000, 1100, 1100, 1200]),
        ("cohort: 41 %", [1000, 1000, 1000, 1100, 1100]),  # 2.05 flows: three
        ("cohort: 9", [1000] * 5),
    ],
)
def test_a_sweep_takes_so_many_flows_at_a_time(cohort: str, times: list[int]) -> None:
    result = run(COHORT.replace("COHORT", cohort))
    swaps = of_kind(result, "swap")
    assert [event.t_ns // MS for event in swaps] == times
    assert [event.flow for event in swaps] == [f"web-{k}" for k in range(1, 6)]
    assert result.swaps[0].flows == tuple(f"web-{k}" for k in range(1, 6))


# --- again and again ---


def test_a_swap_comes_again_after_each_period_until_its_time() -> None:
    text = """
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows: [{name: a, congestion: cubic}]
swaps:
  - {at: 500 ms, every: 1 s, until: 1500 ms, via: setsockopt, flows: [a], to: bbr}
  - {at: 1 s, every: 1 s, via: setsockopt, flows: [a], to: cubic, state: rate}
"""
    result = run(text)
    assert [(swap.t_ns // MS, swap.new) for swap in result.swaps] == [
        (500, "bbr"),
        (1000, "cubic"),
        (1500, "bbr"),
        (2000, "cubic"),
    ]
    assert {swap.errno for swap in result.swaps} == {0}


# --- staged ---

STAGED = """\
duration: 4 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
kernel: {profile: PROFILE}
links: {fleet: cubic}
flows:
  - {name: web, congestion: fleet, count: 4}
  - {name: guest, congestion: reno}
  - {name: new, congestion: fleet, start: 2100 ms}
  - {name: newer, congestion: fleet, start: 3500 ms}
swaps:
  - {at: 2 s, via: staged, link: fleet, to: bbr, flows: [web, guest], steps: [20 %, 60 %, 100 %],
     pause: 400 ms, GUARD}
"""
DROPS = "guard: {metric: drops, threshold: 1 %, window: 400 ms}"


def staged(guard: str = "state: linux", profile: str = "linux") -> SimResult:
    return run(STAGED.replace("GUARD", guard).replace("PROFILE", profile))


def test_without_a_guard_the_steps_reach_their_shares_in_order() -> None:
    result = staged()
    moved = [(e.t_ns // MS, e.flow, e.detail["step_ppm"]) for e in of_kind(result, "swap")[1:]]
    assert moved == [
        (2000, "web-1", 200_000),
        (2400, "web-2", 600_000),
        (2400, "web-3", 600_000),
        (2800, "web-4", 1_000_000),
        (2800, "guest", 1_000_000),
    ]
    assert flow_of(result, "new").implementations == ("bbr",)
    (record,) = result.swaps
    assert (record.label, record.outcome) == ("cubic → bbr, staged", "complete")
    (done,) = of_kind(result, "rollout")
    assert (done.t_ns, done.detail["flows"]) == (3200 * MS, 5)


@PROFILES
def test_a_guard_that_trips_returns_the_link_and_every_flow_that_was_moved(profile: str) -> None:
    result = staged(DROPS, profile)
    (rollback,) = of_kind(result, "rollback")
    assert rollback.t_ns == 2400 * MS  # BBR's Startup overflows the queue at once
    assert rollback.detail["now"] > rollback.detail["before"] + 10_000
    assert flow_of(result, "web-1").implementations == ("cubic", "bbr")
    assert at(flow_of(result, "web-1"), "implementation", 3 * S) == 0  # cubic again
    assert flow_of(result, "web-2").implementations == ("cubic",)
    assert flow_of(result, "new").implementations == ("bbr",)  # it came by itself, in between
    assert flow_of(result, "newer").implementations == ("cubic",)
    (record,) = result.swaps
    assert record.outcome.startswith("rolled back: drops ")
    assert record.outcome_ns == rollback.t_ns
    assert record.label == "cubic → bbr, staged"


def test_a_flow_goes_back_to_the_name_that_it_had() -> None:
    result = staged("guard: {metric: goodput, threshold: 1 %, window: 800 ms}").swaps[0]
    assert result.outcome  # whichever way, it ended
    text = STAGED.replace("flows: [web, guest]", "flows: [guest]").replace("20 %, 60 %, ", "")
    rolled = run(text.replace("GUARD", DROPS).replace("PROFILE", "linux"))
    assert of_kind(rolled, "rollback")
    assert flow_of(rolled, "guest").implementations == ("reno", "bbr")
    assert at(flow_of(rolled, "guest"), "implementation", 3900 * MS) == 0


def test_a_guard_that_is_content_checks_at_every_window_until_one_pause_after_the_last() -> None:
    result = staged("guard: {metric: stall, threshold: 3 s, window: 300 ms}")
    assert [e.t_ns // MS for e in of_kind(result, "guard")] == [2300, 2600, 2900, 3200]
    assert not any(e.detail["tripped"] for e in of_kind(result, "guard"))
    assert result.swaps[0].outcome == "complete"


def test_a_link_update_that_fails_ends_the_roll_out() -> None:
    scenario = resolved(STAGED.replace("GUARD", "state: linux").replace("PROFILE", "linux"))
    scenario["swaps"].insert(
        0,
        {
            **scenario["swaps"][0],
            "via": "reregister",
            "at_ns": S,
            "gap_ns": 9 * S,
            "flows": [],
            "guard": None,
        },
    )
    result = simulate(Scenario.from_resolved(scenario))
    assert result.swaps[1].errno == errno.ENOENT
    assert result.swaps[1].flows == ()


@pytest.mark.parametrize("text", [
    GAP.replace("PROFILE", "linux"),
    STAGED.replace("GUARD", DROPS).replace("PROFILE", "linux"),
    STAGED.replace("GUARD", "state: pacing_ramp").replace("PROFILE", "v2"),
], ids=["reregister", "staged", "staged, with a ramp"])  # fmt: skip
def test_neither_cuts_nor_vector_paths_show(text: str) -> None:
    scenario = resolved(text)
    assert not check(Example(scenario, (2_345_678,)), scenario)


# --- guards, on samples made by hand ---
#
#   t [ms]        0  10  20  30 | 40  50  60  70
#   acknowledged  0  10  20  30 | 30  30  40  45      packets of 1000 bytes
#                 before          now


def rows(acked: list[int], srtt: list[int], resent: list[int]) -> list[tuple[int, ...]]:
    made = []
    for k, (una, rtt, again) in enumerate(zip(acked, srtt, resent, strict=True)):
        row = dict.fromkeys(COLUMNS, 0)
        row |= {"t_ns": k * 10 * MS, "acked_packets": una, "delivered_packets": una + 1}
        row |= {"srtt_us": rtt, "retransmissions": again}
        made.append(tuple(row[name] for name in COLUMNS))
    return made


ROWS = rows(
    [0, 10, 20, 30, 30, 30, 40, 45],
    [50, 40, 30, 20, 60, 60, 60, 61],
    [0, 0, 0, 3, 3, 3, 6, 9],
)


def verdict(metric: str, threshold: int, rows: list[tuple[int, ...]] = ROWS) -> Any:
    recorder = FlowRecorder(10 * MS, lambda: "cubic")
    recorder.packed.add(np.array(rows[:3]))
    sk = Sender(Host())
    for *sample, sk.total_retrans, sk.ca_state, _ in rows[3:]:
        t, cwnd, ssthresh, srtt, flight, rate, una, delivered = sample
        recorder.take(sk, [(t, cwnd, ssthresh, srtt << 3, flight, rate, una, delivered)])
    flow = SimpleNamespace(recorder=recorder, index=0, sk=SimpleNamespace(mss_cache=1000))
    log = [(5 * MS, 0, 0), (50 * MS, 0, 0), (60 * MS, 1, 0), (80 * MS, 0, 0)]
    world: Any = SimpleNamespace(drops_since=lambda t_ns: log)
    guard = Guard(metric=metric, threshold=threshold, window_ns=40 * MS)
    flows: Any = [flow]
    return check_guard(world, guard, flows, 40 * MS, 80 * MS)


@pytest.mark.parametrize(
    ("metric", "before", "now", "trips_at", "holds_at"),
    [
        # 30 packets in 30 ms are 8 Mbit/s, 15 are 4: a fall by half
        ("goodput", 8_000_000, 4_000_000, 499_999, 500_000),
        # 3 of 30 sent again, then 6 of 15
        ("retransmissions", 100_000, 400_000, 299_999, 300_000),
        # one drop for 30 delivered, then one for 15; what falls on the end counts no more
        ("drops", 33_333, 66_666, 33_332, 33_333),
        # 50 us, then 61: by 22 %
        ("rtt_p99", 50, 61, 219_999, 220_000),
        # ten ms between two packets, then twenty without one: from 40 to 50 ms, seen at 60
        ("stall", 0, 10 * MS, 10 * MS - 1, 10 * MS),
    ],
)
def test_a_guard_trips_just_beyond_its_threshold(
    metric: str, before: int, now: int, trips_at: int, holds_at: int
) -> None:
    found = verdict(metric, trips_at)
    assert (found.before, found.now, found.trips) == (before, now, True)
    assert verdict(metric, holds_at).trips is False
    assert found.text().startswith(f"{metric} ")


def test_a_flow_that_does_not_live_through_both_windows_is_not_counted() -> None:
    assert verdict("goodput", 0, ROWS[1:]) is None
    assert verdict("goodput", 0, ROWS[:-1]) is None
    assert set(GUARDS) == {"goodput", "retransmissions", "drops", "rtt_p99", "stall"}
