"""A scenario that asks for the infinite is refused before it runs; at its bound it is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccsim.errors import ScenarioError
from ccsim.kernel import loader
from ccsim.scenario import Scenario, document, parse_scenario, resolve_swaps
from ccsim.scenario.bounds import BOUNDS
from ccsim.spec.limits import MAX_CONNECTIONS
from ccsim.tcp.packets import MAX_IN_FLIGHT

FLOW = "{name: f, congestion: reno}"
ON_OFF = "on_off: {on: %s, off: %s, rate: %s}"


def scenario(
    duration: str = "1 s",
    rate: str = "5 Mbit/s",
    flows: str = FLOW,
    more: str = "",
    rtt: str = "40 ms",
) -> Scenario:
    path = f"path: {{rate: {rate}, rtt: {rtt}, buffer: 100 packets}}"
    return parse_scenario(f"duration: {duration}\n{path}\nflows: [{flows}]\n{more}\n", "s.yaml")


def refused(**parts: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenario(**parts)
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    assert problem.line
    assert problem.column
    return f"{problem.path}: {problem.message}"


def test_samples_of_one_flow() -> None:
    assert scenario(duration="1 s", more="record: {interval: 100 ns}").duration_ns == 10**9
    told = refused(duration="1000000100 ns", more="record: {interval: 100 ns}")
    assert told == (
        "record.interval: expected at most 10000000 samples, got 10000001; sample less often"
    )


def test_samples_of_all_recorded_flows() -> None:
    flows = "{name: f, congestion: reno, count: %d}"
    assert scenario(flows=flows % 200, more="record: {interval: 1 us}")
    told = refused(flows=flows % 201, more="record: {interval: 1 us}")
    assert told.startswith(
        "record.interval: expected at most 200000000 recorded, got 201000000; sample less often"
    )
    assert scenario(flows=flows % 201, more="record: {interval: 1 us, flows: none}")
    assert scenario(flows=flows % 201, more="record: {interval: 1 us, flows: [f-1]}")


def test_flows_of_all_entries() -> None:
    flows = "{name: f, count: 50000}, {name: g, count: %d}"
    more = "record: {interval: 1 s, flows: none}"
    assert len(scenario(flows=flows % 50_000, more=more).flows) == 100_000
    told = refused(flows=flows % 50_001, more=more)
    assert told == "flows: expected at most 100000 flows, got 100001; let some of them go"


def test_initial_window() -> None:
    assert scenario(more="tcp: {initial_window: 65536}")
    told = refused(more="tcp: {initial_window: 65537}")
    assert told == (
        "tcp.initial_window: expected at most 65536 packets, got 65537; Linux begins with 10"
    )
    assert "got 100000000" in refused(more="tcp: {initial_window: 100000000}")


def test_first_flights_of_flows_that_start_together() -> None:
    flows = "{name: f, count: 400%s}"
    more = "tcp: {initial_window: %d}"
    assert scenario(flows=flows % "", more=more % 10_000)
    told = refused(flows=flows % "", more=more % 10_001)
    assert told.startswith("tcp.initial_window: expected at most 4000000 packets at once, got 4000")
    assert scenario(flows=flows % ", start_every: 1 ms", more=more % 10_001)


@pytest.mark.parametrize(
    ("source", "beyond", "key", "got"),
    [
        ("write: 1 B, every: 10 ns", "write: 1 B, every: 9 ns", "every", 111111111),
        ("write: 1 B, rate: 800 Mbit/s", "write: 1 B, rate: 801 Mbit/s", "rate", 100125000),
        ("rate: 800 Gbit/s", "rate: 2 Tbit/s", "rate", 172651933),
    ],
)
def test_writes_of_an_application(source: str, beyond: str, key: str, got: int) -> None:
    """In 1 s: 10^9 ns / 10 ns = 10^8 writes; 800 Mbit/s are 10^8 bytes; 2 * 10^12 / (8 * 1448)
    packets."""
    flow = "{name: f, congestion: reno, source: {%s}}"
    assert scenario(flows=flow % source)
    told = refused(flows=flow % beyond)
    assert told == (
        f"flows.0.source.{key}: expected at most 100000000 writes, got {got}; "
        "write more at a time, less often"
    )


def test_all_the_flows_of_an_entry_write_and_only_while_they_run() -> None:
    flow = "{name: f, count: %d, start: %s, size: %s, source: {write: 1 B, every: 20 ns}}"
    assert scenario(flows=flow % (2, "0 s", "1 GB"))
    assert "got 150000000" in refused(flows=flow % (3, "0 s", "1 GB"))
    assert scenario(flows=flow % (3, "400 ms", "1 GB"))
    assert scenario(flows=flow % (3, "0 s", "30 MB"))


@pytest.mark.parametrize("zero", ["0 s", "0 ms"])
def test_turns_of_no_length_never_end(zero: str) -> None:
    load = "workloads: [{name: w, arrivals: {at_once: 1}, %s}]"
    told = refused(more=load % (ON_OFF % (zero, zero, "1 Mbit/s")))
    assert told.startswith("workloads.0.on_off: expected on or off above 0 s, got 0 s for both")


def test_turns_of_an_on_off_application() -> None:
    load = "workloads: [{name: w, arrivals: {at_once: %d}, %s}]"
    assert scenario(more=load % (1, ON_OFF % ("0 s", "11 ns", "1 Mbit/s")))
    assert "got 111111112" in refused(more=load % (1, ON_OFF % ("0 s", "9 ns", "1 Mbit/s")))
    assert "got 181818182" in refused(more=load % (2, ON_OFF % ("0 s", "11 ns", "1 Mbit/s")))
    told = refused(more=load % (1, ON_OFF % ("{exponential: 1 ns}", "1 ns", "1 Mbit/s")))
    assert "workloads.0.on_off: expected at most 100000000 writes, got 500000001" in told


def test_requests_of_a_client_that_never_thinks() -> None:
    load = "workloads: [{name: w, rtt: %s, arrivals: {at_once: 1}, requests: {response: 1 B%s}}]"
    assert scenario(more=load % ("11 ns", ""))
    assert "workloads.0.requests: expected at most 100000000 writes" in refused(
        more=load % ("0 s", "")
    )
    assert scenario(more=load % ("0 s", ", count: 5"))
    assert scenario(more=load % ("0 s", ", think: 1 ms"))


@pytest.mark.parametrize(
    ("arrivals", "most", "connections"),
    [
        ("every: 1 ms", "", 1000),
        ("every: 999 us", "", 1002),  # 1,001 are 999,999 µs
        ("every: 3 ms", "", 334),  # the last at 999 ms
        ("every: 1 us", ", max: 1001", 1001),
        ("at_once: 1001", "", 1001),
        ("at_once: 1000", "", 1000),
    ],
)
def test_connections_of_a_workload_are_counted_to_its_end_and_no_more_than_may_be(
    arrivals: str, most: str, connections: int
) -> None:
    """In a run of a second each asks a hundred thousand times, or as often as makes up for it."""
    load = (
        "workloads: [{name: w, rtt: 0 s, arrivals: {%s}, requests: {response: 1 B, count: %d}%s}]"
    )
    if connections > 1000:
        told = refused(more=load % (arrivals, 100_000, most))
        assert f"expected at most 100000000 writes, got {100_000 * connections};" in told
    else:
        assert scenario(more=load % (arrivals, 100_000, most))
        assert "writes, got" in refused(
            more=load.replace("1 B, count: %d", "1 B") % (arrivals, most)
        )


def test_packets_that_the_bottleneck_carries() -> None:
    """A packet of 1500 bytes is 12,000 bits: 10^11 of them at 1 Tbit/s take 1,200 s."""
    more = "record: {interval: 1 s}"
    assert scenario(duration="1200 s", rate="1 Tbit/s", more=more)
    told = refused(duration="1200001 ms", rate="1 Tbit/s", more=more)
    assert told == (
        "duration: expected at most 100000000000 packets, got 100000083333; run shorter, or slower"
    )


def test_swaps_of_all_entries() -> None:
    swap = "{at: 1 ms, every: 100 us, via: sysctl, to: reno}"
    ten = "swaps: [%s]"
    assert len(scenario(more=ten % ", ".join([swap] * 10)).swaps) == 99_900
    assert "swaps: expected at most 100000 swaps, got 109890" in refused(
        more=ten % ", ".join([swap] * 11)
    )


def test_repetitions_of_a_change_of_the_path() -> None:
    # from 500 ms to the end at 1 s: a million of 500 ns
    change = "changes: [{at: 500 ms, rate: 4 Mbit/s, lasts: 1 ns, every: %s}]"
    assert scenario(more=change % "500 ns").changes
    assert refused(more=change % "499 ns") == (
        "changes.0.every: expected at most 1000000 changes, got 1002004; let it rest longer"
    )


def test_steps_of_a_walk() -> None:
    walk = "changes: [{at: 0 s, walk: {step: 1 bit/s, every: %s, min: 1 Mbit/s, max: 9 Mbit/s}}]"
    assert scenario(more=walk % "1 us").changes
    assert refused(more=walk % "999 ns") == (
        "changes.0.walk.every: expected at most 1000000 changes, got 1001001; let it step less "
        "often"
    )


def test_a_pareto_distribution_of_any_shape_has_a_mean() -> None:
    sizes = "{pareto: {min: 1 GB, shape: 100, max: 2 GB}}"
    load = f"workloads: [{{name: w, arrivals: {{load: 50 %}}, sizes: {sizes}}}]"
    assert scenario(more=load).workloads[0].arrivals.gap_ns > 1_600_000_000_000


def test_the_documented_bounds_are_those_that_hold() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "bounds.md").read_text(encoding="utf-8")
    told = {int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\d", text)}
    held = {*BOUNDS.values(), MAX_CONNECTIONS, resolve_swaps.MAX_REPETITIONS}
    held |= {MAX_IN_FLIGHT, document.MAX_VALUES, document.MAX_DEPTH}
    held |= {document.MAX_DOCUMENT_BYTES // 1024}
    assert held <= told
    assert loader.MAX_BYTES == 1 << 20
