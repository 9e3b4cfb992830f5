"""netem and CAKE: their rules one by one, worked by hand, and published or derived results."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any

import pytest

from ccsim.net.qdisc import Draws, create
from ccsim.net.qdisc.cake_ack_filter import TcpAck, superseded
from ccsim.net.qdisc.cake_tins import TIN_OF_DSCP, rate_of, share_rates
from ccsim.net.qdisc.netem_random import CorrelatedDraws, LossModel, delay_of
from ccsim.net.qdisc.netem_tables import DISTRIBUTIONS, distribution
from tests.qdisc.qdisc_rig import (
    CE,
    ECT0,
    MS,
    US,
    Given,
    dropped,
    make,
    packet,
    send,
    take,
    take_all,
)

U32 = 0xFFFF_FFFF


def test_a_packet_stays_for_the_delay() -> None:
    netem = make("netem", 0, delay_ns=20 * MS)
    send(netem, 0, [1])
    send(netem, 5 * MS, [2])
    assert take(netem, 20 * MS - 1) is None
    assert netem.wake_ns == 20 * MS
    assert take_all(netem, 20 * MS) == [1]
    assert netem.wake_ns == 25 * MS


def test_jitter_is_uniform_from_below_to_above_and_may_reorder() -> None:
    netem = make("netem", 0, 3 * MS, 0, delay_ns=20 * MS, jitter_ns=4 * MS)
    send(netem, 0, [1, 2])
    # 3 ms of 0..8 ms: 20 + 3 - 4 = 19 ms; 0: 16 ms
    assert take_all(netem, 16 * MS) == [2]
    assert netem.wake_ns == 19 * MS


def test_with_a_rate_jitter_does_not_reorder_and_a_packet_takes_its_length() -> None:
    netem = make("netem", 0, 3 * MS, 0, delay_ns=20 * MS, jitter_ns=4 * MS, rate_Bps=250_000)
    send(netem, 0, [1, 2])
    assert take_all(netem, 19 * MS + 6056 * US) == [1]
    assert netem.wake_ns == 19 * MS + 2 * 6056 * US


def test_a_rate_counts_whole_cells() -> None:
    raw = {"rate_Bps": 1_000_000, "packet_overhead": 20, "cell_size": 48, "cell_overhead": 5}
    netem = make("netem", 0, **raw)
    send(netem, 0, [1], size=100)
    take(netem, 0)
    assert netem.wake_ns == 3 * 53 * US  # 120 bytes are 3 cells


def test_every_gap_th_packet_overtakes() -> None:
    netem = make("netem", 0, delay_ns=20 * MS, gap=3)
    # gap alone is a reorder of 2^32 - 1: no correlated draw can exceed it
    netem.draws = Draws(1)
    send(netem, 0, range(1, 7))
    assert take_all(netem, 0) == [6, 3]  # the last to overtake is the first
    assert netem.observe()["requeues"] == 2
    assert take_all(netem, 20 * MS) == [1, 2, 4, 5]


def test_a_copy_enters_before_its_packet_and_is_not_doubled_again() -> None:
    netem = make("netem", 0, 5, 6, duplicate=U32)
    assert send(netem, 0, [1, 2]) == [0, 0]
    assert take_all(netem, 0) == [1_000_001, 1, 1_000_002, 2]


def test_a_doubled_packet_that_is_lost_leaves_one_and_counts_no_drop() -> None:
    netem = make("netem", 0, 5, 0, duplicate=U32, loss=1)
    assert send(netem, 0, [1]) == [0]
    assert take_all(netem, 0) == [1]
    assert netem.observe()["drops"] == 0


def test_a_packet_lost_is_not_told_to_the_sender_and_with_ecn_marked_instead() -> None:
    netem = make("netem", 0, 0, loss=1)
    assert send(netem, 0, [1]) == [0x20000]
    netem = make("netem", 0, 0, 0, loss=1, ecn=1)
    assert send(netem, 0, [1], ecn=ECT0) + send(netem, 0, [2]) == [0, 0x20000]
    left = netem.dequeue(0)
    assert left is not None
    assert (left.ecn, netem.observe()["drops"]) == (CE, 2)


def test_a_full_netem_drops_the_packet_and_its_copy() -> None:
    netem = make("netem", 0, 5, 6, duplicate=U32, limit=2)
    assert send(netem, 0, [1, 2]) == [0, 1]
    assert dropped(netem) == [2, 1_000_002]


def test_slots_release_what_is_due_in_batches() -> None:
    netem = make("netem", 0, 0, 0, 0, slot=[10 * MS, 10 * MS, 2, 0, 0, 0], now=1 * MS)
    send(netem, 1 * MS, range(1, 6))
    assert [take_all(netem, 1 * MS), netem.wake_ns] == [[1, 2], 11 * MS]
    assert [take_all(netem, 11 * MS), netem.wake_ns] == [[3, 4], 21 * MS]


def test_a_change_resets_what_it_does_not_give_but_for_what_linux_keeps() -> None:
    netem = make("netem", 0, 7, delay_ns=5, loss=1, reorder=9, reorder_corr=3, rate_Bps=8, ecn=1)
    netem.change({"limit": 3}, 0)
    state = netem.observe()
    assert (state["latency"], state["loss"], state["limit"]) == (0, 0, 3)
    assert (state["reorder"], state["rate"], state["ecn"]) == (9, 8, 1)


def test_correlation_keeps_part_of_the_last_number() -> None:
    draws = CorrelatedDraws()
    draws.start((1 << 31) - 1, Given(1000))  # a half
    assert [draws.draw(Given(n)) for n in (3000, 0, 0)] == [2000, 1000, 500]


def test_a_delay_from_a_table_is_scaled_and_rounded_away_from_zero() -> None:
    table = (8192, -8192, 4096, -1)
    found = [delay_of(1000, 100, None, table, Given(k)) for k in range(4)]
    assert found == [1100, 900, 1050, 1000]
    assert delay_of(0, 3 * 8192 + 5, None, (-8192,), Given(0)) == -(3 * 8192 + 5)


@pytest.mark.parametrize("name", DISTRIBUTIONS[1:])
def test_a_distribution_has_mean_0_and_deviation_1_or_less_where_its_tail_is_cut(name: str) -> None:
    table = distribution(name)
    mean = sum(table) / len(table) / 8192
    deviation = (sum(v * v for v in table) / len(table)) ** 0.5 / 8192
    assert abs(mean) < 0.025
    assert {"normal": 0.99, "pareto": 0.7, "paretonormal": 0.6}[name] < deviation <= 1.001
    assert list(table) == sorted(table)


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ((85_899_346, 858_993_459, 1_288_490_189, 4_294_967), 0.06454),
        ((128_849_019, 1_073_741_824, 0, 0), 0.10714),
    ],
)
def test_gilbert_elliott_loses_what_its_chain_says(model: tuple[int, ...], loss: float) -> None:
    chain, draws = LossModel(), Draws(7)
    chain.gemodel(*model)
    lost = [chain.loses(draws) for _ in range(400_000)]
    assert sum(lost) / len(lost) == pytest.approx(loss, abs=0.003)
    starts = sum(1 for a, b in pairwise(lost) if b and not a)
    if model[2] == 0:  # the simple model: bursts of 1/r
        assert sum(lost) / starts == pytest.approx(4.0, abs=0.1)


def test_the_chain_of_four_states_loses_on_the_way() -> None:
    chain = LossModel()
    chain.gimodel(100, 50, 20, 10, 5)
    draws = Given(9, 500, 109, 30, 60, 200, 19, 5, 4)
    found = [chain.loses(draws) for _ in range(9)]
    # 9 < p14: lost alone; back; 109 < p13 + p14: a burst begins; 30 < p32 + p31: it ends;
    # 60: another; 200: goes on; 19 < p32: passes within; 5 >= p23: passes; 4 < p23: lost again
    assert found == [True, False, True, False, True, True, False, False, True]


# --- CAKE ---


def test_hosts_get_equal_shares_whatever_their_number_of_flows() -> None:
    for mode, shares in (
        ("triple-isolate", (1.25, 5.0)),
        ("flows", (2.0, 2.0)),
        ("dual-srchost", (1.25, 5.0)),
    ):
        assert _shares(mode) == pytest.approx([shares[0]] * 4 + [shares[1]], rel=0.02)


def _shares(mode: str) -> list[float]:
    """Keep queues of five streams full at 10 Mbit/s, four of one host; return each one's rate."""
    cake = create("cake", {"bandwidth": "10 Mbit/s", "flow_mode": mode}, 0, Draws(3))
    hosts = [(111, 222)] * 4 + [(333, 444)]
    sent = [0] * 5
    now, number = 0, 0
    inside = [0] * 5
    while now < 4_000 * MS:
        for flow in range(5):
            while inside[flow] < 20:
                number += 1
                source, sink = hosts[flow]
                one = packet(number, hash=flow * 77 + 5, flow=flow, srchost=source, dsthost=sink)
                cake.enqueue(one, now)
                inside[flow] += 1
        left = cake.dequeue(now)
        for gone in (*cake.dropped, *((left,) if left else ())):
            inside[gone.flow] -= 1
        cake.dropped.clear()
        if left is None:
            now = cake.wake_ns
        elif now >= 1_000 * MS:
            sent[left.flow] += left.len
    return [8 * total / 3e6 for total in sent]


