"""Tests of what a scenario says of a flow's hosts: who writes, and what buffers hold."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import parse_scenario

TEXT = """\
duration: 10 s
path: {rate: 100 Mbit/s, rtt: 40 ms}
flows:
  - {name: a, congestion: cubic, FLOW}
"""


def flow_of(flow: str) -> dict[str, Any]:
    resolved = parse_scenario(TEXT.replace("FLOW", flow), "s.yaml").resolved()
    return dict(resolved["flows"][0])


def refusal(flow: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(TEXT.replace("FLOW", flow), "s.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("source", "resolved"),
    [
        ("rate: 20 Mbit/s", (1448, 20_000_000, None)),
        ("rate: 20 Mbit/s, write: 16 KiB", (16_384, 20_000_000, None)),
        ("write: 4 kB, every: 10 ms", (4000, None, 10_000_000)),
    ],
)
def test_a_source_writes_at_a_rate_or_every_so_often(
    source: str, resolved: tuple[int, int | None, int | None]
) -> None:
    names = ("write_bytes", "rate_bps", "every_ns")
    assert flow_of(f"source: {{{source}}}")["source"] == dict(zip(names, resolved, strict=True))


def test_merging_waits_a_millisecond_unless_it_says_otherwise_and_not_at_all_without() -> None:
    for text, packets, time_ns in (
        ("receiver: {gro: 8}", 8, 1_000_000),
        ("receiver: {gro: 8 packets, gro_time: 50 us}", 8, 50_000),
        ("receiver: {rwnd: 1 MB}", 1, 0),
    ):
        receiver = flow_of(text)["receiver"]
        assert (receiver["gro_packets"], receiver["gro_ns"]) == (packets, time_ns)


@pytest.mark.parametrize(
    ("text", "asked"), [("ecn: true", True), ("ecn: false", False), ("", None)]
)
def test_a_flow_asks_for_ecn_refuses_it_or_leaves_it_open(text: str, asked: bool | None) -> None:
    assert flow_of(text)["ecn"] is asked


def path_of(path: str) -> dict[str, Any]:
    text = TEXT.replace(", FLOW", "").replace("40 ms}", f"40 ms, {path}}}")
    return dict(parse_scenario(text, "s.yaml").resolved()["path"])


@pytest.mark.parametrize(
    ("threshold", "packets", "time_ns"),
    [
        ("30 packets", 30, None),
        ("0 packets", 0, None),
        ("0.2 BDP", 67, None),  # of 333 1/3
        ("64 KiB", 43, None),  # of 1500 B
        ("5 ms", None, 5_000_000),
    ],
)
def test_a_marking_threshold_is_a_length_or_a_time(
    threshold: str, packets: int | None, time_ns: int | None
) -> None:
    path = path_of(f"ecn: {{mark_above: {threshold}}}")
    assert (path["ecn_mark_packets"], path["ecn_mark_ns"]) == (packets, time_ns)


def test_the_way_back_is_sound_unless_it_says_otherwise() -> None:
    path = path_of("ack_loss: 1 %, ack_aggregation: 2 ms")
    assert (path["ack_loss_probability"], path["ack_aggregation_ns"]) == (0.01, 2_000_000)
    path = path_of("loss: 0")
    assert (path["ack_loss_probability"], path["ack_aggregation_ns"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "ecn: {mark_above: 333 packets}",
            "56: path.ecn.mark_above: expected less than the buffer of 333 packets, got 333: none "
            "is marked",
        ),
        (
            "ecn: {mark_above: 30}",
            '56: path.ecn.mark_above: expected a threshold with a unit such as "30 packets", got '
            '30; write "30 packets" or "30 ms"',
        ),
        (
            "ecn: {mark_above: -1 ms}",
            '56: path.ecn.mark_above: expected a threshold that is not negative, got "-1 ms"',
        ),
        (
            "ecn: {}",
            "43: path.ecn.mark_above: missing key 'mark_above': mark what finds more than "
            'this in the queue, such as "30 packets", "5 ms" or "0.2 BDP"',
        ),
        ("ecn: {mark: 1 ms}", "44: path.ecn.mark: unknown key 'mark'; expected 'mark_above'"),
        (
            "ack_loss: 2",
            "48: path.ack_loss: expected a probability from 0 to 1 (0 % to 100 %), got 2",
        ),
        (
            "ack_aggregation: 2",
            '55: path.ack_aggregation: expected a time with a unit such as "40 ms", got 2; write '
            '"2 ms" or "2 s"',
        ),
    ],
)
def test_a_path_that_makes_no_sense_is_refused_where_it_stands(path: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        path_of(path)
    assert f"s.yaml:2:{message}" in str(caught.value).splitlines()


def test_buffers_are_bytes() -> None:
    flow = flow_of("sndbuf: 256 KiB, receiver: {rwnd: 64 KiB}")
    assert flow["sndbuf_bytes"] == 262_144
    assert flow["receiver"]["rwnd_bytes"] == 65_536


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ("source: {}", "42: flows.0.source: expected either 'rate', or 'write' and 'every'"),
        (
            "source: {rate: 1 Mbit/s, every: 1 s}",
            "42: flows.0.source: expected either 'rate', or 'write' and 'every'",
        ),
        (
            "source: {every: 1 s}",
            "42: flows.0.source: missing key 'write': the bytes of each write",
        ),
        (
            "source: {write: 0 B, every: 1 s}",
            '50: flows.0.source.write: expected a size of at least 1 B, got "0 B"',
        ),
        (
            "source: {speed: 1 Mbit/s}",
            "43: flows.0.source.speed: unknown key 'speed'; expected 'rate', 'write' or 'every'",
        ),
        ("sndbuf: 1 kB", "42: flows.0.sndbuf: expected at least one packet of 1448 B, got 1000 B"),
        (
            "receiver: {rwnd: 1000 B}",
            "51: flows.0.receiver.rwnd: expected at least one packet of 1448 B, got 1000 B",
        ),
        (
            "receiver: {rwnd: 64}",
            '51: flows.0.receiver.rwnd: expected a size with a unit such as "64 KiB", got 64; '
            'write "64 B" or "64 KiB"',
        ),
        (
            "receiver: {window: 64 KiB}",
            "45: flows.0.receiver.window: unknown key 'window'; did you mean 'rwnd'?",
        ),
        (
            "receiver: {gro: 0}",
            "50: flows.0.receiver.gro: expected 1 to 100000000 packets, got 0",
        ),
        ("receiver: {gro: 65}", "50: flows.0.receiver.gro: expected at most 64 packets, got 65"),
        ("ecn: yes please", '39: flows.0.ecn: expected true or false, got "yes please"'),
        ("source: fast", '42: flows.0.source: expected a mapping, got "fast"'),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(flow: str, message: str) -> None:
    assert refusal(flow) == [f"s.yaml:4:{message}"]
