"""Objects under every mechanism of replacement: as the algorithms that they wrap, and by what they
count themselves."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from tests.bpf.bpf_rig import DATA
from tests.bpf.test_wrappers import assert_equal

HEAD = "name: t\nduration: 4 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"
LINKED = """
objects: [{file: aimd.bpf.o, set: {increase: 3}}]
kernel: {default: reno}
links: {aimd: aimd_one}
"""


def run(text: str, head: str = HEAD) -> SimResult:
    scenario = parse_scenario(head + text, "t.yaml", DATA / "objects")
    return simulate(scenario)


def counted(result: SimResult) -> dict[str, Any]:
    """Return what aimd has counted, by table."""
    detail = next(event.detail for event in result.events if event.kind == "objects")
    return detail["aimd"]["bss"]


def served(result: SimResult) -> list[str]:
    """Return what serves each flow at the end."""
    return [flow.implementations[int(flow.implementation[-1])] for flow in result.flows]


SWAPS = {
    "setsockopt": """
flows: [{name: a, congestion: FIRST}, {name: b, congestion: FIRST, start: 500 ms}]
swaps: [{at: 1 s, via: setsockopt, flows: [a], to: NAME}]
""",
    "a policy": """
flows: [{name: a, congestion: FIRST}]
swaps: [{at: 1 s, via: setsockopt, flows: [a], to: NAME, state: rate}]
""",
    "sweep": """
flows: [{name: a, congestion: FIRST, count: 3, start_every: 100 ms}]
swaps: [{at: 1 s, via: sweep, over: 500 ms, to: NAME}]
""",
    "sysctl": """
flows: [{name: early}, {name: late, start: 2 s}]
swaps: [{at: 1 s, via: sysctl, to: NAME}]
""",
    "a listener": """
listeners: [{name: web, congestion: FIRST}]
flows: [{name: early, listener: web}, {name: late, listener: web, start: 2 s}]
swaps: [{at: 1 s, via: setsockopt, listeners: [web], to: NAME}]
""",
    "there and back": """
flows: [{name: a, congestion: NAME}]
swaps:
  - {at: 1 s, via: setsockopt, flows: [a], to: FIRST}
  - {at: 2 s, via: setsockopt, flows: [a], to: NAME}
""",
    "a workload": """
workloads:
  - {name: web, arrivals: {poisson: 8 /s}, sizes: {exponential: 60 kB}, congestion: NAME}
""",
}
WRAPPERS = [
    ("borrow", "reno", "borrow", "cubic"),
    ("spy_cubic", "cubic", "spy", "reno"),
    ("spy_bbr", "bbr", "spy", "cubic"),
]


@pytest.mark.parametrize(("wrapper", "shipped", "file", "first"), WRAPPERS)
@pytest.mark.parametrize("mechanism", SWAPS)
def test_a_swap_to_a_wrapper_is_one_to_what_it_wraps(
    mechanism: str, wrapper: str, shipped: str, file: str, first: str
) -> None:
    text = SWAPS[mechanism].replace("FIRST", first)
    objects = f"objects: [{file}.bpf.o]\n"
    wrapped, plain = (
        run(objects + text.replace("NAME", wrapper)),
        run(text.replace("NAME", shipped)),
    )
    assert len(wrapped.flows) == len(plain.flows)
    assert plain.flows[0].delivered_bytes[-1] > 50_000
    for one, other in zip(wrapped.flows, plain.flows, strict=True):
        assert_equal(one, other)


def test_marks_reach_a_wrapper_as_what_it_wraps() -> None:
    head = HEAD.replace("1 BDP", "1 BDP, ecn: {mark_above: 10 packets}")
    flows = "flows: [{name: a, congestion: NAME, ecn: true}]\n"
    plain = run(flows.replace("NAME", "reno"), head)
    wrapped = run("objects: [borrow.bpf.o]\n" + flows.replace("NAME", "borrow"), head)
    assert len(plain.links[0].mark_t_ns) > 5
    assert_equal(wrapped.flows[0], plain.flows[0])


def test_marks_and_the_receiving_end_reach_a_wrapper_of_dctcp() -> None:
    """Its connection asks for ECN, and the receiving end tells it where marks begin and end."""
    head = HEAD.replace("1 BDP", "60 packets, ecn: {mark_above: 8 packets}")
    flows = "flows: [{name: a, congestion: NAME, ecn: true}]\n"
    plain = run(flows.replace("NAME", "dctcp"), head)
    wrapped = run("objects: [echoes.bpf.o]\n" + flows.replace("NAME", "echoes"), head)
    assert len(plain.links[0].mark_t_ns) > 100
    assert len(plain.links[0].drop_t_ns) == 0
    assert_equal(wrapped.flows[0], plain.flows[0])
    held = next(event.detail for event in wrapped.events if event.kind == "objects")
    assert 100 < held["echoes"]["bss"]["echoed"] <= held["echoes"]["bss"]["acks"]


PATHS = {
    "fq_codel": "path: {rate: 10 Mbit/s, rtt: 40 ms, qdisc: fq_codel}\n",
    "netem": "path: {rate: 10 Mbit/s, rtt: 40 ms, netem: {delay: 2 ms, jitter: 1 ms}}\n",
    "hops": """
