"""What is known of queues and topologies, from papers, RFCs and kernels, comes out of simulations.

Each scenario stands with its comment; the numbers and their tolerances are those of the source that
the comment names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from ccsim.net.delay_process import DelayProcess
from ccsim.net.hop import Hop
from ccsim.net.qdisc import Draws, Packet, create_raw
from ccsim.net.qdisc.base import BOOT_NS
from ccsim.net.rate_process import ConstantRate
from ccsim.scenario import load_scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import LinkTrace, SimResult

MS, S = 1_000_000, 1_000_000_000


def bulk(count: int, congestion: str) -> str:
    flows = (
        f"  - {{name: f{k}, congestion: {congestion}, start: {37 * k} ms}}\n" for k in range(count)
    )
    return "flows:\n" + "".join(flows)


@lru_cache(maxsize=16)
def run(text: str) -> SimResult:
    return simulate(parse_scenario(text, "known.yaml"))


def waited_ms(link: LinkTrace, after_s: int) -> float:
    """Return the mean time that packets waited, from some second on."""
    return float(dict(link.gauges)["sojourn_us"][after_s * 100 :].mean()) / 1e3


def use(link: LinkTrace, after_s: int) -> float:
    """Return which part of the line was used from some second on."""
    return float(link.utilisation_ppm[after_s * 100 :].mean()) / 1e6


# --- a sparse flow beside bulk, 10 Mbit/s ---
# Four CUBIC flows with an RTT of 25 ms fill the queue; a flow of 64 kbit/s in packets of 200 bytes
# shows in its RTT what waits before it. Under FQ-CoDel and CAKE that is never more than two bulk
# packets' transmission, 2 L/R (Høiland-Jørgensen, "Analyzing the Latency of Sparse Flows in the
# FQ-CoDel Queue Management Algorithm", 2018); CoDel and PIE hold all to their targets; a FIFO of
# 100 packets is N L 8/R = 120 ms long, of which CUBIC keeps 85 to 100 %.
SPARSE = (
    "duration: 15 s\npath: {rate: 10 Mbit/s, rtt: 25 ms, qdisc: %s}\ntcp: {delayed_ack: false}\n"
    + bulk(4, "cubic")
    + "  - {name: probe, congestion: reno, source: {rate: 64 kbit/s, write: 148 B}}\n"
)
RESIDUAL_MS = 2 * 1500 * 8 / 10e6 * 1e3
OWN_MS = 200 * 8 / 10e6 * 1e3  # the probe's transmission


def probed_ms(qdisc: str) -> Any:
    """Return by how much the probe's RTT exceeds that of the path, from 6 s on."""
    return run(SPARSE % qdisc).flows["probe"].srtt_us[600:] / 1e3 - 25


@pytest.mark.parametrize("qdisc", ["fq_codel", "cake"])
def test_a_sparse_flow_waits_for_two_packets_at_most_where_flows_are_kept_apart(qdisc: str) -> None:
    found = probed_ms(qdisc)
    assert found.max() <= RESIDUAL_MS + OWN_MS
    assert 0.3 < np.median(found) < 1.2  # 0.62 and 0.16 of its own


@pytest.mark.parametrize(("qdisc", "expected"), [("codel", 11.3), ("pie", 15.5)])
def test_a_sparse_flow_waits_as_long_as_all_in_one_managed_queue(
    qdisc: str, expected: float
) -> None:
    assert np.median(probed_ms(qdisc)) == pytest.approx(expected, rel=0.25)


def test_a_sparse_flow_waits_for_a_whole_fifo() -> None:
    found = probed_ms("{kind: pfifo, limit: 100 packets}")
    assert 0.85 * 120 <= np.median(found) <= 121.2


# --- PIE holds its target (RFC 8033: 15 ms) under Reno flows at 10 Mbit/s, 100 ms ---


@pytest.mark.parametrize("flows", [5, 20])
def test_pie_holds_its_target(flows: int) -> None:
    text = "duration: 30 s\npath: {rate: 10 Mbit/s, rtt: 100 ms, qdisc: pie}\n"
    (link,) = run(text + "tcp: {delayed_ack: false}\n" + bulk(flows, "reno")).links
    assert 12 <= waited_ms(link, 15) <= 20
    assert use(link, 15) >= 0.98


# --- CoDel: one Reno flow leaves a fifth of the line unused, many wait far longer than 5 ms ---
# As measured with the kernel's CoDel under AIMD sources, 10 Mbit/s, 100 ms; 40 % and 0.05.


@pytest.mark.parametrize(
    ("flows", "delay", "used"), [(1, 1.1, 0.80), (4, 4.1, 0.94), (16, 14.4, 1)]
)
def test_codels_delay_against_use(flows: int, delay: float, used: float) -> None:
    text = "duration: 35 s\npath: {rate: 10 Mbit/s, rtt: 100 ms, qdisc: codel}\n"
    (link,) = run(text + "tcp: {delayed_ack: false}\n" + bulk(flows, "reno")).links
    assert waited_ms(link, 15) == pytest.approx(delay, rel=0.40)
    assert use(link, 15) == pytest.approx(used, abs=0.05)


# --- hosts share CAKE, not flows: 10 Mbit/s, four streams of 4 Mbit/s from one host, one of 8 from
# another to another (Piece of CAKE, arXiv 1804.07617); bits of 1514-byte packets ---


