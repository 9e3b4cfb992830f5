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
from ccsim.net.qdisc.red import Red
from ccsim.net.rate_process import ConstantRate
from ccsim.scenario import load_scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import LinkTrace, SimResult
from ccsim.sim.world import World

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


# --- bufferbloat: a FIFO of 1000 packets at 10 Mbit/s is N L 8/R = 1.2 s long ---
# Loss-based flows fill it; CUBIC keeps 85 to 100 % of it.


def test_a_fifo_of_a_thousand_packets_is_more_than_a_second_long() -> None:
    fifo = "{kind: pfifo, limit: 1000 packets}"
    text = f"duration: 20 s\npath: {{rate: 10 Mbit/s, rtt: 25 ms, qdisc: {fifo}}}\n"
    (link,) = run(text + "tcp: {delayed_ack: false}\n" + bulk(4, "cubic")).links
    waits_ms = dict(link.gauges)["sojourn_us"] / 1e3
    assert 1190 <= waits_ms.max() <= 1200
    assert 0.85 * 1200 <= np.median(waits_ms[800:]) <= 1200


# --- PIE holds its target (RFC 8033: 15 ms) under Reno flows ---


@pytest.mark.parametrize(
    ("flows", "rate", "rtt"),
    [
        *((5, 10, 100), (20, 10, 100), (2, 4, 40)),
        pytest.param(5, 50, 50, marks=pytest.mark.slow),
    ],
)
def test_pie_holds_its_target(flows: int, rate: int, rtt: int) -> None:
    text = f"duration: 28 s\npath: {{rate: {rate} Mbit/s, rtt: {rtt} ms, qdisc: pie}}\n"
    (link,) = run(text + "tcp: {delayed_ack: false}\n" + bulk(flows, "reno")).links
    assert 12 <= waited_ms(link, 15) <= 20
    assert use(link, 15) >= 0.98


# --- CoDel: one Reno flow leaves a fifth of the line unused, many wait far longer than 5 ms ---
# As measured with the kernel's CoDel under AIMD sources; 40 % and 0.05.


@pytest.mark.parametrize(
    ("flows", "rate", "rtt", "delay", "used"),
    [
        *((1, 10, 100, 1.1, 0.80), (4, 10, 100, 4.1, 0.94), (16, 10, 100, 14.4, 1)),
        (4, 4, 40, 16.3, 1),
        pytest.param(4, 50, 50, 3.6, 0.99, marks=pytest.mark.slow),
    ],
)
def test_codels_delay_against_use(
    flows: int, rate: int, rtt: int, delay: float, used: float
) -> None:
    text = f"duration: 35 s\npath: {{rate: {rate} Mbit/s, rtt: {rtt} ms, qdisc: codel}}\n"
    (link,) = run(text + "tcp: {delayed_ack: false}\n" + bulk(flows, "reno")).links
    assert waited_ms(link, 15) == pytest.approx(delay, rel=0.40)
    assert use(link, 15) == pytest.approx(used, abs=0.05)


# --- adaptive RED holds its average (Floyd, Gummadi, Shenker 2001) ---
# Between 15 and 45 kB it aims at the band from 0.4 to 0.6 of the way, 27 to 33 kB; tolerated is
# that from 0.3 to 0.7: 24 to 36 kB, which are 19.2 to 28.8 ms of a line of 10 Mbit/s. With four
# flows the probability is at its floor of 1 %, and the average is what they leave.
ADAPTIVE = (
    "{kind: red, limit: 240 kB, min: 15 kB, max: 45 kB, burst: 60 packets, adaptive: true, "
    "bandwidth: 10 Mbit/s}"
)


