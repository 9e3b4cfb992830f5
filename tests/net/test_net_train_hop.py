"""Hops that take packets as rows: by hand, and against the hop that takes one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.errors import InvariantError
from ccsim.net.delay_process import DelayProcess
from ccsim.net.hop import Hop
from ccsim.net.hop_log import HopLog
from ccsim.net.hop_packets import REACH, WIDTH, HopPacket, Leg, Rows, in_order, segments, split
from ccsim.net.line_fifo import LineFifo
from ccsim.net.loss import BernoulliLoss
from ccsim.net.qdisc import KINDS, Draws, create_raw
from ccsim.net.qdisc.base import BOOT_NS, Qdisc
from ccsim.net.rate_process import ConstantRate, PiecewiseRate, with_outage
from ccsim.net.train_hop import TrainHop

MS = 1_000_000
END = 400 * MS
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("fifo", {"limit": 4}),
    ("fifo", {"limit": 9, "mark_packets": 2}),
    ("fifo", {"limit": 9, "mark_ns": 2 * MS}),
    ("pfifo", {"limit": 3}),
    ("bfifo", {"limit": 4000}),
    ("pfifo_head_drop", {"limit": 3}),
    ("codel", {"target_us": 500, "interval_us": 5000}),
    ("codel", {"target_us": 500, "interval_us": 5000, "ecn": 1, "limit": 9}),
    ("codel", {"ce_threshold_us": 1000, "ecn": 1}),
    ("pie", {"target_us": 500, "tupdate_us": 2000, "alpha": 32, "beta": 32, "limit": 20}),
    ("pie", {"target_us": 500, "tupdate_us": 2000, "ecn": 1, "dq_rate_estimator": 1}),
    ("tbf", {"rate_Bps": 500_000, "burst": 3000, "limit": 9000}),
    (
        "tbf",
        {
            "rate_Bps": 500_000,
            "burst": 3000,
            "limit": 9000,
            "peakrate_Bps": 800_000,
            "minburst": 1514,
        },
    ),
]
CHANGES: dict[str, dict[str, Any]] = {
    "codel": {"limit": 2},
    "pie": {"limit": 2},
    "pfifo": {"limit": 2},
}


def qdisc_of(kind: str, raw: dict[str, Any]) -> Qdisc:
    if kind == "fifo":
        return LineFifo(**raw)
    return create_raw(kind, raw, BOOT_NS, Draws(7))


def hop_of(made: type[Hop], kind: str, raw: dict[str, Any], way: str = "") -> Hop:
    line = ConstantRate(8_000_000)
    if way == "outage":
        line = PiecewiseRate(with_outage([(0, 8_000_000)], 9 * MS, 20 * MS))  # type: ignore[assignment]
    delay = DelayProcess([(0, 5 * MS), (30 * MS, 0)] if way == "delay" else [(0, MS)])
    qdisc = qdisc_of(kind, raw)
    one = made(
        qdisc,
        line,
        delay,
        loss=BernoulliLoss(0.1, 3) if way == "loss" else None,
        changes=[(11 * MS, CHANGES[kind])] if way == "change" and kind in CHANGES else (),
        log=HopLog(MS),
    )
    if isinstance(qdisc, LineFifo):
        qdisc.hop = one
    one.legs = [leg(0), leg(1)]
    return one


def leg(number: int) -> Leg:
    made = Leg(number, number, (0,), 0, 0, lambda *_: None)
    made.number, made.hash = number, number * 0x3FFF_FFFF
    return made


def rows_of(packets: list[tuple[int, int, int, int]]) -> Rows:
    """Return rows of (gap [ns], bytes, leg, codepoint)."""
    rows = np.zeros((len(packets), WIDTH), dtype=np.int64)
    now = 0
    for k, (gap, length, which, ecn) in enumerate(packets):
        now += gap
        rows[k] = (now, which, length, ecn, k, now, k)
    return rows


def outcome(
    one: Hop, rows: Rows, cuts: list[int]
) -> tuple[list[list[int]], list[Any], dict[str, int], list[Any]]:
    """Return what leaves, what is dropped, the qdisc's state, and what the log holds."""
    left: list[list[int]] = []
    at = 0
    for until in cuts:
        now = rows[(rows[:, REACH] >= at) & (rows[:, REACH] < until)]
        if len(now):
            one.take_rows(now.copy(), 0)
        left += one.run_rows(until).tolist()
        one.check()
        at = until
    drops = [(t, p.number, p.ecn) for t, p in one.drops if isinstance(p, HopPacket)]
    log = one.log
    assert log is not None
    log.pack()
    tables = [
        block.tolist()
        for table in (log.sampled, log.dropped, log.marked)
        for block in table.blocks()
    ]
    return left, drops, one.qdisc.observe(), tables


