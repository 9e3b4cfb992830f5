"""The way back: ACKs that are lost, that wait for a slot, and that stand for merged packets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.net.loss import BernoulliLoss
from ccsim.sim.ack_path import AckPath
from ccsim.sim.flow.flow import Flow
from ccsim.sim.flow.receiving import ReceivingSide
from ccsim.sim.world import World
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.sock import TcpSock
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.planting import is_difference, plant
from tests.sim.sim_rig import MS, resolved, run, scenario_of

# --- loss and slots ---


def rows(*times_ms: int) -> AckRows:
    return AckRows([(t * MS, k, 7, None) for k, t in enumerate(times_ms)])


def test_acks_set_out_at_the_next_edge_of_a_slot_and_at_once_on_an_edge() -> None:
    kept = AckPath(None, 5 * MS).rows(rows(0, 1, 5, 6, 9, 10))
    assert [t // MS for t, *_ in kept] == [0, 5, 5, 10, 10, 10]
    assert [una for _, una, *_ in kept] == list(range(6))


@pytest.mark.parametrize("slot_ns", [0, 3 * MS])
def test_columns_fare_as_rows_do(slot_ns: int) -> None:
    def path() -> AckPath:
        return AckPath(BernoulliLoss(0.3, 11), slot_ns)

    one, other = path(), path()
    kept = one.rows(rows(*range(200)))
    t = np.arange(200) * MS
    columns = other.train(t, np.arange(200), np.full(200, 7))
    assert [row[:3] for row in kept] == list(zip(*(c.tolist() for c in columns), strict=True))
    assert one.lost_ns == other.lost_ns
    assert 40 < len(one.lost_ns) < 80


def test_the_answer_to_a_syn_is_spared() -> None:
    path = AckPath(BernoulliLoss(1.0, 1), 5 * MS)
    assert path.rows(AckRows([(3, -1, 0, None), (4, 1, 0, None)])) == [(3, -1, 0, None)]
    assert path.lost_before(4) == 0
    assert path.lost_before(5) == 1


def one(flow: str, path: str, *, duration: str = "3 s", more: str = "") -> str:
    link = f"path: {{rate: 24 Mbit/s, rtt: 30 ms, buffer: 120 packets, {path}}}\n"
    return f"duration: {duration}\n{link}flows:\n  - {{name: a, {flow}}}\n{more}"


def test_so_many_acks_are_lost_and_nothing_is_sent_again_for_it() -> None:
    # of some 2900 ACKs in 3 s at 20 %: 580, give or take four deviations of 22
    text = one("congestion: reno", "ack_loss: 20 %", more="tcp: {quickacks: 0}\n")
    flow = run(text.replace("buffer: 120 packets", "buffer: 4000 packets")).flows[0]
    assert 490 < flow.counters["acks_lost"] < 670
    assert flow.counters["retransmissions"] == 0


def test_a_run_and_its_twins_lose_the_same_acks_and_each_flow_has_its_own_stream() -> None:
    def lost(text: str) -> list[list[int]]:
        world = World(scenario_of(text))
        world.run()
        paths = [flow.receiving.ack_path for flow in world.flows]
        return [path.lost_ns[:20] for path in paths if path]

    text = one("congestion: cubic", "ack_loss: 5 %") + "  - {name: b, congestion: cubic}\n"
    swapped = text + "swaps: [{at: 2 s, via: setsockopt, flows: [a], to: bbr}]\n"
    assert lost(text) == lost(swapped)
    assert lost(text)[0] != lost(text)[1]
    assert lost(text) != lost(text + "seed: 2\n")


@pytest.mark.pure
def test_acks_of_a_slot_arrive_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccsim.sim import sender_events as module

    times: list[int] = []
    original = module.on_ack

    def on_ack(sk: TcpSock, t_ns: int, *rest: Any) -> None:
        times.append(t_ns)
        original(sk, t_ns, *rest)

    monkeypatch.setattr(module, "on_ack", on_ack)
    run(one("congestion: reno", "ack_aggregation: 4 ms", duration="1 s"), vector=False)
    # slots are multiples of 4 ms at the receiver, 15 ms from the sender
    assert {(t - 15 * MS) % (4 * MS) for t in times} == {0}
    assert len(times) > 4 * len(set(times))


def test_a_slot_adds_half_of_itself_to_the_mean_rtt() -> None:
    # 10 Mbit/s on an empty path: 30.5 ms, and slots of 8 ms are waited for for 4; the last of each
    # slot, which waited least, weighs most in what is sampled after it
    for path, expected in (("ack_aggregation: 0 s", 30.5), ("ack_aggregation: 8 ms", 34.5)):
        source = "congestion: reno, source: {rate: 10 Mbit/s}"
        flow = run(one(source, path, more="tcp: {delayed_ack: false}\n")).flows[0]
        assert float(flow.srtt_us[150:].mean()) / 1000 == pytest.approx(expected, abs=0.8)


# --- merged packets ---


def merging(count: int, time_ms: int) -> Flow:
    text = one(f"congestion: reno, receiver: {{gro: {count}, gro_time: {time_ms} ms}}", "loss: 0 %")
    return World(scenario_of(text + "tcp: {quickacks: 0}\n")).flows[0]


def arrive(flow: Flow, *packets: tuple[int, int]) -> list[tuple[int, int]]:
    """Let packets (time [ms], number) reach the receiver; return its ACKs (time [ms], number)."""
    acks = AckRows()
    assert flow.receiving.reception is not None
    for t, seq in packets:
        flow.receiving.reception._packet(t * MS, seq, (t - 15) * MS, False, acks)
    return [(t // MS, una) for t, una, *_ in acks]


def test_so_many_packets_get_one_ack_and_what_is_left_waits_for_its_time() -> None:
    flow = merging(4, 10)
    assert arrive(flow, *((20 + k, k) for k in range(10))) == [(23, 4), (27, 8)]
    acks = AckRows()
    assert flow.receiving.reception is not None
    flow.receiving.reception.flush(38 * MS, acks)
    assert acks == []  # the ninth came at 28 ms, and waits for 10 ms
    flow.receiving.reception.flush(38 * MS + 1, acks)
    assert [(t // MS, una) for t, una, *_ in acks] == [(38, 10)]


def test_the_time_counts_from_the_first_that_waits() -> None:
    assert arrive(merging(8, 3), (20, 0), (21, 1), (22, 2), (23, 3), (24, 4)) == [(23, 3)]


def test_an_ack_for_merged_packets_echoes_the_first() -> None:
    flow = merging(3, 10)
    acks = AckRows()
    assert flow.receiving.reception is not None
    for k in range(3):
        flow.receiving.reception._packet((20 + k) * MS, k, (5 + k) * MS, False, acks)
    assert acks == [(22 * MS, 3, 5000, None)]


def test_one_merged_packet_alone_is_acknowledged_as_any_other() -> None:
    # handed on at 23 ms; the delayed ACK then waits for the second or its timer
    assert arrive(merging(8, 3), (20, 0), (30, 1)) == []
    assert arrive(merging(8, 3), (20, 0), (30, 1), (31, 2), (40, 3)) == [(33, 3)]


def test_disorder_ends_the_waiting_and_is_not_merged() -> None:
    flow = merging(8, 10)
    assert arrive(flow, (20, 0), (21, 1), (22, 3), (23, 4)) == [(22, 2), (22, 2), (23, 2)]
    assert arrive(flow, (24, 2), (25, 5), (26, 6)) == [(24, 5)]


def test_merging_makes_fewer_acks_in_a_run() -> None:
    def acks(gro: int) -> float:
        flow = f"congestion: cubic, receiver: {{gro: {gro}, gro_time: 20 ms}}"
        text = one(flow, "ack_loss: 0.001 %", more="tcp: {quickacks: 0}\n")
        world = World(scenario_of(text.replace("120 packets", "4000 packets")))
        world.run()
        assert world.flows[0].receiving.ack_path is not None
        loss = world.flows[0].receiving.ack_path.loss
        assert loss is not None
        return world.flows[0].receiving.delivered / draws(loss.state, world)

    assert acks(1) == pytest.approx(2, rel=0.1)
    assert acks(8) == pytest.approx(8, rel=0.1)


def draws(state: int, world: World) -> int:
    """Return how often a SplitMix64 stream was drawn from: its state moves by a constant."""
    from ccsim.net.loss import GOLDEN, MASK
    from ccsim.sim.streams import stream_seed

    first = stream_seed(world.scenario.seed, "ack-loss", 0)
    return (state - first) * pow(GOLDEN, -1, MASK + 1) & MASK


# --- equality ---

EQUAL = {
    "lost acks, short and endless flows": """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 30 ms, buffer: 60 packets, ack_loss: 20 %}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: bbr, access_delay: 5 ms}
  - {name: c, congestion: reno, size: 1000001 B}
