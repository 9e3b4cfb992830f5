"""CoDel and FQ-CoDel: their rules one by one, worked by hand."""

from __future__ import annotations

import pytest

from ccsim.net.qdisc.codel import CodelFlow
from tests.qdisc.qdisc_rig import CE, ECT0, FULL, MS, US, dropped, make, send, take, take_all

S = 1000 * MS


def test_the_drops_of_twenty_packets_that_wait() -> None:
    codel = make("codel")
    send(codel, 0, range(1, 21), size=1000)
    assert [take(codel, t * MS) for t in (10, 210, 210, 420)] == [1, 3, 4, 8]
    # 10 ms is above the target, so 110 ms is when an interval is over; at 210 ms the first drop,
    # at 310 + 50 = 360 and 416.3 two more are due by 420, with 2 dropped at 210
    assert dropped(codel) == [2, 5, 6, 7]
    assert codel.observe()["drop_next"] * 1024 // US in range(465_000, 465_200)


ROOTS = [65535, 32769, 36864, 31968, 28935, 26481, 24588, 23037, 21746, 20647]
GAPS = [97654, 48829, 54931, 47635, 43116, 39459, 36638, 34327, 32403, 30766]


def test_the_root_comes_from_one_newton_step_a_drop() -> None:
    flow = CodelFlow()
    flow.count, flow.rec_inv_sqrt = 1, 65535
    found = [flow.rec_inv_sqrt]
    for count in range(2, 17):
        flow.count = count
        flow.newton()
        found.append(flow.rec_inv_sqrt)
    assert found[:10] == ROOTS
    assert found[15] == 16360
    assert [97656 * (root << 16) >> 32 for root in found[:10]] == GAPS


def test_what_is_one_full_packet_behind_is_never_above_the_target() -> None:
    codel = make("codel")
    send(codel, 0, [1, 2], size=FULL)
    assert take(codel, 500 * MS) == 1  # 1514 bytes left
    assert codel.observe()["first_above_time"] == 0


def test_a_packet_is_judged_by_the_bytes_behind_it_and_the_mtu_not_the_largest_packet() -> None:
    codel = make("codel")
    send(codel, 0, [1, 2, 3], size=800)
    assert take(codel, 500 * MS) == 1  # 1600 bytes left
    assert codel.observe()["first_above_time"] != 0


def test_a_mark_ends_the_dropping_of_a_call_and_the_packet_leaves() -> None:
    codel = make("codel", ecn=1)
    send(codel, 0, range(1, 21), ecn=ECT0)
    assert [take(codel, t * MS) for t in (10, 210, 420, 420)] == [1, 2, 3, 4]
    assert dropped(codel) == []
    state = codel.observe()
    assert (state["ecn_mark"], state["count"]) == (3, 3)


def test_a_packet_that_bears_ce_counts_as_marked() -> None:
    codel = make("codel", ecn=1)
    send(codel, 0, range(1, 21), ecn=CE)
    left = [codel.dequeue(t * MS) for t in (10, 210)]
    assert [packet.marked for packet in left if packet is not None] == [False, False]
    assert codel.observe()["ecn_mark"] == 1


def test_above_the_threshold_packets_are_marked_whatever_the_state() -> None:
    codel = make("codel", ce_threshold_us=1000)
    send(codel, 0, [1, 2], ecn=ECT0)
    # 1000 us are 976 units of 1024 ns: 999,424 ns; the wait must be longer
    first, second = codel.dequeue(976 * 1024), codel.dequeue(977 * 1024)
    assert first is not None
    assert second is not None
    assert (first.ecn, second.ecn) == (ECT0, CE)


def test_the_clock_wraps_after_4398_seconds() -> None:
    wrap = 1024 << 32
    codel = make("codel", now=wrap - 50 * MS)
    send(codel, wrap - 50 * MS, range(1, 21), size=1000)
    assert [take(codel, wrap + t * MS) for t in (-40, 160, 160, 370)] == [1, 3, 4, 8]


def test_an_empty_queue_ends_the_dropping_state() -> None:
    codel = make("codel")
    send(codel, 0, range(1, 21), size=1000)
    take(codel, 10 * MS)
    take_all(codel, 210 * MS)
    assert codel.observe()["dropping"] == 0
    assert codel.observe()["first_above_time"] == 0


