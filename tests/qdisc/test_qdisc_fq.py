"""fq, DualPI2 and the FIFOs: their rules one by one, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.net.qdisc import Draws, QdiscError, create
from tests.qdisc.qdisc_rig import (
    CE,
    ECT0,
    ECT1,
    FULL,
    MS,
    NOT_ECT,
    US,
    dropped,
    make,
    packet,
    send,
    take,
    take_all,
)

PACE = {"sk": 1, "pacing_rate": 1_250_000}


def test_the_first_burst_of_a_paced_socket_is_eighteen_packets_then_pairs() -> None:
    fq = make("fq")
    send(fq, 0, range(1, 25), **PACE)
    assert take_all(fq, 0) == list(range(1, 19))  # 8 by the fast path, 10 by the initial quantum
    assert fq.wake_ns == 2_422_400  # 3028 bytes at 1,250,000 byte/s
    assert take_all(fq, 2_422_399) == []
    assert [take_all(fq, t) for t in (2_422_400, 4_844_800, 7_267_200)] == [
        [19, 20],
        [21, 22],
        [23, 24],
    ]


def test_a_late_timer_is_made_up_for_by_at_most_half_a_gap() -> None:
    fq = make("fq", quantum=1514, initial_quantum=1514)
    send(fq, 0, range(1, 30), **PACE)
    take_all(fq, 0)
    gap = 1_211_200  # 1514 bytes
    assert len(take_all(fq, gap + 100)) == 1
    assert fq.wake_ns == gap + 100 + gap - 100
    assert len(take_all(fq, 4 * gap)) == 1
    assert fq.wake_ns == 4 * gap + gap // 2


def test_a_slow_flow_is_paced_packet_by_packet() -> None:
    fq = make("fq", initial_quantum=1514)
    send(fq, 0, range(1, 14), sk=1, pacing_rate=62_500)
    assert take_all(fq, 0) == list(range(1, 10))  # the fast path, and one by the initial quantum
    assert fq.wake_ns == 1514 * 16 * US


def test_a_departure_time_holds_a_packet_and_the_horizon_refuses_it() -> None:
    fq = make("fq")
    send(fq, 0, [1], tstamp=5 * MS, sk=1)
    assert take(fq, 0) is None
    assert fq.wake_ns == 5 * MS
    assert take(fq, 5 * MS) == 1
    assert send(fq, 0, [2], tstamp=10_000 * MS + 1, sk=1) == [1]
    capped = make("fq", horizon_drop=0, horizon_us=1000)
    assert send(capped, 0, [3], tstamp=99 * MS, sk=1) == [0]
    take(capped, 0)
    assert capped.wake_ns == 1 * MS


def test_packets_of_a_flow_leave_by_their_times_first_come_first_if_equal() -> None:
    fq = make("fq")
    for number, t in enumerate((5, 3, 5, 3, 4)):
        send(fq, 0, [number], tstamp=t * MS, sk=1)
    assert take_all(fq, 5 * MS) == [1, 3, 4, 0, 2]


def test_a_band_has_a_limit_and_a_flow_another() -> None:
    fq = make("fq", limit=3, flow_limit=2)
    send(fq, 0, range(8), sk=1)  # the fast path does not count
    assert send(fq, 0, [11, 12, 13], sk=1) == [0, 0, 1]
    assert send(fq, 0, [21, 22], sk=2) == [0, 1]
    state = fq.observe()
    assert (state["stat_flows_plimit"], state["b1.drops"]) == (1, 1)


def test_bands_share_by_their_weights_and_priority_six_is_the_first() -> None:
    fq = make("fq", weights=(30_000, 20_000, 10_000), pacing=0, flow_limit=1000)
    send(fq, 0, range(8), sk=9)
    for k, priority in enumerate((2, 0, 6)):
        send(fq, 0, range(1000 * (k + 1), 1000 * (k + 1) + 900), sk=k + 1, priority=priority)
    taken = [take(fq, 0) for _ in range(8 + 600)][8:]
    shares = [sum(1 for n in taken if n and n // 1000 == k) for k in (3, 2, 1)]
    assert shares == pytest.approx([300, 200, 100], abs=20)


def test_packets_without_socket_are_told_apart_by_their_hash_and_the_mask() -> None:
    fq = make("fq", orphan_mask=3)
    send(fq, 0, range(8), hash=1)
    send(fq, 0, [8, 9, 10], hash=1)
    send(fq, 0, [11], hash=5)  # the same under the mask
    send(fq, 0, [12], hash=2)
    state = fq.observe()
    assert (state["f1001.qlen"], state["f1002.qlen"], state["flows"]) == (4, 1, 2)


def test_a_socket_is_paced_at_the_rate_it_has_when_a_packet_leaves() -> None:
    fq = make("fq", quantum=1514, initial_quantum=1514)
    send(fq, 0, range(1, 12), sk=1, pacing_rate=1_250_000)
    send(fq, 0, [12], sk=1, pacing_rate=125_000)
    take_all(fq, 0)
    assert fq.wake_ns == 12_112_000


def test_a_packet_that_leaves_late_is_marked_and_counted_even_if_it_cannot_be() -> None:
    fq = make("fq", ce_threshold_us=100)
    send(fq, 0, range(8), sk=1)
    send(fq, 0, [9], sk=1, ecn=ECT0)
    send(fq, 0, [10], sk=1)
    left = [fq.dequeue(100 * US + 1) for _ in range(10)]
    assert left[8] is not None
    assert left[8].ecn == CE
    assert fq.observe()["stat_ce_mark"] == 2


# --- DualPI2 ---


def test_ect1_and_ce_go_to_the_l_queue_which_is_served_first() -> None:
    queue = make("dualpi2")
    send(queue, 0, [1], ecn=ECT0)
    send(queue, 0, [2], ecn=ECT1)
    send(queue, 0, [3], ecn=CE)
    send(queue, 0, [4], ecn=NOT_ECT)
    queue.prob = 0  # type: ignore[attr-defined]
    assert queue.observe()["l_qlen"] == 2
    queue.draws = Draws(1)
    assert take_all(queue, 0) == [2, 3, 1, 4]


def test_the_classic_queue_gets_its_share_while_l_is_busy() -> None:
    queue = make("dualpi2")
    queue.draws = Draws(1)
    send(queue, 0, range(1000), ecn=ECT1)
    send(queue, 0, range(1000, 2000), ecn=ECT0)
    taken = [take(queue, 0) for _ in range(1000)]
    assert sum(1 for n in taken if n is not None and n >= 1000) == pytest.approx(100, abs=10)


def test_an_l_packet_that_waited_beyond_the_step_is_marked_or_dropped_if_not_ect() -> None:
    queue = make("dualpi2")
    send(queue, 0, [1], ecn=ECT1)
    first = queue.dequeue(1000 * US)
    send(queue, 0, [2], ecn=ECT1)
    second = queue.dequeue(1000 * US + 1)
    assert first is not None
    assert second is not None
    assert (first.ecn, second.ecn) == (ECT1, CE)
    send(queue, 0, [3], priority=1 << 16 | 1)  # the L queue's class, but Not-ECT
    assert take(queue, 2 * MS) is None
    assert queue.observe()["l_drops"] == 1


def test_the_probability_moves_every_sixteen_milliseconds_by_alpha_and_beta() -> None:
    queue = make("dualpi2", now=3 * MS)
    assert queue.tick_ns == 19 * MS
    send(queue, 3 * MS, [1], ecn=ECT0)
    queue.tick(19 * MS)
    # 16 ms of delay: alpha 44, beta 879 of 2^-38 or so: (1e6 * 44 + 16e6 * 879) / 64
    assert queue.observe()["prob"] == (1_000_000 * 44 + 16_000_000 * 879) >> 6
    assert queue.tick_ns == 35 * MS


def test_l_packets_are_marked_at_the_coupled_probability_and_classic_ones_at_the_square() -> None:
    half = 1 << 30  # a quarter of 2^32: L at a half
    queue = make("dualpi2", 2 * half, 2 * half + 1, half, half, half, half + 1)
    for number, ecn in enumerate((ECT1, ECT1, ECT0, ECT0), 1):
        send(queue, 0, [number], ecn=ecn)
    send(queue, 0, [5, 6], ecn=ECT0)
    queue.prob = half  # type: ignore[attr-defined]
    left = [queue.dequeue(0) for _ in range(4)]
    # the draws: one for each L packet, two for each classic one whose first one hits
    assert [p.ecn for p in left if p is not None] == [CE, ECT1, CE, ECT0]


def test_a_limit_brings_its_memory_limit_unless_that_is_given() -> None:
    assert make("dualpi2", limit=20).observe()["memory_limit"] == 60_560
    assert make("dualpi2", limit=20, memory_limit=999).observe()["memory_limit"] == 999


def test_the_protection_of_the_classic_queue_is_said_in_percent() -> None:
    queue = create("dualpi2", {"c_protection": "25 %"}, 0, Draws(1))
    state = queue.observe()
    assert (state["wc"], state["wl"], state["credit_init"]) == (25, 75, -1514 * 50)


def test_a_lower_limit_drops_from_the_classic_queue_then_from_l() -> None:
    queue = make("dualpi2")
    send(queue, 0, [1, 2], ecn=ECT1)
    send(queue, 0, [3, 4], ecn=ECT0)
    queue.change({"limit": 1}, 0)
    assert dropped(queue) == [3, 4, 1]
    assert (queue.qlen, queue.backlog) == (1, FULL)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step_thresh": "1 ms", "step_thresh_pkts": 3}, "one of step_thresh and step_thresh_pkts"),
        ({"ecn_mask": 2}, "ecn_mask: expected 1 or 3, got 2"),
        (
            {"c_protection": "101 %"},
            r"c_protection: expected a probability from 0 to 1 .* got \"101 %",
        ),
        ({"c_protection": "0.5 %"}, "c_protection: expected a whole number of percent"),
        ({"coupling": 0}, "coupling: expected 1 to 255, got 0"),
        ({"target": "1.5 us"}, "target: expected a whole number of microseconds, got 1500 ns"),
    ],
)
def test_a_dualpi2_that_linux_refuses_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QdiscError, match=message):
        create("dualpi2", values, 0, Draws(1))


# --- FIFOs ---


def test_a_fifo_refuses_what_exceeds_its_packets_or_bytes() -> None:
    assert send(make("pfifo", limit=2), 0, [1, 2, 3]) == [0, 0, 1]
    bfifo = make("bfifo", limit=2 * FULL)
    assert send(bfifo, 0, [1, 2, 3]) == [0, 0, 1]
    take(bfifo, 0)
    assert send(bfifo, 0, [4], size=FULL + 1) + send(bfifo, 0, [5]) == [1, 0]


def test_a_fifo_that_drops_its_head_takes_every_packet() -> None:
    queue = make("pfifo_head_drop", limit=2)
    assert send(queue, 0, [1, 2, 3]) == [0, 0, 2]
    assert dropped(queue) == [1]
    assert take_all(queue, 0) == [2, 3]


def test_the_defaults_are_those_of_linux() -> None:
    assert make("pfifo").observe()["limit"] == 1000
    assert make("bfifo").observe()["limit"] == 1_514_000


def test_a_copy_of_a_packet_has_all_of_it_but_the_number() -> None:
    original = packet(1, 99, ECT0, sk=3, hash=7, dscp=46, flow=5, pacing_rate=8, srchost=4)
    twin = original.copy(2)
    apart = {n for n in type(original).__slots__ if getattr(twin, n) != getattr(original, n)}
    assert apart == {"number"}
