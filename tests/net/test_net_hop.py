"""Hops: by hand, in windows against in one piece, in a row and in a circle."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.errors import InvariantError
from ccsim.net.delay_process import DelayProcess
from ccsim.net.hop import Hop, NoLine
from ccsim.net.qdisc import KINDS, Draws, Packet, create, create_raw
from ccsim.net.qdisc.base import BOOT_NS
from ccsim.net.rate_process import ConstantRate, PiecewiseRate, RateProcess, with_outage
from tests.qdisc.test_qdisc_invariants import VARIANTS

MS = 1_000_000
END = 400 * MS
Row = tuple[int, int, int]  # departure, arrival at the other end, packet


def hop(
    kind: str = "pfifo",
    raw: dict[str, Any] | None = None,
    line: RateProcess | None = None,
    delay: int = 0,
) -> Hop:
    qdisc = create_raw(kind, raw or {}, BOOT_NS, Draws(7))
    return Hop(qdisc, line or ConstantRate(8_000_000), DelayProcess([(0, delay)]))


def packets(rows: list[tuple[int, int, int, int]]) -> Iterator[tuple[int, Packet]]:
    """Return packets of (gap [ns], bytes, flow, codepoint)."""
    now = 0
    for number, (gap, size, flow, ecn) in enumerate(rows):
        now += gap
        packet = Packet(number, size, ecn, flow=flow, hash=flow * 0x3FFF_FFFF, truesize=size + 500)
        packet.sk, packet.pacing_rate = flow + 1, 300_000
        yield now, packet


def numbers(rows: list[tuple[int, int, Packet]]) -> list[Row]:
    return [(left, reached, packet.number) for left, reached, packet in rows]


def test_packets_leave_one_after_another_and_arrive_after_the_delay() -> None:
    one = hop(delay=5 * MS)
    one.take(packets([(0, 1000, 0, 0), (0, 500, 0, 0), (9 * MS, 1000, 0, 0)]))
    # 8 Mbit/s: a byte a microsecond
    assert numbers(one.run(END)) == [
        *((1 * MS, 6 * MS, 0), (1_500_000, 6_500_000, 1), (10 * MS, 15 * MS, 2))
    ]


def test_nothing_is_done_at_the_instant_up_to_which_arrivals_are_known() -> None:
    one = hop()
    one.take(packets([(5 * MS, 1000, 0, 0)]))
    assert one.run(5 * MS) == []
    assert one.bound_ns() == 5 * MS + 40_000  # forty bytes
    assert numbers(one.run(5 * MS + 1)) == [(6 * MS, 6 * MS, 0)]
    assert one.bound_ns() == 6 * MS + 40_000


def test_a_slot_is_free_at_the_instant_at_which_a_transmission_ends() -> None:
    one = hop(raw={"limit": 1})
    one.take(packets([(0, 1000, 0, 0), (0, 1000, 0, 0), (1 * MS, 1000, 0, 0)]))
    assert [number for _, _, number in numbers(one.run(END))] == [0, 1, 2]
    assert one.drops == []


def test_a_watchdog_that_strikes_during_a_transmission_waits_for_its_end() -> None:
    one = hop()
    one.take(packets([(0, 1000, 0, 0), (200_000, 1000, 0, 0)]))  # a millisecond each
    one.run(1)
    one.wake_ns = 500_000  # as asked for before the first one came
    one.run(700_000)
    assert one.qdisc.qlen == 1  # the second one, until 1 ms
    assert numbers(one.run(END)) == [(2 * MS, 2 * MS, 1)]


def test_arrivals_of_an_instant_come_by_source_and_then_as_they_were_sent() -> None:
    one = hop()
    one.take([(0, Packet(1, 100)), (0, Packet(2, 100))], source=1)
    one.take([(0, Packet(3, 100))], source=0)
    assert [packet.number for _, _, packet in one.run(1)] == [3]
    assert [packet.number for _, _, packet in one.run(END)] == [1, 2]


def test_a_shaped_queue_is_asked_again_when_it_wanted_to_be() -> None:
    raw = {"rate_Bps": 250_000, "burst": 1514, "limit": 10_000}
    one = hop("tbf", raw)
    one.take(packets([(0, 1514, 0, 0), (0, 1514, 0, 0)]))
    assert [left for left, _, _ in one.run(END)] == [1_514_000, 6_056_000 + 1_514_000]


def test_a_timer_runs_while_nothing_happens() -> None:
    one = hop("pie")
    one.run(END)
    assert one.qdisc.tick_ns == BOOT_NS + 500 * MS
    one.run(3 * END)
    assert one.qdisc.tick_ns == BOOT_NS + 1205 * MS  # 500 ms and a multiple of 15


def test_an_outage_holds_the_packet_on_the_line() -> None:
    one = hop(line=PiecewiseRate(with_outage([(0, 8_000_000)], 500_000, 10 * MS)))
    one.take(packets([(0, 1000, 0, 0)]))
    assert numbers(one.run(1)) == [(11 * MS, 11 * MS, 0)]


def test_a_line_that_falls_silent_for_good_lets_nothing_out_any_more() -> None:
    one = hop(line=PiecewiseRate([(0, 8_000_000), (500_000, 0)]))
    one.take(packets([(0, 1000, 0, 0), (0, 1000, 0, 0)]))
    assert one.run(END) == []
    assert one.bound_ns() == one.reach_ns() == (1 << 63) - 1
    one.check()


def test_a_qdisc_without_a_line_is_a_stage_before_a_hop() -> None:
    stage = hop("netem", {"delay_ns": 3 * MS}, NoLine())
    stage.take(packets([(0, 1000, 0, 0), (0, 1000, 0, 0)]))
    assert [left for left, _, _ in stage.run(END)] == [3 * MS, 3 * MS]


def test_an_arrival_in_the_past_is_a_fault() -> None:
    one = hop()
    one.run(5 * MS)
    with pytest.raises(InvariantError, match="expected arrivals from 5000000 ns on, got one at 4"):
        one.take([(4, Packet(1, 100))])


def test_what_gets_lost_unseen_is_a_fault() -> None:
    one = hop()
    one.take(packets([(0, 1000, 0, 0), (0, 500, 0, 0)]))
    one.run(1)
    one.check()
    one.qdisc.queue.clear()  # type: ignore[attr-defined]
    with pytest.raises(InvariantError, match="pfifo: expected 2 packets and 1500 bytes out"):
        one.check()
    one.packets_dropped, one.bytes_dropped = 1, 500
    with pytest.raises(InvariantError, match=r"expected qlen and backlog \(0, 0\), got \(1, 500\)"):
        one.check()


def test_the_first_burst_of_fq_on_a_fast_line() -> None:
    qdisc = create("fq", {}, BOOT_NS, Draws(1))
    one = Hop(qdisc, ConstantRate(10**12), DelayProcess([(0, 0)]))
    rows = []
    for number in range(24):
        packet = Packet(number, 1514)
        packet.sk, packet.pacing_rate = 1, 1_250_000
        rows.append((0, packet))
    one.take(rows)
    left = [at for at, _, _ in one.run(END)]
    # the first is on the line before the others come: so 1 + 8 by the fast path, 10 by the quantum
    assert [at // 100_000 for at in left] == [0] * 19 + [24, 24, 48, 48, 72]


# --- windows ---

PACKETS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1000, 200_000, 1_000_000, 7_000_000]),
        st.sampled_from([60, 500, 1000, 1514]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=60,
)
CUTS = st.lists(st.integers(1, END), max_size=12).map(lambda cuts: sorted({*cuts, END}))


@pytest.mark.parametrize(("kind", "raw"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "")
@settings(max_examples=25, deadline=None)
@given(rows=PACKETS, cuts=CUTS)
def test_any_cut_of_windows_gives_the_same(
    kind: str,
    raw: dict[str, Any],
    rows: list[tuple[int, int, int, int]],
    cuts: list[int],
) -> None:
    whole = hop(kind, raw)
    whole.take(packets(rows))
    expected = numbers(whole.run(END))
    cut = hop(kind, raw)
    sent = list(packets(rows))
    found: list[Row] = []
    for until in cuts:
        bound = cut.bound_ns()
        cut.take([row for row in sent if cut.known_ns <= row[0] < until])
        new = numbers(cut.run(until))
        cut.check()
        assert all(left >= bound for left, _, _ in new)
        found += new
    assert found == expected
    assert [(t, p.number) for t, p in cut.drops] == [(t, p.number) for t, p in whole.drops]
    assert cut.qdisc.observe() == whole.qdisc.observe()


# --- hops in a row ---


@settings(max_examples=60, deadline=None)
@given(
    PACKETS,
    st.lists(st.sampled_from(["pfifo", "codel", "fq_codel", "red"]), min_size=2, max_size=3),
    st.integers(0, 3 * MS),
    st.integers(MS // 10, 9 * MS),
)
def test_hops_in_a_row_advance_one_another(
    rows: list[tuple[int, int, int, int]], kinds: list[str], delay: int, window: int
) -> None:
    def line() -> list[Hop]:
        made = []
        for k, kind in enumerate(kinds):
            raw = dict(next(raw for name, raw in VARIANTS if name == kind))
            made.append(hop(kind, raw, ConstantRate(8_000_000 >> k), delay))
        return made

    whole, arrivals = line(), list(packets(rows))
    for one in whole:
        one.take(arrivals)
        arrivals = [(reached, packet) for _, reached, packet in one.run(END)]
    expected = [(t, packet.number) for t, packet in arrivals]

    windows, sent, found = line(), list(packets(rows)), []
    known = 0
    while known < END:
        fresh = [row for row in sent if known <= row[0] < known + window]
        known += window
        bound = known
        for one in windows:
            one.take(fresh)
            fresh = [(reached, packet) for _, reached, packet in one.run(min(bound, END))]
            bound = one.reach_ns()
        found += [(t, packet.number) for t, packet in fresh]
    fresh = []
    for one in windows:  # what the bounds held back at the end
        one.take(fresh)
        fresh = [(reached, packet) for _, reached, packet in one.run(END)]
    found += [(t, packet.number) for t, packet in fresh]
    assert found == expected


# --- hops in a circle: what arrives at one end goes back through the other hop, so many times ---


def circle(kinds: tuple[str, str], delays: tuple[int, int]) -> list[Hop]:
    made = []
    for k, kind in enumerate(kinds):
        raw = dict(next(raw for name, raw in VARIANTS if name == kind))
        made.append(hop(kind, raw, ConstantRate((8_000_000, 1_000_000)[k]), delays[k]))
    return made


def turned(t: int, packet: Packet, log: list[tuple[int, int]]) -> list[tuple[int, Packet]]:
    """Log an arrival at an end; a packet with turns left sets out again, half as long."""
    log.append((t, packet.number))
    if packet.dscp == 0:
        return []
    again = packet.copy(packet.number + 1000)
    again.len = max(40, packet.len // 2)
    again.dscp -= 1
    return [(t, again)]


def one_by_one(hops: list[Hop], sent: list[tuple[int, Packet]], end: int) -> list[tuple[int, int]]:
    """Run a circle event by event: nothing is ever foreseen by more than a nanosecond."""
    log: list[tuple[int, int]] = []
    events = [(t, 0, k, packet) for k, (t, packet) in enumerate(sent)]
    heapq.heapify(events)
    order = len(sent)
    now = 0
    while now < end:
        while events and events[0][0] <= now:
            t, where, _, packet = heapq.heappop(events)
            hops[where].take([(t, packet)])
        for where, one in enumerate(hops):
            for _, reached, packet in one.run(now + 1):
                for t, again in turned(reached, packet, log):
                    order += 1
                    heapq.heappush(events, (t, 1 - where, order, again))
        now = min(_next(one) for one in hops)
        now = min(now, events[0][0]) if events else now
    return sorted(log)


def _next(one: Hop) -> int:
    """Return when a hop next does something by itself."""
    tick = one.qdisc.tick_ns - BOOT_NS if one.qdisc.tick_ns >= 0 else END
    return min(tick, one.busy_ns if one.serving else END, one.wake_ns)


def by_clocks(hops: list[Hop], sent: list[tuple[int, Packet]], end: int) -> list[tuple[int, int]]:
    """Run a circle by clocks: each hop up to the bound of the other."""
    log: list[tuple[int, int]] = []
    hops[0].take(sent)
    grown = True
    while grown:
        grown = False
        for where, one in enumerate(hops):
            other = hops[1 - where]
            until = min(other.reach_ns(), end)
            if until <= one.known_ns:
                continue
            grown = True
            for _, reached, packet in one.run(until):
                other.take(turned(reached, packet, log))
    assert all(one.known_ns == end for one in hops)
    return sorted(log)


SHORT = 60 * MS


@settings(max_examples=60, deadline=None)
@given(
    PACKETS.map(lambda rows: rows[:20]),
    st.tuples(
        st.sampled_from(["pfifo", "codel", "fq_codel"]),
        st.sampled_from(["pfifo", "sfq", "dualpi2"]),
    ),
    st.tuples(st.sampled_from([0, 1000, 2 * MS]), st.sampled_from([0, 1000, 3 * MS])),
)
def test_hops_in_a_circle_advance_one_another(
    rows: list[tuple[int, int, int, int]], kinds: tuple[str, str], delays: tuple[int, int]
) -> None:
    def sent() -> list[tuple[int, Packet]]:
        made = list(packets(rows))
        for _, packet in made:
            packet.dscp = 3
        return made

    expected = one_by_one(circle(kinds, delays), sent(), SHORT)
    found = by_clocks(circle(kinds, delays), sent(), SHORT)
    assert [row for row in found if row[0] < SHORT] == [row for row in expected if row[0] < SHORT]


_bound: Callable[[Hop], int] = Hop.bound_ns
MUTANTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    lambda patch: patch.setattr(Hop, "bound_ns", lambda hop: _bound(hop) + 1),
    lambda patch: patch.setattr(Hop, "bound_ns", lambda hop: max(_bound(hop), hop.busy_ns + MS)),
]


@pytest.mark.pure
@pytest.mark.parametrize("mutate", MUTANTS)
def test_a_bound_that_promises_too_much_is_found(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    one = hop()
    one.take(packets([(0, 1000, 0, 0), (0, 40, 0, 0), (0, 40, 0, 0)]))
    one.run(1)
    bound = one.bound_ns()
    assert min(left for left, _, _ in one.run(END)) < bound


def test_every_kind_runs_in_windows() -> None:
    assert {kind for kind, _ in VARIANTS} == set(KINDS)