def test_dscps_go_to_their_tins() -> None:
    assert [TIN_OF_DSCP[0][dscp] for dscp in (0, 8, 46, 34, 56)] == [0, 1, 2, 0, 2]
    assert [TIN_OF_DSCP[1][dscp] for dscp in (0, 8, 46, 34, 16, 32)] == [0, 1, 3, 2, 2, 3]
    assert [TIN_OF_DSCP[4][dscp] for dscp in (0, 8, 46, 63)] == [0, 1, 5, 7]


def test_rates_are_shared_among_tins() -> None:
    assert share_rates(0, 1600) == [(1600, 1024), (100, 64), (400, 256)]
    assert [quantum for _, quantum in share_rates(2, 0)] == [256, 224, 196, 171, 149, 130, 113, 98]
    assert rate_of(500_000) == (16_777_216_000, 23)
    assert rate_of(0) == (0, 0)


def test_the_shaper_spaces_packets_and_asks_to_be_woken() -> None:
    cake = make("cake", 0, 0, 0, bandwidth_Bps=500_000, diffserv=3)
    send(cake, 0, [1, 2, 3])
    assert [take(cake, 0), take(cake, 0)] == [1, None]
    assert cake.wake_ns == 1514 * 2 * US


def test_an_overflow_drops_from_the_longest_queue() -> None:
    cake = make("cake", *[0] * 9, memlimit=6 * 2304, diffserv=3)
    send(cake, 0, [1, 2, 3, 4], hash=1)
    assert send(cake, 0, [11, 12, 13], hash=2) == [0, 0, 0]
    assert dropped(cake) == [1]
    assert send(cake, 0, [14], hash=2) == [2]
    assert dropped(cake) == [11]


