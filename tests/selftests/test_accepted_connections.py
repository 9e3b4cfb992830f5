"""Connections that a listener accepts, and network namespaces, over simulated transfers."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import numpy as np
import pytest

from ccsim.kernel import KernelError
from ccsim.kernel.errors import EBADF, ENOENT, EPERM
from ccsim.scenario import Scenario, load_scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import Event, SimResult
from tests.selftests.selftest_rig import act_at, kernel_of, trace, world

MS = 1_000_000
PATH = "duration: 6 s\npath: {rate: 100 Mbit/s, rtt: 40 ms}\ntwins: false\n"


def run_of(text: str, path: str = PATH) -> SimResult:
    run = world(text, path)
    run.run()
    return run.result()


def events(result: SimResult, kind: str, flow: str = "") -> list[Event]:
    return [each for each in result.events if each.kind == kind and each.flow == flow]


def served(result: SimResult) -> dict[str, tuple[str, ...]]:
    return {flow.name: flow.implementations for flow in result.flows}


# --- the passive open ---


def test_the_handshake_of_an_accepted_connection_takes_one_and_a_half_round_trips() -> None:
    """
     client        server
    1000.0 --SYN-->
                    1020.0     one return delay
                    1020.0048  60 bytes at 100 Mbit/s
    1040.0048 <-- SYN-ACK
             --ACK-->
                    1060.0048  accepted; data follows at once
    """
    text = (
        "listeners: [{name: web}]\nflows: [{name: a, listener: web, start: 1 s, size: 14480 B}]\n"
    )
    result = run_of(text)
    assert [each.t_ns for each in events(result, "start", "a")] == [1_000 * MS]
    assert [each.t_ns for each in events(result, "accept", "a")] == [1_060_004_800]
    flow = trace(result, "a")
    # the SYN-ACK, 10 packets of data and the FIN: a server sends no third ACK
    assert flow.counters["packets_sent"] == flow.counters["packets_delivered"] == 12
    # ten packets of 0.12 ms each and a round trip later all is acknowledged
    assert flow.end_ns == 1_060_004_800 + 10 * 120_000 + 40 * MS
    assert flow.t_ns[0] == 1_000 * MS


def test_a_syn_ack_that_is_dropped_is_sent_again_after_a_second() -> None:
    run = world(
        "listeners: [{name: web}]\nflows: [{name: a, listener: web, size: 14480 B}]\n", PATH
    )
    assert run.link is not None
    fifo, limit = run.link.fifo, run.link.fifo.limit

    def room(packets: int) -> None:
        fifo.limit = packets

    act_at(run, 0.001, lambda: room(0))
    act_at(run, 0.5, lambda: room(limit))
    run.run()
    result = run.result()
    # sent at 20 ms; the timer wheel ends a second in the 32 ms grid whose line is at 1039.5 ms
    assert [each.t_ns for each in events(result, "accept", "a")] == [1_039_500_000 + 40_004_800]
    counters = trace(result, "a").counters
    assert (counters["packets_dropped"], counters["packets_sent"]) == (1, 13)


def test_a_connection_that_is_never_accepted_still_has_a_whole_trace() -> None:
    result = run_of(
        "listeners: [{name: web, congestion: reno}]\n"
        "flows: [{name: late, listener: web, start: 5990 ms}, {name: other}]\n"
    )
    flow = trace(result, "late")
    assert (flow.congestion, flow.implementations, len(flow.t_ns)) == ("reno", ("reno",), 2)
    assert not events(result, "accept", "late")
    assert (flow.end_ns, flow.counters["packets_sent"]) == (None, 0)


@pytest.mark.parametrize("stop_ms", [5, 30, 55])
def test_a_server_that_stops_writing_before_it_accepts_closes(stop_ms: int) -> None:
    result = run_of(
        "listeners: [{name: web}]\n"
        f"flows: [{{name: a, listener: web, stop: {stop_ms} ms}}, {{name: other, size: 1 MiB}}]\n"
    )
    assert trace(result, "a").end_ns == stop_ms * MS
    assert not events(result, "accept", "a")


def test_a_swap_of_a_connection_that_is_not_accepted_yet_is_ebadf() -> None:
    result = run_of(
        "listeners: [{name: web}]\nflows: [{name: a, listener: web}]\n"
        "swaps: [{at: 50 ms, via: setsockopt, flows: [a], to: bbr}]\n"
    )
    assert [(swap.errno, swap.flows) for swap in result.swaps] == [(EBADF, ())]
    assert served(result)["a"] == ("cubic",)


MIXED = """\
duration: 5 s
path: {rate: 20 Mbit/s, rtt: 30 ms, buffer: 0.7 BDP}
links: {fleet: cubic}
namespaces: {edge: cubic}
listeners:
  - {name: web, congestion: fleet}
  - {name: e, netns: edge}
