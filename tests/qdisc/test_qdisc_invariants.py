"""What holds of every qdisc at any time, whatever it is given."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.net.qdisc import KINDS, Draws, Packet, Qdisc, create_raw
from ccsim.net.qdisc.base import CE, NEVER
from ccsim.net.qdisc.netem import COPIES

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("pfifo", {"limit": 5}),
    ("bfifo", {"limit": 5000}),
    ("pfifo_head_drop", {"limit": 4}),
    ("codel", {"limit": 8, "target_us": 100, "interval_us": 1000, "ecn": 1}),
    ("codel", {"target_us": 50, "interval_us": 300, "ce_threshold_us": 100}),
    ("pie", {"limit": 20, "target_us": 100}),
    ("pie", {"ecn": 1, "dq_rate_estimator": 1, "bytemode": 1}),
    (
        "red",
        {
            "limit": 9000,
            "min": 1000,
            "max": 4000,
            "Wlog": 1,
            "Plog": 10,
            "flags": 5,
            "Scell_log": 10,
            "stab": [0] * 255 + [31],
        },
    ),
    ("sfq", {"limit": 9, "depth": 4, "flows": 4, "divisor": 4, "perturb_s": 1}),
    ("sfq", {"headdrop": 1, "limit": 6}),
    ("fq_codel", {"limit": 8, "flows": 4, "target_us": 100, "interval_us": 1000}),
    ("fq_codel", {"memory_limit": 9000, "drop_batch": 2}),
    ("fq", {"limit": 6, "flow_limit": 4, "quantum": 600, "initial_quantum": 1000}),
    ("fq", {"ce_threshold_us": 10, "horizon_us": 2000, "horizon_drop": 0}),
    ("dualpi2", {"limit": 9, "target_us": 100, "tupdate_us": 200}),
    ("dualpi2", {"drop_early": 1, "step_thresh_pkts": 2, "memory_limit": 20_000}),
    ("tbf", {"rate_Bps": 1_000_000, "burst": 3000, "limit": 9000}),
    ("police", {"rate_Bps": 1_000_000, "burst_ns": 3_000_000}),
    ("netem", {"delay_ns": 900_000, "jitter_ns": 800_000, "loss": 1 << 29, "limit": 9}),
    (
        "netem",
        {"duplicate": 1 << 30, "gemodel": [1 << 30, 1 << 30, 0, 0], "reorder": 1 << 31, "gap": 2},
    ),
    ("netem", {"rate_Bps": 1_000_000, "slot": [0, 500_000, 3, 4000, 0, 0]}),
    ("cake", {"memlimit": 12_000, "diffserv": 1}),
    ("cake", {"bandwidth_Bps": 1_000_000, "ingress": 1, "rtt_us": 1000, "target_us": 50}),
    ("mm_droptail", {"packets": 5, "bytes": 4000}),
    ("mm_drophead", {"packets": 5, "bytes": 4000}),
]
ARRIVAL = st.tuples(
    st.just("enq"),
    st.sampled_from([60, 590, 1514]),
    st.integers(0, 3),  # codepoint
    st.integers(0, 3),  # flow
    st.integers(0, 15),  # priority and, times 4, DSCP
    st.sampled_from([0, 0, 300_000]),  # departure time ahead
)
CALLS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 1000, 100_000, 2_000_000]), ARRIVAL | st.just(("deq",))),
    max_size=80,
)


class Watched:
    """A qdisc under watch: what came, what left, what was dropped."""

    def __init__(self, kind: str, raw: dict[str, Any], seed: int) -> None:
        self.now = 1_000_000
        self.qdisc: Qdisc = create_raw(kind, raw, self.now, Draws(seed))
        self.came: dict[int, tuple[int, int]] = {}  # when and how long, by number
        self.gone: set[int] = set()
        self.order: list[Packet] = []

    def pass_time(self, ns: int) -> None:
        self.now += ns
        while self.qdisc.tick_ns != NEVER and self.qdisc.tick_ns <= self.now:
            due = self.qdisc.tick_ns
            self.qdisc.tick(due)
            assert self.qdisc.tick_ns == NEVER or self.qdisc.tick_ns > due
            self.check()

    def enqueue(self, size: int, ecn: int, flow: int, priority: int, ahead: int) -> None:
        number = len(self.came)
        packet = Packet(number, size, ecn, flow=flow, hash=flow * 0x3FFF_FFFF, truesize=size + 500)
        packet.sk, packet.pacing_rate = flow, 500_000
        packet.srchost, packet.dsthost = flow & 1, flow >> 1
        packet.priority, packet.dscp = priority, priority * 4
        packet.tstamp = self.now + ahead if ahead else 0
        self.came[number] = self.now, size
        verdict = self.qdisc.enqueue(packet, self.now)
        lost = packet in self.qdisc.dropped
        assert verdict in (0, 1, 2, 0x20000)
        assert not lost or verdict != 0
        assert (verdict not in (1, 0x20000)) or self.qdisc.dropped
        self.check()

    def dequeue(self) -> None:
        self.qdisc.wake_ns = NEVER
        packet = self.qdisc.dequeue(self.now)
        if packet is not None:
            self._out(packet)
            self.order.append(packet)
            assert packet.ecn in (0, 1, 2, CE)
        self.check()

    def _out(self, packet: Packet) -> None:
        assert packet.number not in self.gone
        self.gone.add(packet.number)
        at, size = self.came[packet.number % COPIES]
        assert at <= self.now
        assert packet.len == size

    def check(self) -> None:
        for packet in self.qdisc.dropped:
            self._out(packet)
        self.qdisc.dropped.clear()
        inside = list(self.qdisc.packets())
        numbers = [packet.number for packet in inside]
        assert len(numbers) == len(set(numbers))
        assert not self.gone & set(numbers)
        missing = set(self.came) - self.gone - set(numbers)
        assert not missing
        if self.qdisc.kind != "police":
            assert self.qdisc.qlen == len(inside)
            assert self.qdisc.backlog == sum(packet.len for packet in inside)


def run(kind: str, raw: dict[str, Any], calls: list[tuple[int, tuple[Any, ...]]]) -> Watched:
    watched = Watched(kind, raw, 5)
    for ns, (call, *arguments) in calls:
        watched.pass_time(ns)
        if call == "enq":
            watched.enqueue(*arguments)
        else:
            watched.dequeue()
    return watched


@pytest.mark.parametrize(("kind", "raw"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "")
@settings(max_examples=40, deadline=None)
@given(calls=CALLS)
def test_packets_and_bytes_in_are_those_out_dropped_and_inside(
    kind: str, raw: dict[str, Any], calls: list[tuple[int, tuple[Any, ...]]]
) -> None:
    watched = run(kind, raw, calls)
    again = run(kind, raw, calls)
    assert [p.number for p in watched.order] == [p.number for p in again.order]
    assert watched.qdisc.observe() == again.qdisc.observe()


@pytest.mark.parametrize(("kind", "raw"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "")
@settings(max_examples=20, deadline=None)
@given(calls=CALLS)
def test_what_is_inside_leaves_in_the_end_and_a_flow_keeps_its_order_where_that_is_promised(
    kind: str, raw: dict[str, Any], calls: list[tuple[int, tuple[Any, ...]]]
) -> None:
    watched = run(kind, raw, calls)
    for _ in range(3000):
        if not watched.qdisc.qlen:
            break
        watched.dequeue()
        wake = watched.qdisc.wake_ns
        watched.pass_time(max(wake - watched.now, 0) if wake != NEVER else 0)
    assert watched.qdisc.qlen == 0
    if watched.qdisc.keeps == "order":
        numbers = [packet.number for packet in watched.order]
        assert numbers == sorted(numbers)
    elif watched.qdisc.keeps == "flow order" and not any(p.tstamp for p in watched.order):
        for key in {_key(packet) for packet in watched.order}:
            numbers = [packet.number for packet in watched.order if _key(packet) == key]
            assert numbers == sorted(numbers)


def _key(packet: Packet) -> tuple[int, int, bool]:
    """Return what every qdisc keeps together: the flow, its class, whether it is L4S."""
    return packet.flow, packet.priority, packet.cb & 3 != 0


def test_every_kind_is_under_watch() -> None:
    assert {kind for kind, _ in VARIANTS} == set(KINDS)