@pytest.mark.slow
@pytest.mark.parametrize(("flows", "least", "most"), [(16, 0.04, 0.12), (4, 0.008, 0.01)])
def test_adaptive_red_holds_its_average(flows: int, least: float, most: float) -> None:
    text = f"name: x\nduration: 50 s\npath: {{rate: 10 Mbit/s, rtt: 60 ms, qdisc: {ADAPTIVE}}}\n"
    text += "tcp: {delayed_ack: false}\n" + bulk(flows, "reno")
    world = World(parse_scenario(text, "red.yaml"))
    world.run()
    (link,) = world.result().links
    assert 19.2 <= waited_ms(link, 30) <= 28.8
    assert use(link, 30) > 0.99
    assert world.network is not None
    red = world.network.hops[0].qdisc
    assert isinstance(red, Red)
    assert least <= red.parms.max_P / 2**32 <= most


# --- Prague beside CUBIC: near 1, between a half and two from 5 to 100 ms (RFC 9332) ---


@pytest.mark.slow
@pytest.mark.parametrize("rtt", [5, 20, 50, 100])
def test_prague_and_cubic_share_a_line_within_a_factor_of_two(rtt: int) -> None:
    text = f"duration: 20 s\npath: {{rate: 40 Mbit/s, rtt: {rtt} ms, qdisc: dualpi2}}\n"
    flows = run(text + "flows: [{name: p, congestion: prague}, {name: c, congestion: cubic}]").flows
    prague, cubic = (int(flow.delivered_bytes[-1] - flow.delivered_bytes[600]) for flow in flows)
    assert 0.5 <= prague / cubic <= 2


# --- hosts share CAKE, not flows: 10 Mbit/s, four streams of 4 Mbit/s from one host, one of 8 from
# another to another (Piece of CAKE, arXiv 1804.07617); bits of 1514-byte packets ---


SHAPED_BPS = 10_000_000
BY_HOST = [1.25] * 4 + [5.0]