flows:
  - {name: a, listener: web, stop: 4 s}
  - {name: b, listener: web, start: 1 s, rtt: 50 ms, access_delay: 10 ms, size: 900 KB}
  - {name: c, listener: e, start: 1.5 s, size: 700 KB}
  - {name: d, congestion: reno, start: 0.5 s, size: 3 MB}
  - {name: s, listener: e, start: 2.5 s, count: 5, start_every: 100 ms, size: 20 KB}
swaps:
  - {at: 0.7 s, via: link_update, link: fleet, to: bbr}
  - {at: 0.9 s, via: setsockopt, listeners: [web], to: fleet}
  - {at: 2 s, via: sysctl, netns: edge, to: bbr}
  - {at: 3 s, via: setsockopt, flows: [a], to: reno}
"""


def same(a: SimResult, b: SimResult) -> bool:
    """Report whether two results are equal in every column, event and record."""
    pairs = zip((*a.flows, *a.links), (*b.flows, *b.links), strict=True)
    return all(equal(*pair) for pair in pairs) and a.events == b.events and a.swaps == b.swaps


def equal(ours: Any, theirs: Any) -> bool:
    """Report whether two values are equal: arrays, and records of such."""
    if is_dataclass(ours):
        return all(equal(value, getattr(theirs, key)) for key, value in vars(ours).items())
    return np.array_equal(ours, theirs)


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_accepted_connections_do_not_depend_on_how_the_run_is_cut(profile: str) -> None:
    text = f"{MIXED}kernel: {{profile: {profile}}}\n"
    scenario = parse_scenario(text, "mixed.yaml")
    whole = simulate(scenario, paranoid=True)
    dropped = sum(flow.counters["packets_dropped"] for flow in whole.flows)
    assert dropped > 20
    assert same(whole, simulate(scenario, vector=False))
    for lookahead_ns in (20 * MS, 1_300_000):
        assert same(whole, simulate(scenario, lookahead_ns=lookahead_ns))


# --- what they inherit ---

SERVER = """\
links: {fleet: cubic}
listeners: [{name: web, congestion: fleet}]
flows:
  - {name: before, listener: web, size: 100 KB}
  - {name: updated, listener: web, start: 2 s, size: 100 KB}
  - {name: asked, listener: web, start: 4 s, size: 100 KB}
swaps:
  - {at: 1 s, via: link_update, link: fleet, to: bbr}
  - {at: 3 s, via: setsockopt, listeners: [web], to: fleet}