def test_a_lower_limit_takes_packets_from_the_head() -> None:
    codel = make("codel")
    send(codel, 0, range(1, 6))
    codel.change({"limit": 2}, 0)
    assert dropped(codel) == [1, 2, 3]
    assert codel.observe()["drops"] == 3
    assert send(codel, 0, [6]) == [1]
    assert codel.observe()["drop_overlimit"] == 1


# --- FQ-CoDel ---

ONE, TWO = 0, 1 << 31  # hashes of different flows


def test_a_new_flow_is_served_before_old_ones_and_gets_a_quantum() -> None:
    fq_codel = make("fq_codel", flows=2)
    send(fq_codel, 0, [1, 2, 3], hash=ONE)
    assert take(fq_codel, 0) == 1
    send(fq_codel, 0, [11, 12], hash=TWO)
    # flow 1 has used its 1514 bytes, so it goes to the old flows; flow 2 is new
    assert [take(fq_codel, 0) for _ in range(4)] == [11, 2, 12, 3]


def test_a_new_flow_that_is_empty_waits_among_the_old_ones_if_there_are_some() -> None:
    fq_codel = make("fq_codel", flows=2)
    send(fq_codel, 0, [1, 2, 3], hash=ONE)
    assert take(fq_codel, 0) == 1
    send(fq_codel, 0, [11], size=100, hash=TWO)
    assert take(fq_codel, 0) == 11
    state = fq_codel.observe()
    assert (state["f0.list"], state["f1.list"]) == (2, 1)  # flow 0 has used its turn
    assert take(fq_codel, 0) == 2
    assert fq_codel.observe()["f1.list"] == 2


def test_an_overflow_takes_half_of_the_fattest_flow_and_raises_its_count() -> None:
    fq_codel = make("fq_codel", flows=2, limit=10)
    send(fq_codel, 0, range(8), hash=ONE)
    send(fq_codel, 0, [20, 21], size=60, hash=TWO)
    assert send(fq_codel, 0, [22], size=60, hash=TWO) == [0]  # another flow's packets went
    assert dropped(fq_codel) == [0, 1, 2, 3]
    assert fq_codel.observe()["f0.count"] == 4
    assert send(fq_codel, 0, range(30, 34), hash=ONE) == [0, 0, 0, 2]  # 7 + 4 packets: its own
    assert dropped(fq_codel) == [4, 5, 6, 7]


def test_of_flows_as_fat_the_one_of_the_lowest_number_is_cut() -> None:
    fq_codel = make("fq_codel", flows=2, limit=3, drop_batch=1)
    send(fq_codel, 0, [1, 2], hash=TWO)
    assert send(fq_codel, 0, [3, 4], hash=ONE) == [0, 2]
    assert dropped(fq_codel) == [3]


def test_memory_has_a_limit_of_its_own() -> None:
    fq_codel = make("fq_codel", memory_limit=3 * 2304)
    assert send(fq_codel, 0, range(4)) == [0, 0, 0, 2]
    state = fq_codel.observe()
    assert dropped(fq_codel) == [0, 1]  # at least half of the bytes
    assert (state["drop_overlimit"], state["drop_overmemory"]) == (2, 2)


@pytest.mark.parametrize(("flows", "index"), [(1024, 1023), (1, 0), (3, 2)])
def test_the_hash_is_scaled_to_the_number_of_flows(flows: int, index: int) -> None:
    fq_codel = make("fq_codel", flows=flows)
    send(fq_codel, 0, [1], hash=0xFFFF_FFFF)
    assert fq_codel.observe()[f"f{index}.backlog"] == FULL


def test_codel_in_a_flow_reads_the_backlog_of_all_flows() -> None:
    fq_codel = make("fq_codel", flows=2)
    send(fq_codel, 0, [1], size=100, hash=ONE)
    send(fq_codel, 0, [11, 12], hash=TWO)
    assert take(fq_codel, 50 * MS) == 1  # alone in its flow, but 3028 bytes are behind it
    assert fq_codel.observe()["f0.first_above"] != 0
