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
        ("source: fast", '42: flows.0.source: expected a mapping, got "fast"'),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(flow: str, message: str) -> None:
    assert refusal(flow) == [f"s.yaml:4:{message}"]