"""


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_a_link_update_alone_changes_nothing_for_a_listener_that_chose(profile: str) -> None:
    result = run_of(f"{SERVER}kernel: {{profile: {profile}}}\n")
    assert served(result) == {"before": ("cubic",), "updated": ("cubic",), "asked": ("bbr",)}
    assert {flow.congestion for flow in result.flows} == {"fleet"}
    update, again = result.swaps
    assert (update.old, update.new, update.flows, update.errno) == ("cubic", "bbr", (), 0)
    assert (again.old, again.new, again.flows, again.errno) == ("cubic", "bbr", (), 0)
    assert [each.detail for each in events(result, "swap")] == [
        {"via": "link_update", "link": "fleet", "from": "cubic", "to": "bbr", "errno": 0}
        | {"swap": 0},
        {"via": "setsockopt", "listener": "web", "from": "cubic", "to": "bbr", "errno": 0}
        | {"swap": 1},
    ]


def test_the_shipped_scenario_shows_what_its_comment_says() -> None:
    result = simulate(load_scenario("listener"))
    assert served(result) == {"before": ("cubic",), "updated": ("cubic",), "asked": ("bbr",)}
    before, updated, asked = result.flows
    at_40 = [int(flow.delivered_bytes[flow.t_ns == 40_000 * MS][0]) for flow in result.flows]
    at_45 = [int(flow.delivered_bytes[flow.t_ns == 45_000 * MS][0]) for flow in result.flows]
    share = [end - start for start, end in zip(at_40, at_45, strict=True)]
    assert 0.05 < (share[0] + share[1]) / sum(share) < 0.2
    alone = asked.t_ns > 46_000 * MS
    assert 680 < int(np.median(asked.snd_cwnd[alone])) < 720
    assert 40_000 < int(np.median(asked.srtt_us[alone])) < 46_000
    probing = alone & (asked.snd_cwnd == 4)
    assert 10 <= np.count_nonzero(probing) <= 60  # samples of 10 ms: one probe, or two
    assert before.end_ns is not None
    assert updated.end_ns is not None


def test_a_listener_that_chose_nothing_gives_the_default_of_the_moment() -> None:
    result = run_of(
        "listeners: [{name: web}]\n"
        "flows:\n"
        "  - {name: first, listener: web, size: 100 KB}\n"
        "  - {name: second, listener: web, start: 2 s, size: 100 KB}\n"
        "  - {name: third, start: 2 s, size: 100 KB}\n"
        "swaps: [{at: 1 s, via: sysctl, to: reno}]\n"
    )
    assert served(result) == {"first": ("cubic",), "second": ("reno",), "third": ("reno",)}
    assert [flow.congestion for flow in result.flows] == ["cubic", "reno", "reno"]
    (swap,) = result.swaps
    assert (swap.via, swap.label, swap.flows) == ("sysctl", "cubic → reno, sysctl", ())
    assert events(result, "swap")[0].detail == {
        "via": "sysctl",
        "netns": "init",
        "from": "cubic",
        "to": "reno",
        "errno": 0,
        "swap": 0,
    }


def test_a_default_pins_an_implementation_and_asking_for_the_name_finds_the_new_one() -> None:
    result = run_of(
        "kernel: {default: fleet}\nlinks: {fleet: cubic}\n"
        "flows:\n"
        "  - {name: default, start: 2 s, size: 100 KB}\n"
        "  - {name: asks, congestion: fleet, start: 2 s, size: 100 KB}\n"
        "swaps: [{at: 1 s, via: link_update, link: fleet, to: bbr}]\n"
    )
    assert served(result) == {"default": ("cubic",), "asks": ("bbr",)}
    assert [flow.congestion for flow in result.flows] == ["fleet", "fleet"]


def test_a_namespace_has_a_default_of_its_own_and_may_not_have_a_restricted_one() -> None:
    result = run_of(
        "namespaces: {edge: reno, core: cubic}\n"
        "flows:\n"
        "  - {name: edge, netns: edge, size: 100 KB}\n"
        "  - {name: core, netns: core, size: 100 KB}\n"
        "  - {name: chosen, netns: core, congestion: vegas, size: 100 KB}\n"
        "  - {name: later, netns: edge, start: 2 s, size: 100 KB}\n"
        "  - {name: latest, netns: edge, start: 4 s, size: 100 KB}\n"
        "swaps:\n"
        "  - {at: 1 s, via: sysctl, netns: edge, to: vegas}\n"
        "  - {at: 3 s, via: sysctl, netns: edge, to: bbr}\n"
    )
    assert served(result) == {
        "edge": ("reno",),
        "core": ("cubic",),
        "chosen": ("vegas",),
        "later": ("reno",),
        "latest": ("bbr",),
    }
    assert [(s.old, s.new, s.errno) for s in result.swaps] == [
        ("reno", "vegas", EPERM),
        ("reno", "bbr", 0),
    ]


def test_a_setsockopt_may_reach_flows_and_listeners_at_once() -> None:
    result = run_of(
        "listeners: [{name: web}]\n"
        "flows:\n"
        "  - {name: running}\n"
        "  - {name: new, listener: web, start: 2 s, size: 100 KB}\n"
        "swaps: [{at: 1 s, via: setsockopt, flows: [running], listeners: [web], to: reno}]\n"
    )
    assert served(result) == {"running": ("cubic", "reno"), "new": ("reno",)}
    (swap,) = result.swaps
    assert (swap.old, swap.new, swap.flows) == ("cubic", "reno", ("running",))


# --- twins ---


def twins(text: str) -> tuple[SimResult, SimResult]:
    scenario: Scenario = parse_scenario(PATH + text, "twins.yaml")
    a, b = scenario.without_swaps(), scenario.with_b_twin()
    return simulate(a, paranoid=True), simulate(b, paranoid=True)


def test_the_twins_of_a_listeners_swap_have_the_old_and_the_new_throughout() -> None:
    a, b = twins(SERVER)
    assert set(served(a).values()) == {("cubic",)}
    assert set(served(b).values()) == {("bbr",)}


def test_twin_b_of_a_sysctl_that_is_refused_is_as_the_run_ends() -> None:
    _, b = twins(
        "namespaces: {edge: reno}\n"
        "flows: [{name: a, netns: edge, size: 100 KB}, {name: b, size: 100 KB}]\n"
        "swaps:\n"
        "  - {at: 3 s, via: sysctl, netns: edge, to: vegas}\n"
        "  - {at: 2 s, via: sysctl, to: bbr}\n"
    )
    assert served(b) == {"a": ("reno",), "b": ("bbr",)}


def test_twin_b_of_an_accepted_flow_never_ran_what_it_would_have_inherited() -> None:
    text = (
        "listeners: [{name: web, congestion: bbr}]\n"
        "flows: [{name: a, listener: web, size: 1 MiB}]\n"
        "swaps: [{at: 150 ms, via: setsockopt, flows: [a], to: reno}]\n"
    )
    _, b = twins(text)
    assert served(b) == {"a": ("reno",)}
    plain = run_of(text.replace("congestion: bbr", "congestion: reno").partition("swaps")[0])
    assert np.array_equal(b.flows[0].snd_cwnd, plain.flows[0].snd_cwnd)
    assert np.array_equal(b.flows[0].pacing_rate_bps, plain.flows[0].pacing_rate_bps)


TWO_MAPS = """\
from dataclasses import replace