""",
    "slots and lost acks in a long pipe": """
duration: 3 s
path: {rate: 60 Mbit/s, rtt: 60 ms, buffer: 1 BDP, ack_loss: 1 %, ack_aggregation: 2 ms}
flows:
  - {name: a, congestion: cubic}
""",
    "slots as long as a round trip, ties everywhere": """
duration: 2 s
path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 30 packets, ack_aggregation: 20 ms, loss: 0.5 %}
flows:
  - {name: a, congestion: reno}
  - {name: b, congestion: cubic}
tcp: {quickacks: 0}
record: {interval: 5 ms}
""",
    "merged packets, marked and lost": """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 30 ms, buffer: 100 packets, loss: 0.2 %, ecn: {mark_above: 40 packets}}
flows:
  - {name: a, congestion: cubic, receiver: {gro: 8, gro_time: 5 ms}}
  - {name: b, congestion: bbr, receiver: {gro: 3}, ecn: true}
  - {name: c, congestion: dctcp, receiver: {gro: 4, gro_time: 50 ms}}
""",
}


@pytest.mark.parametrize("name", EQUAL)
def test_equality_holds_with(name: str) -> None:
    scenario = resolved(EQUAL[name])
    assert check(Example(scenario, (7 * MS, 1 * MS)), scenario) == ""


@pytest.mark.pure
def test_merged_packets_that_are_handed_on_too_late_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(
        monkeypatch,
        ReceivingSide.flush_before,
        "self.reception.due_ns < t_ns:",
        "self.reception.due_ns < t_ns - 2 * self.path.back_ns:",
    )
    scenario = resolved(EQUAL["merged packets, marked and lost"])
    assert is_difference(check(Example(scenario, (7 * MS,)), scenario))