def ack(number: int, ack: int, flags: int = 1, **fields: Any) -> Any:
    header = TcpAck(flags, ack, 5, 5, tuple(fields.pop("sack", ())), fields.pop("payload", 0))
    for name in ("tsval", "tsecr"):
        setattr(header, name, fields.pop(name, 5))
    return packet(number, 66, tcp=header, flow=1, **fields)


def filtered(mode: int, *packets: Any) -> int | None:
    found = superseded(deque(packets), mode)
    return None if found is None else found.number


def test_the_filter_wants_two_older_acks_and_drops_the_first() -> None:
    assert filtered(1, ack(1, 100), ack(2, 200)) is None
    assert filtered(1, ack(1, 100), ack(2, 200), ack(3, 300)) == 1
    assert filtered(2, ack(1, 100), ack(2, 200)) == 1


@pytest.mark.parametrize(
    "first",
    [
        ack(1, 100, flags=1 | 8),  # PSH
        ack(1, 100, payload=10),
        ack(1, 300),  # acknowledges more
        ack(1, 200),  # a duplicate ACK
        ack(1, 100, tsval=6),
        ack(1, 100, sack=((150, 160),)),  # which the newer one does not have
        packet(1, 66, flow=1),
    ],
)
def test_an_ack_that_says_more_stays(first: Any) -> None:
    assert filtered(2, first, ack(2, 200)) is None


def test_sack_blocks_are_compared() -> None:
    old = ack(1, 100, sack=((150, 160),))
    assert filtered(2, old, ack(2, 100, sack=((150, 170),))) == 1
    assert filtered(2, old, ack(2, 100, sack=((150, 160),))) is None  # the same, a duplicate
    assert (
        filtered(2, ack(1, 100, sack=((50, 60),)), ack(2, 200, sack=((50, 60),))) is None
    )  # DSACK


def test_ecn_flags_of_neighbours_must_agree() -> None:
    assert filtered(2, ack(1, 100, flags=1 | 2), ack(2, 200)) is None
    assert filtered(1, ack(1, 100, flags=1 | 2), ack(2, 200), ack(3, 300)) is None