from ccsim.kernel import TCP_RENO

T1 = replace(TCP_RENO, name="btr", flags=0)
T2 = replace(TCP_RENO, name="btr", flags=0)
"""


def test_twins_of_an_update_between_two_maps_of_one_name_attach_each_map_at_most_once(
    tmp_path: Any,
) -> None:
    """Without its swaps a twin has nothing but the name to tell that the other map is a link's."""
    (tmp_path / "btr.py").write_text(TWO_MAPS)
    scenario = parse_scenario(
        f"{PATH}objects: [btr.py]\nlinks: {{btr: T1}}\n"
        "flows: [{name: a, congestion: btr, size: 1 MiB}]\n"
        "swaps: [{at: 100 ms, via: link_update, link: btr, to: T2}]\n",
        "btr.yaml",
        tmp_path,
    )
    for each, map_name in (
        (scenario, "T1"),
        (scenario.without_swaps(), "T1"),
        (scenario.with_b_twin(), "T2"),
    ):
        assert served(simulate(each)) == {"a": (map_name,)}


# --- grace periods ---


def test_the_kernels_clock_follows_the_run_so_that_grace_periods_end() -> None:
    run = world(f"{SERVER}kernel: {{profile: v2}}\n", PATH)
    run.run()
    assert kernel_of(run).now_ns == 3_000 * MS  # the last instant: a swap
    assert (kernel_of(run).next_grace_ns() or 6_000 * MS) > 3_000 * MS


# --- what only running an object file shows ---

MADE = """\
from dataclasses import replace

from ccsim.kernel import TCP_RENO

made = replace(TCP_RENO, name="ma" + "de", flags=0)
"""


def made_by_running(folder: Any, more: str) -> Scenario:
    (folder / "made.py").write_text(MADE)
    return parse_scenario(f"{PATH}objects: [made.py]\n{more}", "made.yaml", folder)


def test_a_restricted_default_of_a_namespace_is_refused_before_the_first_event(
    tmp_path: Any,
) -> None:
    scenario = made_by_running(tmp_path, "namespaces: {edge: made}\nflows: [{start: 5 s}]\n")
    with pytest.raises(KernelError, match="namespaces: edge: made is restricted") as caught:
        simulate(scenario)
    assert caught.value.number == EPERM


def test_a_listener_that_asks_for_a_name_that_is_not_there_stays_with_what_it_has(
    tmp_path: Any,
) -> None:
    scenario = made_by_running(
        tmp_path,
        "listeners: [{name: web, congestion: made}]\n"
        "flows: [{name: a, listener: web, start: 2 s, size: 100 KB}]\n"
        "swaps: [{at: 1 s, via: setsockopt, listeners: [web], to: mead}]\n",
    )
    result = simulate(scenario)
    assert [(swap.errno, swap.old, swap.new) for swap in result.swaps] == [(ENOENT, "made", "mead")]
    assert served(result) == {"a": ("made",)}
