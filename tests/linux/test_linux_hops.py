"""Qdiscs, netem, traces, changes and hops on the emulated path: as in the simulator's network."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.linux.hop_path import HopPath
from ccsim.linux.packets import FIRST_PORT, FlowDelays, flow_of
from ccsim.net.hop_packets import Leg, in_order
from ccsim.scenario import parse_scenario
from ccsim.sim.hop_hashes import hash_of, hosts_of
from ccsim.sim.hops import make_hops
from ccsim.spec import Scenario
from ccsim.spill import Spill

MS = 1_000_000
S = 1_000_000_000
FLOWS = "flows: [{name: a, congestion: reno}, {name: b, congestion: reno}]\n"
CODEL = "path: {rate: 12 Mbit/s, rtt: 30 ms, buffer: 20 packets, qdisc: codel}\n"


def scenario(path: str, duration: str = "2 s") -> Scenario:
    return parse_scenario(f"name: t\nduration: {duration}\n{path}{FLOWS}", "t.yaml")


def packet(size: int = 1500, ecn: int = 0, mark: int = 0) -> bytes:
    """Return an IPv4 packet of any size that bears a number."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, ecn, size, 7, 0, 64, 6, 0, bytes(4), bytes(4))
    return head + struct.pack("!I", mark) + bytes(max(size - 24, 0))


def hop_path(path: str, duration: str = "2 s") -> HopPath:
    ways = [FlowDelays((0, 0, 0), None, 0) for _ in range(2)]
    return HopPath(scenario(path, duration), ways)


def test_a_rate_that_falls_holds_for_the_transmission_under_way() -> None:
    """1500 bytes take 1 ms at 12 Mbit/s. At 0.5 ms, half-way, the rate falls to 6 Mbit/s: the
    other half takes 1 ms, the packet behind it 2 ms; half of the RTT is behind the line."""
    path = hop_path(
        "path: {rate: 12 Mbit/s, rtt: 30 ms, buffer: 9 packets}\n"
        "changes: [{at: 500 us, rate: 6 Mbit/s}]\n"
    )
    for _ in range(2):
        path.forward(0, 0, packet())
    assert [t for t, *_ in path.due(40 * MS)] == [1_500_000 + 15 * MS, 3_500_000 + 15 * MS]


def test_a_trace_lets_go_at_its_opportunities(tmp_path: Any) -> None:
    """Opportunities at 5, 5 and 20 ms, and again 20 ms later; the third packet waits for the
    third one."""
    file = tmp_path / "slow.trace"
    file.write_text("5\n5\n20\n")
    path = hop_path(f"path: {{rate: 1 Mbit/s, rtt: 0 ms, buffer: 9 packets, trace: '{file}'}}\n")
    for _ in range(4):
        path.forward(MS, 0, packet())
    assert [t for t, *_ in path.due(30 * MS)] == [5 * MS, 5 * MS, 20 * MS, 25 * MS]


def test_netem_delays_and_the_process_is_woken_for_it() -> None:
    path = hop_path(
        "path: {rate: 12 Mbit/s, rtt: 0 ms, buffer: 9 packets, netem: {delay: 10 ms}}\n"
    )
    assert path.next_ns() is None
    path.forward(2 * MS, 0, packet())
    assert path.due(2 * MS + 1) == []
    assert path.next_ns() == 12 * MS + 1  # netem's watchdog, and what it does is over
    assert path.due(12 * MS + 1) == []
    assert path.next_ns() == 13 * MS
    assert [(t, to, flow) for t, to, flow, _ in path.due(13 * MS)] == [(13 * MS, 1, 0)]


def test_acks_queue_at_a_hop_of_their_own() -> None:
    """A hop back of 52 kbit/s takes 8 ms for each of two ACKs of 52 bytes."""
    path = hop_path(
        "hops:\n"
        "  down: {rate: 12 Mbit/s, delay: 5 ms, buffer: 9 packets}\n"
        "  up: {rate: 52 kbit/s, delay: 5 ms, buffer: 9 packets}\n"
        "routes: {home: {out: [down], back: [up]}}\n"
    )
    for _ in range(2):
        path.back(0, 1, packet(52), spared=False)
    assert [(t, to, flow) for t, to, flow, _ in path.due(60 * MS)] == [
        (13 * MS, 0, 1),
        (21 * MS, 0, 1),
    ]


def test_without_hops_back_acks_take_the_rest_of_the_rtt() -> None:
    path = hop_path(CODEL)
    path.back(MS, 1, packet(52), spared=False)
    assert [(t, to) for t, to, *_ in path.due(40 * MS)] == [(16 * MS, 0)]


def test_a_mark_that_a_qdisc_sets_is_in_the_packet_and_in_the_report() -> None:
    """CoDel with ECN marks what has waited longer than ce_threshold: the third of three."""
    path = hop_path(
        "path: {rate: 12 Mbit/s, rtt: 0 ms, buffer: 9 packets,\n"
        "       qdisc: {kind: codel, ecn: true, ce_threshold: 1500 us}}\n"
    )
    for mark in range(3):
        path.forward(0, 1, packet(ecn=2, mark=mark))
    seen = path.due(10 * MS)
    assert [data[1] & 3 for *_, data in seen] == [2, 2, 3]
    path.finish(2 * S)
    report = path.report()
    assert report["marks"] == [(3 * MS, 1)]
    assert report["links"][0]["mark_flow"] == [1]