def shared_mbit_per_s(mode: str, destinations: tuple[int, int]) -> list[float]:
    """Return what CAKE lets pass of each stream; the hosts' numbers stand for their addresses."""
    from ccsim.net.qdisc.kinds import create

    qdisc = create("cake", {"bandwidth": "10 Mbit/s", "flow_mode": mode}, BOOT_NS, Draws(1))
    hop = Hop(qdisc, ConstantRate(100_000_000), DelayProcess([(0, 0)]))
    rows = []
    random = np.random.default_rng(5)  # or streams in step meet the same drops
    for flow, rate in enumerate([4e6] * 4 + [8e6]):
        gap = round(1514 * 8 / rate * S)
        for k in range(32 * S // gap):
            packet = Packet(k, 1514, flow=flow, hash=(flow + 1) * 0x9E37_79B9 & 0xFFFF_FFFF)
            packet.truesize = 2304
            packet.srchost, packet.dsthost = (77, 99)[flow // 4], destinations[flow // 4]
            rows.append((k * gap + int(random.integers(gap)), packet))
    hop.take(sorted(rows, key=lambda row: row[0]))
    left = [packet.flow for at, _, packet in hop.run(32 * S) if at >= 2 * S]
    return [left.count(flow) * 1514 * 8 / 30e6 for flow in range(5)]


@pytest.mark.parametrize(
    ("mode", "shares"),
    [
        ("triple-isolate", BY_HOST),
        ("dual-srchost", BY_HOST),
        ("dual-dsthost", BY_HOST),
        ("flows", [2.0] * 5),
        ("flowblind", [1.67] * 4 + [3.32]),
    ],
)
def test_cake_isolates_hosts(mode: str, shares: list[float]) -> None:
    found = shared_mbit_per_s(mode, (77, 99))
    assert found == pytest.approx(shares, rel=0.02)
    assert sum(found) == pytest.approx(SHAPED_BPS / 1e6, rel=0.001)


@pytest.mark.parametrize(
    ("mode", "shares"), [("triple-isolate", [2.0] * 5), ("dual-srchost", BY_HOST)]
)
def test_towards_one_host_triple_isolation_shares_by_flow(mode: str, shares: list[float]) -> None:
    """The load of a host is the larger of those as source and as destination: five everywhere."""
    assert shared_mbit_per_s(mode, (55, 55)) == pytest.approx(shares, rel=0.02)


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


# --- TCP under a policer (Flach and others, SIGCOMM 2016): about six times the losses ---
# 10 Mbit/s with an RTT of 40 ms are 50 kB: a bucket of 20 kB lets slow start pass into a wall.


def loss_rate(path: str) -> float:
    text = f"duration: 20 s\npath: {{{path}, rtt: 40 ms}}\nflows: [{{name: a, congestion: cubic}}]"
    counters = run(text).flows[0].counters
    return counters["packets_dropped"] / counters["packets_sent"]


def test_a_policer_costs_several_times_the_losses_of_a_queue() -> None:
    policer = "{kind: police, rate: 10 Mbit/s, burst: 20 kB}"
    policed = loss_rate(f"rate: 100 Mbit/s, qdisc: {policer}")
    assert 2 < policed / loss_rate("rate: 10 Mbit/s, buffer: 1 BDP") < 20


# --- ACKs as the bottleneck (RFC 3449 section 2.1): 50 kbit/s back, ACKs of 52 bytes ---
# One ACK for two packets of 948 bytes of data: 2 * 948 * 8 * 50000 / (52 * 8) = 1.823 Mbit/s are
# acknowledged at most, of 10; where ACKs are dropped (a queue for five), or filtered by CAKE, each
# says more, and 948 of each 1000 bytes of the full rate arrive.


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ("buffer: 100000 packets", 1.823),
        ("buffer: 5 packets", 9.48),
        ("qdisc: {kind: cake, bandwidth: 50 kbit/s, ack_filter: ack-filter}", 9.48),
    ],
)
def test_a_way_back_that_bears_so_many_acks_bounds_the_way_forth(
    back: str, expected: float
) -> None:
    text = (
        "duration: 20 s\nhops:\n  down: {rate: 10 Mbit/s, delay: 10 ms, buffer: 100 packets}\n"
        f"  up: {{rate: 50 kbit/s, delay: 10 ms, {back}}}\n"
        "routes: {r: {out: [down], back: [up]}}\ntcp: {mss: 948 B, quickacks: 0}\n"
        "flows: [{name: a, congestion: cubic}]\n"
    )
    acknowledged = run(text).flows[0].delivered_bytes
    found = (acknowledged[-1] - acknowledged[1000]) * 8 / 10e6
    assert found == pytest.approx(expected, rel=0.05)


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


LINES = 4
FIFO = "{rate: 10 Mbit/s, delay: 5 ms, buffer: 30 packets}"
LOT = (
    "duration: 25 s\nhosts: {lateness: busy}\nhops:\n"
    + "".join(f"  h{k}: {FIFO}\n" for k in range(LINES))
    + f"routes:\n  long: {{out: [{', '.join(f'h{k}' for k in range(LINES))}]}}\n"
    + "".join(f"  r{k}: {{out: [h{k}]}}\n" for k in range(LINES))
    + "flows:\n  - {name: long, congestion: reno, route: long, rtt: 40 ms}\n"
    + "".join(
        f"  - {{name: f{k}, congestion: reno, route: r{k}, rtt: 40 ms}}\n" for k in range(LINES)
    )
)


@pytest.mark.slow
def test_over_four_lines_it_gets_less_still() -> None:
    """Between 0.4/(1 + n) and 1/(1 + sqrt(n)) of a line."""
    long, *others = run(LOT).flows
    rates = [
        float(flow.delivered_bytes[-1] - flow.delivered_bytes[800]) * 8 / 17e6
        for flow in (long, *others)
    ]
    assert 0.4 / (1 + LINES) * 10 <= rates[0] <= 10 / (1 + LINES**0.5)
    assert min(rates[1:]) > rates[0]
