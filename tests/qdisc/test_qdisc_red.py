"""RED, what tc computes for it, and SFQ: their rules one by one, worked by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ccsim.net.qdisc import Draws, QdiscError, create
from ccsim.net.qdisc.red_tables import idle_table, slope, weight
from ccsim.net.qdisc.red_verdict import RedParms, reciprocal
from tests.qdisc.qdisc_rig import CE, ECT0, FULL, MS, Given, dropped, make, send, take, take_all

STAB = [0] * 255 + [31]
RAW: dict[str, Any] = {
    "limit": 60_000,
    "min": 3000,
    "max": 9000,
    "Wlog": 1,
    "Plog": 10,
    "avpkt": 1000,
    "bandwidth_Bps": 500_000,
    "flags": 0,
    "Scell_log": 10,
    "stab": STAB,
}
ECN, HARDDROP, ADAPTIVE, NODROP = 1, 2, 4, 8


def fill(flags: int, ecn: int, count: int = 20) -> Any:
    """Return a red whose average is above max: it halves the distance to the backlog each time."""
    red = make("red", *[0xFFFF_FFFF] * 30, **{**RAW, "flags": flags})
    send(red, 0, range(count), ecn=ecn)
    return red


def test_the_average_follows_the_backlog_that_a_packet_finds() -> None:
    red = make("red", 0, 0, 0, 0, **RAW)
    averages = []
    for number in range(4):
        send(red, 0, [number])
        averages.append(red.observe()["qavg"])
    # scaled by 2: 0 by idle time, then a + backlog - a/2
    assert averages == [0, 1514, 1514 + 3028 - 757, 3785 + 4542 - 1892]


def test_idle_time_begins_with_the_dequeue_that_finds_nothing() -> None:
    red = make("red", 0, 0, 0, **RAW)
    send(red, 0, [1])
    assert red.observe()["qidlestart"] == 0
    assert take(red, 5 * MS) == 1
    assert red.observe()["qidlestart"] == 0
    assert take(red, 8 * MS) is None
    assert take(red, 9 * MS) is None
    assert red.observe()["qidlestart"] == 8 * MS


def test_idle_time_shortens_the_average_by_the_table_or_at_most_by_half() -> None:
    for idle_us, left in ((100, 1000 - (1000 * 100 >> 10)), (1000, 500), (255 << 10, 0)):
        red = make("red", now=1, **RAW)
        red.vars.qavg = 1000  # type: ignore[attr-defined]
        send(red, 1 + 1000 * idle_us, [1])
        assert red.observe()["qavg"] == left


def test_above_max_every_packet_goes_and_what_bears_ce_counts_as_marked() -> None:
    assert fill(0, CE).observe()["forced_drop"] > 0
    red = fill(ECN, CE)
    assert red.observe()["forced_mark"] > 0
    assert dropped(red) == []


def test_harddrop_drops_above_max_also_what_could_be_marked() -> None:
    red = fill(ECN | HARDDROP, ECT0)
    state = red.observe()
    assert (state["forced_mark"], state["forced_drop"] > 0) == (0, True)
    assert state["prob_mark"] > 0


def test_nodrop_passes_what_cannot_be_marked() -> None:
    assert dropped(fill(ECN, 0)) != []
    red = fill(ECN | NODROP, 0)
    assert dropped(red) == []
    assert red.observe()["qlen"] == 20


def test_verdicts_differ_a_drop_is_congestion_a_full_queue_is_not() -> None:
    red = fill(0, 0)
    assert 2 in send(red, 0, [20])
    small = make("red", **{**RAW, "limit": 3000})
    assert send(small, 0, [1, 2]) == [0, 1]
    assert small.observe()["pdrop"] == 1


def test_a_change_empties_the_queue_and_forgets_the_average() -> None:
    red = fill(0, 0)
    dropped(red)
    inside = red.observe()["qlen"]
    red.change({**RAW, "flags": ADAPTIVE}, 9 * MS)
    state = red.observe()
    assert len(dropped(red)) == inside > 0
    assert (state["qlen"], state["qavg"], state["qcount"]) == (0, 0, -1)
    assert (state["qidlestart"], red.tick_ns) == (9 * MS, 509 * MS)


def test_adaptive_red_moves_its_probability_by_a_percent_or_a_tenth() -> None:
    one = 42_949_673
    red = make("red", **{**RAW, "flags": ADAPTIVE, "max_P": 8 * one})
    red.qidlestart = 0  # type: ignore[attr-defined]
    red.vars.qavg = 9000 << 1  # type: ignore[attr-defined]
    red.tick(red.tick_ns)
    assert red.observe()["max_P"] == 9 * one
    red.vars.qavg = 0  # type: ignore[attr-defined]
    red.tick(red.tick_ns)
    assert red.observe()["max_P"] == 9 * one // 10 * 9
    assert red.tick_ns == 1500 * MS


def test_the_probability_is_spread_over_the_thresholds_and_rounded_to_the_nearest() -> None:
    parms = RedParms(2, 12, 1, 10)  # 10 apart; targets 6 and 8
    for probability, divisor in ((34, 3), (35, 4), (4, 1), (0, 1)):
        parms.max_P = probability
        parms.adapt(7 << 1)  # in the middle: the probability stays
        assert (parms.max_P, parms.divisor) == (probability, divisor)


def test_the_targets_lie_two_and_three_fifths_of_the_way_up() -> None:
    assert (RedParms(2, 12, 1, 10).target_min, RedParms(2, 12, 1, 10).target_max) == (6, 8)


def test_a_division_by_multiplication_is_a_division() -> None:
    draw = random.Random(1)
    for _ in range(2000):
        divisor = draw.randrange(1, 1 << draw.randrange(1, 33))
        value = draw.randrange(1 << 32)
        m, sh1, sh2 = reciprocal(divisor)
        high = value * m >> 32
        assert (high + (value - high >> sh1)) >> sh2 == value // divisor


# --- tc ---


def test_tc_finds_the_weight_at_which_a_burst_passes() -> None:
    # 10 packets, min 3000, avpkt 1000: 10 + 1 - 3 = 8 <= (1 - (1-w)^10)/w first at w = 1/32:
    # (1 - 0.2631)/0.125 = 5.90, (1 - 0.5245)/0.0625 = 7.61, (1 - 0.7280)/0.03125 = 8.70
    assert weight("red", 3000, 10, 1000) == 5
    # least 1, where already (1 - 1/2)/(1/2) suffices
    assert weight("red", 10_000, 10, 1000) == 1


def test_tc_finds_the_slope() -> None:
    # 2 % over 60,000 bytes: 3.33e-7 * 2^22 = 1.398 is the first above 1
    assert slope("red", 30_000, 90_000, 0.02) == 22


def test_tc_damps_idle_time() -> None:
    # 1000 bytes at 500,000 byte/s: 2000 us; W = 1/2: one bit each 2000 us; 62,000 us of 31 bits in
    # cells below 512: 2^7 = 128 us
    scell_log, stab = idle_table(1, 1000, 500_000)
    assert scell_log == 7
    assert stab[:3] == (0, 0, 0)
    assert (stab[15], stab[16], stab[250], stab[255]) == (0, 1, 16, 31)


def test_a_person_says_little_and_tc_the_rest() -> None:
    red = create("red", {"limit": "60 kB", "ecn": True}, 0, Draws(1))
    state = red.observe()
    # max = 60,000/4, min = a third of it; burst (2*5000 + 15,000)//3000 = 8 packets
    assert (state["Wlog"], state["flags"]) == (3, ECN)  # 4 <= (1 - 0.3436)/0.125 = 5.25
    assert (state["qth_min"] >> 3, state["qth_max"] >> 3) == (5000, 15_000)
    assert state["max_P"] == 85_899_346  # 2 % of 2^32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "red: expected limit, the bytes that fit, got none"),
        ({"limit": "9 kB", "min": "3 kB", "max": "2 kB"}, "min: expected at most max, 2000 bytes"),
        ({"limit": "60 kB", "nodrop": True}, "nodrop: expected ecn beside it"),
        ({"limit": "60 kB", "burst": 2}, "burst: expected at least 5 packets, min over avpkt"),
        ({"limit": "60 kB", "probability": 0}, "probability: expected more than 2.33e-06"),
        ({"limit": "60 kB", "Wlog": 3}, "expected one of its parameters"),
    ],
)
def test_a_red_that_tc_refuses_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QdiscError) as error:
        create("red", values, 0, Draws(1))
    assert message in str(error.value)


# --- SFQ ---


def sfq(*draws: int, **raw: Any) -> Any:
    """Return an sfq whose keys are 0 unless given."""
    return make("sfq", *(draws or (0, 0)), **raw)


def bucket(hash: int, divisor: int = 1024) -> int:
    mixed = hash * 0x9E37_79B1 & 0xFFFF_FFFF
    return (mixed ^ mixed >> 15) & divisor - 1


def test_flows_take_turns_of_a_quantum() -> None:
    queue = sfq()
    send(queue, 0, [1, 2, 3], hash=1)
    send(queue, 0, [11, 12], hash=2)
    send(queue, 0, [21, 22, 23], size=500, hash=3)
    # three packets of 500 bytes leave 14 of the quantum, but the flow is empty then
    assert take_all(queue, 0) == [1, 11, 21, 22, 23, 2, 12, 3]


def test_a_full_queue_drops_the_last_packet_of_the_fullest_flow() -> None:
    queue = sfq(limit=4)
    send(queue, 0, [1, 2, 3], hash=1)
    send(queue, 0, [11], hash=2)
    assert send(queue, 0, [12], hash=2) == [0]
    assert dropped(queue) == [3]
    assert send(queue, 0, [13], hash=2) == [2]
    assert dropped(queue) == [13]


def test_with_headdrop_it_is_the_first_one() -> None:
    queue = sfq(limit=4, headdrop=1)
    send(queue, 0, [1, 2, 3, 4], hash=1)
    assert send(queue, 0, [5], hash=1) == [2]
    assert dropped(queue) == [1]


def test_a_flow_holds_depth_packets_and_with_headdrop_keeps_the_newest() -> None:
    queue = sfq(depth=2)
    assert send(queue, 0, [1, 2, 3], hash=1) == [0, 0, 1]
    queue = sfq(depth=2, headdrop=1)
    assert send(queue, 0, [1, 2], hash=1) == [0, 0]
    assert send(queue, 0, [3], size=100, hash=1) == [2]
    assert dropped(queue) == [1]
    assert queue.backlog == FULL + 100
    assert take_all(queue, 0) == [2, 3]


def test_when_all_slots_are_taken_a_new_flow_is_refused() -> None:
    queue = sfq(flows=2)
    hashes = [h for h in range(1, 50) if bucket(h) != bucket(1)]
    assert send(queue, 0, [1], hash=1) + send(queue, 0, [2], hash=hashes[0]) == [0, 0]
    third = next(h for h in hashes if bucket(h) != bucket(hashes[0]))
    assert send(queue, 0, [3], hash=third) == [1]


def test_a_new_key_moves_flows_and_comes_at_the_period() -> None:
    queue = sfq(0, 0, 0, 0, 12345, 6, perturb_s=1, now=250 * MS)
    send(queue, 250 * MS, [1, 2], hash=1)
    before = [k for k in queue.observe() if k.endswith(".hash")]
    assert queue.tick_ns == 1250 * MS
    old = queue.observe()[before[0]]
    queue.tick(1250 * MS)
    assert (queue.tick_ns, queue.key0) == (2250 * MS, 12345)
    new = [v for k, v in queue.observe().items() if k.endswith(".hash")]
    assert bucket(1 ^ 12345) in new
    assert old == bucket(1)
    assert take_all(queue, 1250 * MS) == [1, 2]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, {"limit": 127, "maxflows": 128}),
        ({"limit": 50}, {"limit": 50, "maxflows": 50}),
        ({"depth": 3, "flows": 4, "limit": 50}, {"limit": 12, "maxflows": 4}),
        ({"divisor": 64}, {"maxflows": 64, "divisor": 64}),
        ({"depth": 500}, {"maxdepth": 127}),
        ({"quantum": 100}, {"quantum": 256}),
    ],
)
def test_parameters_bound_one_another(raw: dict[str, int], expected: dict[str, int]) -> None:
    state = sfq(**raw).observe()
    assert {name: state[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"limit": 1}, "sfq: limit: expected at least 2 packets"),
        ({"divisor": 48}, "sfq: divisor: expected a power of two, got 48"),
        ({"min": 1000}, "sfq: min: expected redflowlimit beside it"),
        ({"red_max": 1000, "red_min": 10}, "sfq: expected Wlog beside red_max"),
    ],
)
def test_an_sfq_that_linux_refuses_is_refused(raw: dict[str, int], message: str) -> None:
    with pytest.raises(QdiscError, match=message):
        sfq(**raw)


def test_an_sfq_cannot_be_changed() -> None:
    with pytest.raises(QdiscError, match="expected no change while in use"):
        sfq().change({"limit": 10}, 0)


def test_red_watches_each_flow_of_an_sfq_by_itself() -> None:
    red = {"redflowlimit": "40 kB", "min": "2 kB", "max": "6 kB", "avpkt": "500 B", "ecn": True}
    queue = create("sfq", red, 0, Given(*[0] * 20))
    send(queue, 0, range(1, 20), hash=1, ecn=ECT0)
    send(queue, 0, [30], hash=2, ecn=ECT0)
    state = queue.observe()
    averages = {state[name] for name in state if name.endswith("qavg")}
    assert state["forced_mark"] + state["prob_mark"] > 0
    assert 0 in averages
    assert max(averages) > 2000


def test_a_red_with_a_limit_of_nothing_has_no_queue_and_drops_all() -> None:
    """Linux has noop in place of the inner queue; its verdict is congestion."""
    red = make("red", 0, **{**RAW, "limit": 0})
    assert send(red, 0, [1, 2]) == [2, 2]
    assert (dropped(red), red.observe()["pdrop"]) == ([1, 2], 2)


def test_a_change_to_a_limit_of_nothing_keeps_the_queue_and_what_is_in_it() -> None:
    red = make("red", *[0] * 9, **{**RAW, "limit": 4000})
    send(red, 0, [1, 2])
    red.change({**RAW, "limit": 0}, MS)
    assert dropped(red) == []
    assert send(red, MS, [3]) == [1]
    assert take_all(red, MS) == [1, 2]


def test_a_greatest_average_of_nothing_is_taken_as_it_is() -> None:
    red = make("red", *[0] * 9, **{**RAW, "min": 0, "max": 0, "flags": 0})
    assert send(red, 0, [1]) == [2]