def test_samples_and_drops_are_those_of_the_hop() -> None:
    """A queue for two packets, of which one is on the line: of four the last two are dropped."""
    path = hop_path(
        "path: {rate: 12 Mbit/s, rtt: 0 ms, buffer: 2 packets}\n"
        "changes: [{at: 1 s, rate: 1 Mbit/s}]\n"
    )
    for _ in range(4):
        path.forward(10 * MS, 1, packet())
    path.due(11 * MS)
    path.finish(2 * S)
    (link,) = path.report()["links"]
    assert (link["drop_t_ns"], link["drop_flow"]) == ([10 * MS] * 2, [1, 1])
    assert link["queue_packets"][:3] == [0, 2, 0]
    assert link["departed_bytes"][2] == 3000
    assert link["rates"] == [[0, 12_000_000], [S, 1_000_000]]


@pytest.mark.parametrize(
    "data", [b"", bytes(40), packet(60)[:39], b"\x4f" + packet(50)[1:], b"\x60" + bytes(80)]
)
def test_what_is_no_packet_of_ours_has_no_flow(data: bytes) -> None:
    assert flow_of(data, 3) is None


def test_a_packet_is_its_ports_flow() -> None:
    head = packet(60)[:20]
    tail = bytes(9) + b"\x12" + bytes(26)  # SYN and ACK
    assert flow_of(head + struct.pack("!HH", FIRST_PORT + 2, 5) + tail, 3) == (2, True)
    assert flow_of(head + struct.pack("!HH", 5, FIRST_PORT + 1) + tail, 3) == (1, True)
    assert flow_of(head + struct.pack("!HH", 5, FIRST_PORT + 3) + tail, 3) is None


KINDS = [
    "qdisc: codel",
    "qdisc: fq_codel",
    "qdisc: pie",
    "qdisc: {kind: red, limit: 30 kB, min: 3 kB, max: 12 kB}",
    "qdisc: sfq",
    "qdisc: {kind: cake, bandwidth: 9 Mbit/s}",
    "qdisc: {kind: tbf, rate: 6 Mbit/s, burst: 5 kB, limit: 20 kB}",
    "netem: {delay: 3 ms, jitter: 1 ms, loss: 5 %, duplicate: 3 %}",
    "netem: {delay: 3 ms, reorder: 20 %, gap: 4}",
    "trace: lte.down",
    "loss: 10 %",
]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(
    gaps=st.lists(st.integers(0, 2 * MS), min_size=30, max_size=80),
    sizes=st.lists(st.sampled_from([52, 700, 1500]), min_size=80, max_size=80),
    hurry=st.integers(MS // 2, 20 * MS),
)
def test_departures_and_drops_are_those_of_the_simulators_hops(
    kind: str, gaps: list[int], sizes: list[int], hurry: int
) -> None:
    """However seldom the emulator wakes, ``hurry`` ns apart: all hops in one go decide alike."""
    room = "" if "limit" in kind else "buffer: 20 packets, "
    text = (
        f"path: {{rate: 8 Mbit/s, rtt: 0 ms, {room}{kind}}}\n"
        "changes: [{at: 40 ms, rate: 4 Mbit/s}]\n"
    )
    if "trace" in kind:
        text = text.split("\n", 1)[0] + "\n"
    arrivals = [sum(gaps[: k + 1]) for k in range(len(gaps))]
    sent = [
        (t, k % 2, packet(size, mark=k))
        for k, (t, size) in enumerate(zip(arrivals, sizes, strict=False))
    ]
    expected, drops = in_one_go(scenario(text), sent)
    path = hop_path(text)
    seen, now = [], 0
    for t, flow, data in sent:
        while now + hurry <= t:
            now += hurry
            seen += path.due(now)
        path.forward(t, flow, data)
    seen += path.due(2 * S - 1)
    path.finish(2 * S)
    got = [(t, flow, number(data)) for t, _, flow, data in seen]
    assert sorted(got) == sorted(expected)
    (link,) = path.report()["links"]
    assert sorted(zip(link["drop_t_ns"], link["drop_flow"], strict=True)) == sorted(drops)


def number(data: bytes) -> int:
    return int(struct.unpack_from("!I", data, 20)[0])


def in_one_go(
    scenario: Scenario, sent: list[tuple[int, int, bytes]]
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Return what leaves the simulator's hops, run to the end at once: (time, flow, number), and
    the drops (time, flow)."""
    (one,) = make_hops(scenario, Spill()).described
    legs = []
    for flow in range(1 + max(flow for _, flow, _ in sent)):
        leg = Leg(flow, 2 * flow, (0,), 0, 0, lambda *_: None)
        leg.number, leg.hash, leg.hosts = (
            flow,
            hash_of(flow, 0),
            hosts_of(scenario.flows[flow], flow),
        )
        legs.append(leg)
    table = [
        (t, flow, len(data), data[1] & 3, number(data), t, k)
        for k, (t, flow, data) in enumerate(sent, 1)
    ]
    table.sort(key=lambda row: row[:2])  # what arrives together comes by flow
    rows = np.array(table, dtype=np.int64)
    dropped = []
    for hop in [one.stage, one.hop]:
        if hop is None:
            continue
        hop.legs = legs
        hop.take_rows(rows, 0)
        rows = in_order([hop.run_rows(2 * S)])
        dropped += [(t, p.flow) for t, p in hop.drops]
    return [(row[0], row[1], row[4]) for row in rows.tolist()], dropped
