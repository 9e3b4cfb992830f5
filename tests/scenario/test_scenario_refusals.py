"""Tests of what a scenario may not say: each slip is told with its place, path and fix."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import parse_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

GOOD = """\
name: cubic-to-bbr
duration: 60 s
seed: 1
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP, qdisc: fifo}
flows:
  - {name: bulk,  congestion: cubic}
  - {name: rival, congestion: reno, start: 5 s}
swaps:
  - {at: 20 s, via: setsockopt, flows: [bulk], to: bbr, state: linux}
record: {interval: 10 ms}
"""


def refusal(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "s.yaml")
    return str(caught.value).splitlines()


def refused(old: str, new: str) -> list[str]:
    assert old in GOOD
    return refusal(GOOD.replace(old, new))


def test_the_example_of_the_design_points_at_the_algorithm_that_is_missing() -> None:
    assert refused("to: bbr", "to: brr") == [
        "s.yaml:9:52: swaps.0.to: no algorithm 'brr'; did you mean 'bbr'?"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 1", "sede: 1", "3:1: sede: unknown key 'sede'; did you mean 'seed'?"),
        (
            "qdisc: fifo",
            "colour: red",
            "4:53: path.colour: unknown key 'colour'; expected 'rate', 'rtt', 'buffer', 'qdisc', "
            "'qdisc_of', 'loss', 'ack_loss', 'ack_aggregation', 'ecn', 'netem', 'trace' or "
            "'preset'",
        ),
        (
            "duration: 60 s",
            "duration: 60",
            '2:11: duration: expected a time with a unit such as "40 ms", got 60; write "60 ms" '
            'or "60 s"',
        ),
        (
            "duration: 60 s",
            "duration: 0 s",
            '2:11: duration: expected a time of at least 1 ns, got "0 s"',
        ),
        ("seed: 1", "seed: -1", "3:7: seed: expected at least 0, got -1"),
        ("seed: 1", "seed: 1.5", "3:7: seed: expected a whole number, got 1.5"),
        ("seed: 1", "seed: true", "3:7: seed: expected a whole number, got true"),
        (
            "rtt: 40 ms",
            "rtt: -40 ms",
            '4:31: path.rtt: expected a time that is not negative, got "-40 ms"',
        ),
        (
            "1 BDP",
            "0 packets",
            "4:46: path.buffer: expected a buffer of 1 to 100000000 packets of 1500 bytes, "
            'got "0 packets", which is 0',
        ),
        (
            "1 BDP",
            "1e30 BDP",
            "4:46: path.buffer: expected a buffer of 1 to 100000000 packets of 1500 bytes, "
            'got "1e30 BDP", which is 333333333333333333333333333333333',
        ),
        ("qdisc: fifo", "qdisc: fiffo", "4:60: path.qdisc: no qdisc 'fiffo'; did you mean 'fifo'?"),
        ("qdisc: fifo", "qdisc: codl", "4:60: path.qdisc: no qdisc 'codl'; did you mean 'codel'?"),
        (
            "qdisc: fifo",
            "loss: 2",
            "4:59: path.loss: expected a probability from 0 to 1 (0 % to 100 %), got 2",
        ),
        (
            "name: cubic-to-bbr",
            "name: ../up",
            '1:7: name: expected a name of 1 to 64 of A-Z a-z 0-9 _ . -, got "../up"',
        ),
        (
            "name: cubic-to-bbr",
            "name: ..",
            '1:7: name: expected a name of 1 to 64 of A-Z a-z 0-9 _ . -, got ".."',
        ),
        (
            "name: rival",
            "name: a/b",
            '7:12: flows.1.name: expected a name of 1 to 64 of A-Z a-z 0-9 _ . -, got "a/b"',
        ),
        ("name: rival", "name: bulk", "7:12: flows.1.name: another flow is named 'bulk' already"),
        (
            "congestion: reno",
            "congestion: rneo",
            "7:31: flows.1.congestion: no algorithm 'rneo'; did you mean 'reno'?",
        ),
        (
            "congestion: reno",
            "congestion: x",
            "7:31: flows.1.congestion: no algorithm 'x'; expected 'bbr', 'cubic' or 'reno'",
        ),
        (
            "congestion: reno",
            "congestion: {name: rneo}",
            "7:38: flows.1.congestion.name: no algorithm 'rneo'; did you mean 'reno'?",
        ),
        (
            "congestion: reno",
            "congestion: {name: reno, beta: [1]}",
            "7:31: flows.1.congestion: parameter 'beta': expected a number, got a list",
        ),
        (
            "congestion: reno",
            "congestion: 7",
            '7:31: flows.1.congestion: expected a name such as "cubic", got 7',
        ),
        (
            "start: 5 s",
            "start: 60 s",
            "7:44: flows.1.start: expected a time before the end of the run at 60 s, got a start "
            "at 60 s",
        ),
        (
            "start: 5 s",
            "start: 5 s, stop: 5 s",
            "7:55: flows.1.stop: expected a stop after the start at 5 s, got 5 s",
        ),
        (
            "start: 5 s",
            "access_delay: 41 ms",
            "7:51: flows.1.access_delay: expected a part of the RTT, 40 ms, got 41 ms",
        ),
        (
            "start: 5 s",
            "start_every: 1 s",
            "7:50: flows.1.start_every: expected with a count, got no count",
        ),
        (
            "start: 5 s",
            "count: 61, start_every: 1 s",
            "7:61: flows.1.start_every: expected a time before the end of the run at 60 s, got a "
            "start at 60 s",
        ),
        ("start: 5 s", "count: 0", "7:44: flows.1.count: expected at least 1, got 0"),
        (
            "start: 5 s",
            "count: 100001",
            "7:44: flows.1.count: expected at most 100000, got 100001",
        ),
        (
            "rival, congestion: reno, start: 5 s",
            "x" * 63 + ", congestion: reno, count: 1",
            "7:5: flows.1: expected names of at most 64 characters, got 65: " + "x" * 63 + "-1",
        ),
        (
            "interval: 10 ms",
            "interval: 1 ns",
            "10:20: record.interval: expected at most 10000000 samples, got 60000000000; "
            "sample less often",
        ),
        (
            "record: {interval: 10 ms}",
            "kernel: {hz: 99}",
            "10:14: kernel.hz: expected 100, 250, 300 or 1000, got 99",
        ),
        (
            "record: {interval: 10 ms}",
            "kernel: {profile: v3}",
            "10:19: kernel.profile: no kernel profile 'v3'; expected 'linux', 'linux-6.9' or 'v2'",
        ),
        (
            "record: {interval: 10 ms}",
            "tcp: {mss: 64 KiB}",
            '10:12: tcp.mss: expected at most 65483 B, got "64 KiB"',
        ),
        (
            "record: {interval: 10 ms}",
            "tcp: {quickacks: -1}",
            "10:18: tcp.quickacks: expected 0 to 100000000 packets, got -1",
        ),
        ("record: {interval: 10 ms}", "tcp: [1]", "10:6: tcp: expected a mapping, got a list"),
        ("record: {interval: 10 ms}", "twins: 1", "10:8: twins: expected true or false, got 1"),
        (
            "record: {interval: 10 ms}",
            "description: [x]",
            "10:14: description: expected text, got a list",
        ),
        (
            "record: {interval: 10 ms}",
            "links: {name_of_16_bytes: reno}",
            "10:9: "
            "links.name_of_16_bytes: expected a registered name of at most 15 bytes (the kernel's "
            "TCP_CA_NAME_MAX; EINVAL), got 16 bytes",
        ),
        (
            "record: {interval: 10 ms}",
            "links: {my-cc: reno}",
            "10:9: links.my-cc: expected a "
            'registered name of A-Z a-z 0-9 _ . (the kernel refuses others; EINVAL), got "my-cc"',
        ),
        (
            "record: {interval: 10 ms}",
            "links: {fleet: ren}",
            "10:16: links.fleet: no algorithm 'ren'; did you mean 'reno'?",
        ),
    ],
)
def test_a_value_that_is_refused_is_told_with_place_path_and_fix(
    old: str, new: str, message: str
) -> None:
    assert refused(old, new) == [f"s.yaml:{message}"]


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        (
            "{at: 60 s, via: setsockopt, flows: [bulk], to: bbr}",
            "9:10: swaps.0.at: expected a time before the end of the run at 60 s, got 60 s",
        ),
        (
            "{at: 20 s, via: set_sockopt, flows: [bulk], to: bbr}",
            "9:21: swaps.0.via: no mechanism 'set_sockopt'; did you mean 'setsockopt'?",
        ),
        (
            "{at: 20 s, flows: [bulk], to: bbr}",
            "9:5: swaps.0.via: missing key 'via'; expected 'setsockopt', 'link_update', 'sweep', "
            "'sysctl', 'reregister' or 'staged'",
        ),
        (
            "{at: 20 s, via: setsockopt, flows: [bukl], to: bbr}",
            "9:40: swaps.0.flows: no flow 'bukl'; did you mean 'bulk'?",
        ),
        (
            "{at: 20 s, via: setsockopt, flows: bulk, to: bbr}",
            '9:40: swaps.0.flows: expected "all" or a list of flows such as [bulk], got "bulk"',
        ),
        (
            "{at: 20 s, via: setsockopt, flows: [], to: bbr}",
            '9:40: swaps.0.flows: expected "all" or a list of flows such as [bulk], got a list',
        ),
        (
            "{at: 5 s, via: setsockopt, flows: [rival], to: bbr}",
            "9:39: swaps.0.flows: flow 'rival' has not started; it starts at 5 s; the swap is at "
            "5 s",
        ),
        (
            "{at: 0 s, via: setsockopt, flows: [bulk], to: bbr}",
            "9:39: swaps.0.flows: flow 'bulk' has not started; it starts at 0 s; the swap is at "
            "0 s",
        ),
        (
            "{at: 20 s, via: setsockopt, flows: [bulk], to: bbr, state: colt}",
            "9:64: swaps.0.state: no state policy 'colt'; did you mean 'cold'?",
        ),
        (
            "{at: 20 s, via: setsockopt, flows: [bulk], to: bbr, over: 1 s}",
            "9:57: swaps.0.over: unknown key 'over'; did you mean 'every'?",
        ),
        (
            "{at: 20 s, via: setsockopt, flows: [bulk]}",
            "9:5: swaps.0.to: missing key 'to': the registered name to swap to",
        ),
        (
            "{at: 20 s, via: sweep, to: bbr, over: 40 s}",
            "9:43: swaps.0.over: expected a time before the end of the run at 60 s, got a sweep "
            "until 60 s",
        ),
        (
            "{at: 20 s, via: link_update, link: fleet, to: bbr}",
            "9:40: swaps.0.link: no link 'fleet'; the scenario has no links",
        ),
        ("7", "9:5: swaps.0: expected a mapping, got 7"),
    ],
)
def test_a_swap_that_cannot_be_is_refused(swap: str, message: str) -> None:
    lines = GOOD.splitlines()
    lines[8] = f"  - {swap}"
    assert refusal("\n".join(lines)) == [f"s.yaml:{message}"]


def test_a_swap_of_a_flow_that_has_ended_is_refused() -> None:
    assert refused("congestion: cubic}", "congestion: cubic, stop: 20 s}") == [
        "s.yaml:9:40: swaps.0.flows: flow 'bulk' has ended; it stops at 20 s; the swap is at 20 s"
    ]


def test_a_sweep_that_finds_nobody_is_refused() -> None:
    text = GOOD.replace("via: setsockopt, flows: [bulk]", "via: sweep, flows: all")
    text = text.replace("congestion: cubic}", "congestion: cubic, stop: 10 s}")
    assert refusal(text.replace("start: 5 s", "start: 30 s")) == [
        "s.yaml:9:35: swaps.0.flows: no flow runs at 20 s, when the swap is due"
    ]


def test_a_scenario_without_flows_is_refused() -> None:
    text = "name: x\nduration: 1 s\npath: {rate: 1 Mbit/s, rtt: 1 s}\nflows: []\n"
    assert refusal(text) == ["s.yaml:4:8: flows: expected at least one flow, got an empty list"]


def test_everything_that_is_missing_is_told_at_once() -> None:
    assert refusal("name: x\n") == [
        "s.yaml:1:1: duration: missing key 'duration': how long it runs, such as \"60 s\"",
        "s.yaml:1:1: path: missing key 'path': the bottleneck, such as {rate: 100 Mbit/s, "
        "rtt: 40 ms}",
        "s.yaml:1:1: flows: missing key 'flows': the connections",
    ]


def test_all_problems_are_told_in_order_of_position() -> None:
    text = GOOD.replace("to: bbr", "to: brr").replace("100 Mbit/s", "100").replace("seed", "sed")
    assert [line.split(": ")[0] for line in refusal(text)] == [
        "s.yaml:3:1",
        "s.yaml:4:14",
        "s.yaml:9:52",
    ]


def test_an_alias_is_refused_where_its_value_stands() -> None:
    text = GOOD.replace("rtt: 40 ms", "rtt: &t 40").replace("start: 5 s", "start: *t")
    places = [line.split(": ")[:2] for line in refusal(text)]
    assert places == [["s.yaml:4:31", "path.rtt"], ["s.yaml:4:31", "flows.1.start"]]


def test_a_link_cannot_take_the_name_that_the_kernel_has_built_in() -> None:
    assert refused("record: {interval: 10 ms}", "links: {reno: cubic}") == [
        "s.yaml:10:9: links.reno: expected a name that is free, got 'reno', which is built in "
        "(EEXIST)"
    ]


def test_a_missing_key_is_told_by_its_own_section_whatever_that_is_called() -> None:
    """A hop may be called as a key of hops is; an object, a swap and its target have keys too."""
    assert refused("seed: 1", "seed: 1\nobjects: [{set: {beta: 717}}]") == [
        "s.yaml:4:11: objects.0.file: missing key 'file': the file, relative to the scenario's "
        "folder"
    ]
    assert refused("to: bbr", "to: {beta: 717}") == [
        "s.yaml:9:52: swaps.0.to.name: missing key 'name': registered name of the implementation"
    ]
    assert refused("seed: 1", "seed: 1\nhops: {rate: {delay: 1 ms}}")[0] == (
        "s.yaml:4:14: hops.rate.rate: missing key 'rate': rate of the line, such as \"100 Mbit/s\""
    )
