"""Hops in place of the link: a FIFO as a hop is the link, and no cuts or vector paths show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsim.errors import InvariantError
from ccsim.net import hop as hop_module
from ccsim.net.network import Network
from ccsim.scenario import parse_scenario
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.spec.path import Qdisc
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML, RandomDraw, complete, make_example, to_yaml

MS = 1_000_000
S = 1_000 * MS
TEMPLATE = parse_scenario(TEMPLATE_YAML, "template").resolved()
BULK = "flows: [{name: a, congestion: cubic}, {name: b, congestion: reno, start: 200 ms}]\n"


def run(text: str, **options: Any) -> SimResult:
    world = World(parse_scenario(text, "s.yaml"), paranoid=True, **options)
    world.run()
    return world.result()


def random_scenario(seed: int) -> Scenario:
    return complete(make_example(RandomDraw(seed)).scenario, TEMPLATE)


def without_marks(result: SimResult) -> Iterator[Any]:
    """Return the parts of a result but the instants of marks: a hop marks what leaves."""
    yield from (flow.snd_cwnd.tolist() for flow in result.flows)
    yield from (flow.srtt_us.tolist() for flow in result.flows)
    yield from (flow.delivered_bytes.tolist() for flow in result.flows)
    yield from (flow.counters for flow in result.flows)
    for link in result.links:
        yield from (link.queue_packets.tolist(), link.drops.tolist(), link.losses.tolist())
        yield from (link.departed_bytes.tolist(), link.utilisation_ppm.tolist())
        yield from (link.drop_t_ns.tolist(), link.drop_flow.tolist(), link.drop_reason.tolist())
    yield result.events


@pytest.mark.parametrize("seed", [2, 5, 9, 14, 23])
def test_a_fifo_as_a_hop_does_what_the_link_does(seed: int) -> None:
    scenario = random_scenario(seed)
    as_hop = replace(scenario, path=replace(scenario.path, qdisc=Qdisc(kind="fifo")))
    results = []
    for one in (scenario, as_hop):
        world = World(one)
        world.run()
        results.append(world.result())
    assert list(without_marks(results[0])) == list(without_marks(results[1]))


@pytest.mark.parametrize("seed", [0, 4, 6, 9, 12, 18, 22])
def test_neither_cuts_nor_vector_paths_show_with_hops(seed: int) -> None:
    assert check(make_example(RandomDraw(seed), hops=True), TEMPLATE) == ""


@pytest.mark.parametrize("seed", range(12))
def test_a_random_scenario_with_hops_reads_back(seed: int) -> None:
    example = make_example(RandomDraw(seed), hops=True)
    drawn = complete(example.scenario, TEMPLATE).resolved()
    read = parse_scenario(to_yaml(example.scenario), "fuzz").resolved()
    for part in ("routes", "changes"):
        assert len(read.get(part, ())) == len(drawn.get(part, ()))
    if "hops" not in drawn:
        assert read["path"]["qdisc"] == drawn["path"]["qdisc"]
    for name, hop in drawn.get("hops", {}).items():
        assert read["hops"][name]["qdisc"] == hop["qdisc"]
        assert read["hops"][name].get("netem") == hop.get("netem")


TWO_WAYS = (
    "duration: 1 s\nhops:\n  there: {rate: 8 Mbit/s, delay: 5 ms, qdisc: codel}\n"
    "  back: {rate: 4 Mbit/s, delay: 5 ms, qdisc: {kind: pfifo, limit: 20 packets}}\n"
    "routes: {a: {out: [there], back: [back]}, b: {out: [back], back: [there]}}\n"
    "flows: [{name: a, congestion: cubic, route: a}, {name: b, congestion: reno, route: b}]\n"
)


# every delay is a whole number of the 1 ms that a packet takes: things happen at the same instants
ALIGNED = (
    "duration: 1 s\nhops:\n  a: {rate: 12 Mbit/s}\n  b: {rate: 12 Mbit/s, delay: 1 ms}\n"
    "routes: {r: {out: [a, b]}}\nflows: [{name: a, congestion: reno}]\n"
)


@pytest.mark.pure
def test_running_a_hop_one_nanosecond_too_far_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Network._known
    monkeypatch.setattr(Network, "_known", lambda self, number: known(self, number) + 1)
    with pytest.raises(InvariantError, match="expected arrivals from"):
        run(ALIGNED)


@pytest.mark.pure
def test_bytes_that_a_hop_loses_track_of_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = hop_module.Hop._dropped

    def forgetful(self: Any, now: int, packet: Any, reason: int) -> None:
        dropped(self, now, packet, reason)
        self.bytes_dropped -= 1

    monkeypatch.setattr(hop_module.Hop, "_dropped", forgetful)
    with pytest.raises(InvariantError, match="bytes out, dropped or inside"):
        run(TWO_WAYS)


# --- one flow against arithmetic ------------------------------------------------------------------


def test_a_packet_takes_its_service_and_the_delay_of_each_hop() -> None:
    # three hops of 12 Mbit/s: 1500 bytes take 1 ms on each, a SYN of 60 bytes 40 us; 2 ms behind
    text = (
        "duration: 200 ms\nhops:\n  h1: {rate: 12 Mbit/s, delay: 2 ms}\n"
        "  h2: {rate: 12 Mbit/s, delay: 2 ms}\n  h3: {rate: 12 Mbit/s, delay: 2 ms}\n"
        "routes: {r: {out: [h1, h2, h3]}}\nflows: [{name: a, congestion: reno, size: 1448 B}]\n"
    )
    flow = run(text).flows[0]
    # the handshake takes 3 x 40 us and 12 ms; its ACK, 52 bytes, is 34 2/3 us ahead of the data
    assert flow.established_ns == 12 * MS + 120_000
    assert flow.end_ns == flow.established_ns + 12 * MS + 3 * MS + 34_666


def test_acks_that_queue_take_their_service_too() -> None:
    text = (
        "duration: 1 s\nhops:\n  out: {rate: 12 Mbit/s, delay: 5 ms}\n"
        "  back: {rate: 416 kbit/s, delay: 5 ms, buffer: 9 packets}\n"
        "routes: {r: {out: [out], back: [back]}}\n"
        "flows: [{name: a, congestion: reno, size: 1448 B}]\n"
    )
    flow = run(text).flows[0]
    # 416 kbit/s: 52 bytes take 1 ms, a SYN-ACK's 60 take 1153846 ns
    assert flow.established_ns == 10 * MS + 40_000 + 1_153_846
    assert flow.end_ns == flow.established_ns + 34_666 + MS + 10 * MS + MS  # a carried remainder


def test_a_slow_way_back_limits_the_way_forth() -> None:
    # RFC 3449 section 2.1: 52 bytes an ACK at 25 kbit/s are 60 ACKs/s, one for two packets of 1500
    # bytes: 120 packets or 1.44 Mbit/s, of 10
    text = (
        "duration: 20 s\nhops:\n  out: {rate: 10 Mbit/s, delay: 5 ms, buffer: 50 packets}\n"
        "  back: {rate: 25 kbit/s, delay: 5 ms, buffer: 2000 packets}\n"
        "routes: {r: {out: [out], back: [back]}}\ntcp: {quickacks: 0}\n"
        "flows: [{name: a, congestion: reno, receiver: {rwnd: 100 kB}}]\n"
    )
    link = run(text).links[0]
    at = dict(zip(link.t_ns.tolist(), link.departed_bytes.tolist(), strict=True))
    rate = (at[20 * S] - at[10 * S]) * 8 / 10
    assert rate == pytest.approx(1.44e6, rel=0.05)


def test_drops_are_told_apart_by_their_reason() -> None:
    path = "duration: 4 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, loss: 0.2 %, qdisc: %s}\n"
    codel = run(path.replace("%s", "codel") + BULK).links[0]
    fifo = run(path.replace("%s", "{kind: pfifo, limit: 20 packets}") + BULK).links[0]
    assert set(codel.drop_reason.tolist()) == {1, 2}
    assert set(fifo.drop_reason.tolist()) == {0, 1}
    assert codel.losses[-1] == np.count_nonzero(codel.drop_reason == 1)


# --- lines that change ----------------------------------------------------------------------------


def rate_between(result: SimResult, t0: int, t1: int) -> float:
    """Return what left the first link between two instants [Mbit/s]."""
    link = result.links[0]
    at = dict(zip(link.t_ns.tolist(), link.departed_bytes.tolist(), strict=True))
    return (at[t1] - at[t0]) * 8e3 / (t1 - t0)


def test_a_rate_falls_and_rises_at_its_time() -> None:
    text = (
        "duration: 6 s\npath: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 100 packets}\n"
        "changes: [{at: 2 s, rate: 5 Mbit/s, lasts: 2 s}]\n" + BULK
    )
    result = run(text)
    assert rate_between(result, S, 2 * S) == pytest.approx(20, rel=0.01)
    assert rate_between(result, 2 * S, 4 * S) == pytest.approx(5, rel=0.01)
    assert rate_between(result, 5 * S, 6 * S) == pytest.approx(20, rel=0.05)
    assert result.links[0].rates == ((0, 20_000_000), (2 * S, 5_000_000), (4 * S, 20_000_000))


def test_nothing_leaves_during_an_outage() -> None:
    text = (
        "duration: 3 s\npath: {rate: 20 Mbit/s, rtt: 20 ms}\n"
        "changes: [{at: 1 s, outage: 500 ms}]\n" + BULK
    )
    result = run(text)
    assert rate_between(result, S, 1_500 * MS) == 0
    assert rate_between(result, 2 * S, 3 * S) > 10


@pytest.mark.parametrize("later", [80, 20])
def test_a_path_gets_longer_or_shorter(later: int) -> None:
    text = (
        "duration: 4 s\npath: {rate: 50 Mbit/s, rtt: 40 ms, buffer: 2 BDP}\n"
        f"changes: [{{at: 2 s, rtt: {later} ms}}]\n"
        "flows: [{name: a, congestion: reno, source: {rate: 2 Mbit/s}}]\n"
    )
    flow = run(text).flows[0]
    at = dict(zip(flow.t_ns.tolist(), flow.srtt_us.tolist(), strict=True))
    assert at[1_900 * MS] == pytest.approx(40_000, abs=1_500)
    assert at[4 * S] == pytest.approx(later * 1000, abs=1_500)


def test_a_qdisc_is_changed_while_it_is_in_use() -> None:
    text = (
        "duration: 6 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 200 packets, qdisc: pfifo}\n"
        "changes: [{at: 3 s, buffer: 10 packets}]\n" + BULK
    )
    link = run(text).links[0]
    queue = link.queue_packets[link.t_ns > 4 * S]
    assert int(link.queue_packets.max()) == 201  # with that on the line
    assert int(queue.max()) == 11


def test_a_walk_stays_within_its_bounds_and_hangs_on_the_seed() -> None:
    text = (
        "duration: 2 s\nseed: %d\npath: {rate: 10 Mbit/s, rtt: 20 ms}\n"
        "changes: [{at: 0 s, walk: {step: 1 Mbit/s, every: 100 ms, min: 8 Mbit/s, "
        "max: 12 Mbit/s}}]\n"
    )
    first, again, other = (run(text % seed + BULK).links[0].rates for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 21
    assert all(8_000_000 <= rate <= 12_000_000 for _, rate in first)


def test_a_trace_drives_a_line(tmp_path: Any) -> None:
    # an opportunity of 1504 bytes every 2 ms: 6.016 Mbit/s, of which packets of 1500 use 6
    (tmp_path / "steady").write_text("2\n")
    text = "duration: 3 s\npath: {trace: steady, rtt: 20 ms, buffer: 40 packets}\n" + BULK
    world = World(parse_scenario(text, "s.yaml", tmp_path), paranoid=True)
    assert world.scenario.path.rate_bps == 6_016_000
    world.run()
    result = world.result()
    assert rate_between(result, S, 3 * S) == pytest.approx(6.016, rel=0.003)
    used = result.links[0].utilisation_ppm[100:]  # of 12,032 bits in 2 ms packets fill 12,000
    assert float(used.mean()) == pytest.approx(1e6 * 1500 / 1504, rel=0.005)


# --- impairments ----------------------------------------------------------------------------------


def counters(netem: str) -> dict[str, int]:
    text = (
        f"duration: 3 s\npath: {{rate: 20 Mbit/s, rtt: 40 ms, buffer: 4 BDP, netem: {netem}}}\n"
        "flows: [{name: a, congestion: reno, source: {rate: 8 Mbit/s}}]\n"
    )
    return run(text).flows[0].counters


def test_duplicates_are_told_by_dsack_and_lose_nothing() -> None:
    found = counters("{duplicate: 5 %}")
    copies = found["packets_duplicated"]
    assert 50 < copies < 0.08 * found["packets_sent"]
    assert found["packets_dropped"] == found["retransmissions"] == 0
    arrived = found["packets_delivered"] + found["packets_in_flight"]
    assert arrived == found["packets_sent"] + copies


def test_jitter_reorders_and_the_sender_finds_out() -> None:
    found = counters("{delay: 6 ms, jitter: 5 ms}")
    assert found["reorderings"] > 0
    assert found["packets_dropped"] == 0


def test_gilbert_elliott_loses_in_bursts() -> None:
    found = counters("{gemodel: {p: 1 %, r: 30 %}}")
    assert found["packets_dropped"] / found["packets_sent"] == pytest.approx(1 / 31, rel=0.5)