PACKETS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1000, 200_000, 1_000_000, 7_000_000]),
        st.sampled_from([60, 500, 1000, 1514]),
        st.integers(0, 1),
        st.integers(0, 3),
    ),
    max_size=60,
)
CUTS = st.lists(st.integers(1, END), max_size=12).map(lambda cuts: sorted({*cuts, END}))


@pytest.mark.parametrize("way", ["", "outage", "delay", "loss", "change"])
@pytest.mark.parametrize(("kind", "raw"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "")
@settings(max_examples=12, deadline=None)
@given(packets=PACKETS, cuts=CUTS)
def test_rows_fare_as_packets_do(
    kind: str,
    raw: dict[str, Any],
    way: str,
    packets: list[tuple[int, int, int, int]],
    cuts: list[int],
) -> None:
    rows = rows_of(packets)
    expected = outcome(hop_of(Hop, kind, raw, way), rows, [END])
    assert outcome(hop_of(TrainHop, kind, raw, way), rows, [END]) == expected
    assert outcome(hop_of(TrainHop, kind, raw, way), rows, cuts) == expected


def test_every_queue_in_order_that_may_pass_as_rows_is_tried() -> None:
    trains = {name for name, kind in KINDS.items() if kind.TRAINS}
    assert trains == {kind for kind, _ in VARIANTS} - {"fifo"}


def test_rows_leave_one_after_another_and_keep_what_they_say() -> None:
    one = hop_of(TrainHop, "pfifo", {"limit": 2})
    one.take_rows(rows_of([(0, 1000, 1, 2)] * 4), 0)
    # 8 Mbit/s: a millisecond each and one behind; one on the line, two fit, the fourth does not
    assert one.run_rows(END).tolist() == [
        [2 * MS, 1, 1000, 2, 0, 0, 0],
        [3 * MS, 1, 1000, 2, 1, 0, 1],
        [4 * MS, 1, 1000, 2, 2, 0, 2],
    ]
    assert [(t, packet.number) for t, packet in one.drops] == [(0, 3)]


def test_rows_that_codel_marks_bear_the_mark() -> None:
    one = hop_of(TrainHop, "codel", {"ce_threshold_us": 1500, "ecn": 1})
    one.take_rows(rows_of([(0, 1000, 0, 2), (0, 1000, 0, 2), (0, 1000, 0, 2), (0, 1000, 0, 0)]), 0)
    # they wait 0, 1, 2 and 3 ms; the last one is not ECN-capable
    assert one.run_rows(END)[:, 3].tolist() == [2, 2, 3, 0]


def test_rows_of_several_sources_come_by_time_then_source() -> None:
    one = hop_of(TrainHop, "pfifo", {"limit": 9})
    first, second = rows_of([(5, 100, 0, 0)] * 2), rows_of([(5, 100, 1, 0)])
    one.take_rows(first, 1)
    one.take_rows(second, 0)
    assert one.run_rows(END)[:, 1].tolist() == [1, 0, 0]


def test_rows_from_the_past_are_a_fault() -> None:
    one = hop_of(TrainHop, "pfifo", {"limit": 9})
    one.run_rows(5 * MS)
    with pytest.raises(InvariantError, match="expected arrivals from 5000000 ns on, got one at 4"):
        one.take_rows(rows_of([(4, 100, 0, 0)]), 0)


def test_rows_are_split_at_an_instant_and_equal_ones_keep_their_order() -> None:
    rows = in_order([rows_of([(7, 1, 0, 0), (0, 2, 0, 0)]), rows_of([(5, 3, 0, 0), (2, 4, 0, 0)])])
    assert rows[:, 2].tolist() == [3, 1, 2, 4]
    early, late = split(rows, 7)
    assert (early[:, 2].tolist(), late[:, 2].tolist()) == ([3], [1, 2, 4])


def test_an_ack_shows_a_filter_what_it_says() -> None:
    back = leg(0)
    back.acks = {1: (0, 7, 500, ((9, 12),))}
    rows = np.array([[3 * MS, 0, 64, 0, 7, 500, 1], [3 * MS, 0, 60, 0, -1, 0, 2]], dtype=np.int64)
    ack, syn = segments(rows, [back])
    assert (ack.tcp.ack, ack.tcp.tsval, ack.tcp.tsecr, ack.tcp.sack) == (7, 3, 500, ((9, 12),))
    assert ack.tcp.flags == 1  # ACK alone
    assert syn.tcp.flags == 17  # with SYN, which no filter takes away
