"""Cross traffic: what each kind is read as, and what is refused, at its bounds."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, parse_scenario

MS, S = 1_000_000, 1_000_000_000


def scenario(traffic: str, duration: str = "2 s") -> Scenario:
    text = f"duration: {duration}\npath: {{rate: 8 Mbit/s, rtt: 20 ms, buffer: 1 BDP}}\n"
    return parse_scenario(
        f"{text}flows: [{{name: a, congestion: reno}}]\ntraffic: [{traffic}]\n", "s.yaml"
    )


def refused(traffic: str, **options: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario(traffic, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("size: 200 B, rate: 1 Mbit/s", {"kind": "constant", "rate_bps": 10**6, "size_bytes": 200}),
        ("size: 1 B, poisson: 2 kbit/s", {"kind": "poisson", "rate_bps": 2000, "size_bytes": 1}),
        (
            "size: 65535 B, rate: 1 Mbit/s, on_off: {on: 1 s, off: 2 ms}",
            {"kind": "on_off", "rate_bps": 10**6, "size_bytes": 65_535},
        ),
        ("size: 64 B, probe: 10 ms", {"kind": "probe", "every_ns": 10 * MS, "size_bytes": 64}),
        (
            "packets: [[0 ms, 1 B], [5 ms, 9 B], [5 ms, 2 B]]",
            {"kind": "trace", "packets": ((0, 1), (5 * MS, 9), (5 * MS, 2))},
        ),
        (
            "size: 64 B, probe: 1 ms, start: 1 s, stop: 1001 ms, rtt: 7 ms, hosts: [x, y]",
            {"kind": "probe", "every_ns": MS},
        ),
    ],
)
def test_each_kind_is_read_with_its_units(written: str, expected: dict[str, Any]) -> None:
    (one,) = scenario(f"{{name: u, {written}}}").traffic
    assert {name: getattr(one, name) for name in expected} == expected


def test_times_and_hosts_are_the_sources_own_or_the_runs() -> None:
    more = "start: 1 s, stop: 1001 ms, rtt: 7 ms, hosts: [x, y]"
    own, usual = scenario(
        f"{{name: u, size: 64 B, probe: 1 ms, {more}}}, {{name: v, size: 64 B, probe: 1 ms}}"
    ).traffic
    assert (own.flow.start_ns, own.flow.stop_ns, own.flow.rtt_ns) == (S, 1001 * MS, 7 * MS)
    assert own.flow.hosts == ("x", "y")
    assert (usual.flow.start_ns, usual.flow.stop_ns, usual.flow.rtt_ns) == (0, None, 20 * MS)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("size: 100 B", "expected one of 'rate', 'poisson', 'packets' or 'probe', got none"),
        ("size: 9 B, rate: 1 Mbit/s, probe: 1 s", "got 'rate' or 'probe'"),
        ("probe: 1 s", "expected a size, or packets that have theirs"),
        ("size: 9 B, packets: [[0 ms, 1 B]]", "expected a size, or packets that have theirs"),
        ("size: 65536 B, probe: 1 s", "expected a size of at most"),
        ("size: 9 B, poisson: 1 kbit/s, on_off: {on: 1 s, off: 1 s}", "on_off beside a rate"),
        ("size: 9 B, probe: 1 s, hosts: [x]", "expected two hosts, got 1"),
        ("size: 9 B, probe: 1 s, hosts: [x, y, z]", "expected two hosts, got 3"),
        ("size: 9 B, probe: 1 s, start: 1 s, stop: 1 s", "expected a stop after the start"),
        ("size: 9 B, probe: 1 s, start: 2 s", "before the end of the run at 2 s, got 2 s"),
        ("packets: []", "expected packets such as"),
        ("packets: [[1 ms]]", "expected a time and a size such as"),
        ("packets: [[1 ms, 2 B, 3 B]]", "expected a time and a size such as"),
        ("packets: [[1 ms, 0 B]]", "traffic.0.packets"),
        ("packets: [[2 ms, 1 B], [1 ms, 1 B]]", "expected packets in order of time"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(written: str, message: str) -> None:
    told = refused(f"{{name: u, {written}}}")
    assert told.startswith("s.yaml:4:")
    assert message in told


def test_a_name_that_a_flow_or_another_source_has_is_refused() -> None:
    one = "{name: %s, size: 9 B, probe: 1 s}"
    assert "traffic.0.name: a flow, workload or traffic is named 'a' already" in refused(one % "a")
    assert "traffic.1.name" in refused(f"{one % 'u'}, {one % 'u'}")
    assert len(scenario(f"{one % 'u'}, {one % 'v'}").traffic) == 2


def test_five_million_packets_of_a_source_are_the_most() -> None:
    """1 B at 8 Mbit/s leaves each µs; a probe each 400 ns does five million times in 2 s."""
    rate = "{name: u, size: 1 B, rate: 8 Mbit/s}"
    assert scenario(rate, "5 s")
    told = "traffic.0: expected at most 5000000 packets, got about 5000001"
    assert told in refused(rate, duration="5000001 us")
    probe = "{name: u, size: 64 B, probe: 400 ns}"
    assert scenario(probe, "2 s")
    assert told in refused(probe, duration="2000000400 ns")