hops:
  access: {rate: 40 Mbit/s, delay: 2 ms}
  core: {rate: 10 Mbit/s, delay: 18 ms, qdisc: {kind: cake, bandwidth: 9 Mbit/s}}
  up: {rate: 1 Mbit/s, delay: 20 ms}
routes: {main: {out: [access, core], back: [up]}}
""",
    "changes": """
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
changes: [{at: 1 s, rate: 2 Mbit/s}, {at: 2 s, outage: 300 ms}]
""",
}


@pytest.mark.parametrize(("wrapper", "shipped", "file", "first"), WRAPPERS)
@pytest.mark.parametrize("path", PATHS)
def test_a_wrapper_is_what_it_wraps_on_every_kind_of_path(
    path: str, wrapper: str, shipped: str, file: str, first: str
) -> None:
    head = "name: t\nduration: 4 s\n" + PATHS[path]
    text = SWAPS["setsockopt"].replace("FIRST", first)
    wrapped = run(f"objects: [{file}.bpf.o]\n" + text.replace("NAME", wrapper), head)
    plain = run(text.replace("NAME", shipped), head)
    assert wrapped.failed == plain.failed == ""
    assert plain.flows[0].delivered_bytes[-1] > 50_000
    for one, other in zip(wrapped.flows, plain.flows, strict=True):
        assert_equal(one, other)


def test_who_connects_while_the_name_is_missing_gets_the_default() -> None:
    result = run(
        LINKED
        + """
flows:
  - {name: before, congestion: aimd}
  - {name: in_gap, congestion: aimd, start: 1.2 s}
  - {name: after, congestion: aimd, start: 2 s}
swaps: [{at: 1 s, via: reregister, link: aimd, to: aimd_two, gap: 500 ms}]
"""
    )
    assert served(result) == ["aimd_one", "reno", "aimd_two"]
    assert [counted(result)[table]["init"] for table in ("one", "two")] == [1, 1]


def test_a_roll_out_in_steps_begins_the_new_table_once_on_every_connection() -> None:
    result = run(
        LINKED
        + """
flows: [{name: web, congestion: aimd, count: 5, start_every: 50 ms}]
swaps:
  - {at: 1 s, via: staged, link: aimd, to: aimd_two, steps: [40 %, 100 %], pause: 500 ms}
"""
    )
    assert served(result) == ["aimd_two"] * 5
    one, two = counted(result)["one"], counted(result)["two"]
    assert (one["init"], one["release"], two["init"]) == (5, 5, 5)


def test_a_guard_that_trips_takes_connections_back_to_the_old_table() -> None:
    result = run(
        LINKED
        + """
flows: [{name: web, congestion: aimd, count: 5, start_every: 50 ms}]
swaps:
  - at: 1 s
    via: staged
    link: aimd
    to: aimd_two
    steps: [40 %, 100 %]
    pause: 500 ms
    guard: {metric: goodput, threshold: 1 %, window: 200 ms}
"""
    )
    assert served(result) == ["aimd_one"] * 5
    one, two = counted(result)["one"], counted(result)["two"]
    assert (one["init"], one["release"]) == (5 + 2, 2), "two of five, the first step, went and came"
    assert (two["init"], two["release"]) == (2, 2)


def test_a_listener_hands_on_the_table_it_had_when_it_asked() -> None:
    """Until it asks again, what it accepts begins on the old one."""
    result = run(
        LINKED
        + """
listeners: [{name: web, congestion: aimd}]
flows:
  - {name: before, listener: web}
  - {name: updated, listener: web, start: 2 s}
  - {name: asked, listener: web, start: 3.2 s}
swaps:
  - {at: 1 s, via: link_update, link: aimd, to: aimd_two}
  - {at: 3 s, via: setsockopt, listeners: [web], to: aimd}
"""
    )
    assert served(result) == ["aimd_one", "aimd_one", "aimd_two"]


def test_connections_of_a_workload_begin_and_release_the_object_once_each() -> None:
    result = run(
        LINKED
        + """
workloads:
  - {name: web, arrivals: {poisson: 8 /s}, sizes: {exponential: 60 kB}, congestion: aimd}
swaps: [{at: 2 s, via: link_update, link: aimd, to: aimd_two}]
"""
    )
    one, two = counted(result)["one"], counted(result)["two"]
    assert one["init"] + two["init"] == len(result.flows)
    assert one["init"] > 5
    assert two["init"] > 5
    assert one["release"] <= one["init"]
