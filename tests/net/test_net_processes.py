"""Rates and delays that change: by hand, against the FIFO, and against time cut into pieces."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.net.delay_process import DelayProcess
from ccsim.net.fifo import Fifo
from ccsim.net.qdisc import Draws
from ccsim.net.rate_process import (
    FOREVER,
    ConstantRate,
    PiecewiseRate,
    ProcessError,
    periodic,
    random_walk,
    with_outage,
)

MS = 1_000_000
MBIT = 1_000_000
PACKETS = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(40, 1500)), max_size=30)


def served(rate: ConstantRate | PiecewiseRate, packets: list[tuple[int, int]]) -> list[int]:
    """Serve (gap [ns], bytes) one after another; return when each has left."""
    now = last = 0
    out = []
    for gap, size in packets:
        now += gap
        last = rate.finish(max(now, last), 8 * size)
        out.append(last)
    return out


@given(PACKETS, st.sampled_from([1_000_000, 7_777_777, 10**9 + 7]))
def test_a_constant_rate_is_that_of_the_fifo(packets: list[tuple[int, int]], rate: int) -> None:
    arrivals, now = [], 0
    for gap, _ in packets:
        now += gap
        arrivals.append(now)
    fifo = Fifo(rate, 10**6)
    expected = fifo.serve(arrivals, [size for _, size in packets])
    assert served(ConstantRate(rate), packets) == expected


def test_a_transmission_goes_on_at_the_new_rate() -> None:
    rate = PiecewiseRate([(0, 8 * MBIT), (1 * MS, 4 * MBIT)])
    # 1500 bytes: 1000 in the first millisecond, 500 at half the rate: another millisecond
    assert rate.finish(0, 12_000) == 2 * MS
    assert rate.finish(2 * MS, 12_000) == 5 * MS


def test_an_outage_interrupts_a_transmission() -> None:
    rate = PiecewiseRate(with_outage([(0, 8 * MBIT)], 1 * MS, 10 * MS))
    assert rate.finish(0, 8000) == 1 * MS  # just done
    assert rate.finish(1 * MS, 8000) == 12 * MS
    interrupted = PiecewiseRate(with_outage([(0, 8 * MBIT)], 1 * MS, 10 * MS))
    assert interrupted.finish(500_000, 8000) == 11 * MS + 500_000


def test_after_a_last_piece_of_0_nothing_ends() -> None:
    rate = PiecewiseRate([(0, 8 * MBIT), (1 * MS, 0)])
    assert rate.finish(0, 8001) == FOREVER
    assert rate.earliest(2 * MS, 1) == FOREVER


def test_an_outage_ends_at_the_rate_that_there_would_be() -> None:
    assert with_outage([(0, 8), (20, 4), (30, 2)], 10, 15) == [(0, 8), (10, 0), (25, 4), (30, 2)]
    assert with_outage([(0, 8), (20, 4)], 0, 20) == [(0, 0), (20, 4)]


RATES = st.sampled_from([0, 999_983, 3 * MBIT, 50 * MBIT])
PIECES = st.lists(st.tuples(st.integers(1, 4_000_000), RATES), max_size=6).map(
    lambda rows: [(sum(g for g, _ in rows[:k]), rate) for k, (_, rate) in enumerate(rows)]
)


@given(PIECES, PACKETS)
def test_departures_are_those_of_exact_fractions(
    pieces: list[tuple[int, int]], packets: list[tuple[int, int]]
) -> None:
    pieces = [*pieces, ((pieces[-1][0] + 5_000_000) if pieces else 0, 2 * MBIT)]
    found = served(PiecewiseRate(pieces), packets)
    assert found == [int(t) for t in exact(pieces, packets)]


def exact(pieces: list[tuple[int, int]], packets: list[tuple[int, int]]) -> list[Fraction]:
    """Serve with fractions of nanoseconds, piece by piece."""
    free = Fraction(0)
    now, out = 0, []
    for gap, size in packets:
        now += gap
        t, bits = max(Fraction(now), free), Fraction(8 * size)
        for k, (_, rate) in enumerate(pieces):
            end = pieces[k + 1][0] if k + 1 < len(pieces) else None
            if end is not None and end <= t:
                continue
            if rate and (end is None or t + bits * 10**9 / rate <= end):
                t += bits * 10**9 / rate
                break
            assert end is not None
            bits -= (end - t) * rate / 10**9
            t = Fraction(end)
        free = t
        out.append(t)
    return out


@given(PIECES, PACKETS)
def test_nothing_ends_before_the_earliest_end(
    pieces: list[tuple[int, int]], packets: list[tuple[int, int]]
) -> None:
    pieces = [*pieces, ((pieces[-1][0] + 5_000_000) if pieces else 0, 2 * MBIT)]
    rate = PiecewiseRate(pieces)
    now = last = 0
    for gap, size in packets:
        now += gap
        bound = rate.earliest(now, 8 * size)
        last = rate.finish(max(now, last), 8 * size)
        assert last >= bound


def test_changes_are_told_one_after_another() -> None:
    rate = PiecewiseRate([(0, 5), (10, 6), (30, 7)])
    assert [rate.changes(t) for t in (0, 9, 10, 29, 30)] == [10, 10, 30, 30, FOREVER]
    assert ConstantRate(5).changes(0) == FOREVER


def test_a_cycle_comes_again_until_the_end() -> None:
    assert periodic([(10, 8), (5, 2)], 20) == [(0, 8), (10, 2), (15, 8), (25, 2)]


def test_a_random_walk_stays_within_its_bounds_and_moves_by_steps() -> None:
    walk = random_walk(Draws(3), 500, 100, (300, 800), 10, 10_000)
    amounts = [amount for _, amount in walk]
    assert len(walk) == 1001
    assert (min(amounts), max(amounts)) == (300, 800)
    assert max(abs(b - a) for a, b in pairwise(amounts)) <= 100
    assert walk == random_walk(Draws(3), 500, 100, (300, 800), 10, 10_000)


def test_the_delay_is_that_of_the_departure_and_may_reorder() -> None:
    delay = DelayProcess([(0, 20), (100, 5)])
    assert [delay.reach(t) for t in (0, 95, 100)] == [20, 115, 105]
    assert [delay.earliest(t) for t in (0, 90, 100, 200)] == [20, 105, 105, 205]


def test_a_line_that_keeps_order_lets_nothing_overtake() -> None:
    delay = DelayProcess([(0, 20), (100, 5)], keep_order=True)
    assert [delay.reach(t) for t in (95, 100, 109, 120)] == [115, 115, 115, 125]
    assert delay.earliest(110) == 125


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PiecewiseRate([]), "expected a rate from time 0 on, got nothing"),
        (lambda: PiecewiseRate([(5, 1)]), "expected a rate from time 0 on"),
        (lambda: PiecewiseRate([(0, 1), (0, 2)]), "at a later time than 0 ns, got 0 ns"),
        (lambda: PiecewiseRate([(0, -1)]), "a rate that is not negative at 0 ns, got -1"),
        (lambda: DelayProcess([(0, -1)]), "a delay that is not negative"),
        (lambda: ConstantRate(0), "expected a rate of more than 0 bit/s, got 0"),
        (lambda: with_outage([(0, 1)], 5, 0), "expected an outage of more than 0 ns"),
        (lambda: periodic([], 9), "expected a cycle of lengths above 0 ns"),
        (lambda: periodic([(0, 1)], 9), "expected a cycle of lengths above 0 ns"),
        (lambda: random_walk(Draws(1), 9, 1, (1, 5), 1, 9), "expected a walk within 1 to 5"),
    ],
)
def test_what_is_no_process_is_an_error(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ProcessError, match=message):
        make()