@pytest.mark.parametrize(
    ("mode", "shares"),
    [
        ("triple-isolate", [1.25] * 4 + [5.0]),
        ("dual-srchost", [1.25] * 4 + [5.0]),
        ("dual-dsthost", [1.25] * 4 + [5.0]),
        ("flows", [2.0] * 5),
    ],
)
def test_cake_isolates_hosts(mode: str, shares: list[float]) -> None:
    from ccsim.net.qdisc.kinds import create

    qdisc = create("cake", {"bandwidth": "10 Mbit/s", "flow_mode": mode}, BOOT_NS, Draws(1))
    hop = Hop(qdisc, ConstantRate(100_000_000), DelayProcess([(0, 0)]))
    rows = []
    for flow, rate in enumerate([4e6] * 4 + [8e6]):
        gap = round(1514 * 8 / rate * S)
        for k in range(8 * S // gap):
            packet = Packet(k, 1514, flow=flow, hash=(flow + 1) * 0x9E37_79B9 & 0xFFFF_FFFF)
            packet.truesize = 2304
            packet.srchost = packet.dsthost = 77 if flow < 4 else 99
            rows.append((k * gap + flow, packet))
    hop.take(sorted(rows, key=lambda row: row[0]))
    left = [packet.flow for at, _, packet in hop.run(8 * S) if at >= 2 * S]
    found = [left.count(flow) * 1514 * 8 / 6e6 for flow in range(5)]
    assert found == pytest.approx(shares, rel=0.03)


# --- a token bucket passes no more than burst + rate * d in any d seconds ---


@pytest.mark.parametrize("kind", ["tbf", "police"])
def test_a_token_bucket_bounds_every_interval(kind: str) -> None:
    raw = {"rate_Bps": 125_000, "burst": 10_000}
    if kind == "tbf":
        raw["limit"] = 50_000
    hop = Hop(
        create_raw(kind, raw, BOOT_NS, Draws(1)), ConstantRate(10**10), DelayProcess([(0, 0)])
    )
    hop.take((k * 4 * MS, Packet(k, 1000)) for k in range(1000))  # 250 kB/s, twice the rate
    times = np.array([at for at, _, _ in hop.run(5 * S)])
    passed = np.arange(1, len(times) + 1) * 1000
    for first in range(0, len(times), 97):
        allowed = 10_000 + 125_000 * (times[first:] - times[first]) / S
        assert (passed[first:] - passed[first] + 1000 <= allowed + 1000).all()
    if kind == "police":  # loss 1 - 1/x of a constant rate x times as high, but for the burst
        assert len(hop.drops) / 1000 == pytest.approx(0.5, abs=0.01)


# --- ACKs as the bottleneck (RFC 3449 section 2.1): 50 kbit/s back, ACKs of 52 bytes ---
# One ACK for two packets of 948 bytes of data: 2 * 948 * 8 * 50000 / (52 * 8) = 1.823 Mbit/s are
# acknowledged at most, of 10; where ACKs are dropped (a queue for five), each says more.


@pytest.mark.parametrize(("room", "least", "most"), [(100_000, 1.55, 1.85), (5, 3.0, 9.5)])
def test_a_way_back_that_bears_so_many_acks_bounds_the_way_forth(
    room: int, least: float, most: float
) -> None:
    text = (
        "duration: 20 s\nhops:\n  down: {rate: 10 Mbit/s, delay: 10 ms, buffer: 100 packets}\n"
        f"  up: {{rate: 50 kbit/s, delay: 10 ms, buffer: {room} packets}}\n"
        "routes: {r: {out: [down], back: [up]}}\ntcp: {mss: 948 B}\n"
        "flows: [{name: a, congestion: cubic}]\n"
    )
    acknowledged = run(text).flows[0].delivered_bytes
    assert least <= (acknowledged[-1] - acknowledged[1000]) * 8 / 10e6 <= most


# --- Gilbert and Elliott: netem's gemodel with 100,000 packets ---
# Losses in bursts: three standard errors of the simple model are 3 * sqrt(0.1071 * 0.8929 / 10^5 *
# 1.72 / 0.28) = 0.0073, since a state lasts with a correlation of 1 - p - r = 0.72.


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ({"p": "2 %", "r": "20 %", "1-h": "70 %", "1-k": "0.1 %"}, 0.06454),
        ({"p": "3 %", "r": "25 %"}, 0.10714),
    ],
)
def test_lossy_states_lose_what_theory_says(model: dict[str, str], loss: float) -> None:
    from ccsim.net.qdisc.kinds import create

    qdisc = create("netem", {"gemodel": model, "limit": "100000 packets"}, BOOT_NS, Draws(5))
    lost = 0
    packet = Packet(1, 100)
    for k in range(100_000):
        qdisc.enqueue(packet, BOOT_NS + k)
        lost += len(qdisc.dropped)
        qdisc.dropped.clear()
        qdisc.dequeue(BOOT_NS + k)
    assert lost / 100_000 == pytest.approx(loss, abs=0.0073)


# --- a parking lot of two lines: Kelly 1998; Kunniyur and Srikant 2003 ---


def test_the_long_flow_of_a_parking_lot_gets_a_third_of_the_line_or_so() -> None:
    from ccsim.catalog import scenario_files

    result = simulate(load_scenario(scenario_files()["parking_lot"]))
    rates = {
        flow.name: float(flow.delivered_bytes[-1] - flow.delivered_bytes[500]) * 8 / 25e6
        for flow in result.flows
    }
    assert 0.4 / 3 * 20 <= rates["long"] <= 20 / (1 + 2**0.5)
    assert min(rates["first"], rates["second"]) > rates["long"]
