"""The drop-tail FIFO: departures and drops worked out by hand, and its closed form against it.

arrival   a ──► [ waiting … | in service ] ──► departure d = max(a, last d) + bits / rate
                 at most ``limit`` packets
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.ints import Ints
from ccsim.net.fifo import DROPPED, LOST, Fifo
from ccsim.net.loss import GOLDEN, BernoulliLoss

MBIT = 1_000_000
Serve = Callable[[Fifo, list[int], list[int]], list[int]]


def always_lost() -> BernoulliLoss:
    return BernoulliLoss(1.0, 0)


# --- service ---


def test_a_full_packet_takes_120_microseconds_at_100_mbit_per_s() -> None:
    # 1500 B = 12,000 bit; 12,000 bit / 100 Mbit/s = 120 µs
    assert Fifo(100 * MBIT, 10).serve([1_000], [1500]) == [121_000]


def test_packets_that_arrive_together_leave_one_service_time_apart() -> None:
    assert Fifo(100 * MBIT, 10).serve([0, 0, 0], [1500] * 3) == [120_000, 240_000, 360_000]


def test_a_packet_that_finds_the_line_idle_is_served_at_once() -> None:
    # the first leaves at 120 µs; the second comes 180 µs later and waits for nothing
    assert Fifo(100 * MBIT, 10).serve([0, 300_000], [1500] * 2) == [120_000, 420_000]


def test_small_packets_take_less_time() -> None:
    # 52 B = 416 bit: 4.16 µs at 100 Mbit/s
    assert Fifo(100 * MBIT, 10).serve([0, 0], [52, 1500]) == [4_160, 124_160]


def test_the_remainder_of_a_service_time_is_carried_to_the_next_packet() -> None:
    # 1000 B at 3 Mbit/s: 2,666,666 2/3 ns each, so that three of them take exactly 8 ms
    assert Fifo(3 * MBIT, 10).serve([0, 0, 0], [1000] * 3) == [2_666_666, 5_333_333, 8_000_000]


def test_the_remainder_survives_idle_times() -> None:
    # after 2/3 ns and 4/3 ns the third service time is one nanosecond longer than the first
    out = Fifo(3 * MBIT, 10).serve([0, 10_000_000, 20_000_000], [1000] * 3)
    assert out == [2_666_666, 12_666_667, 22_666_667]


def test_a_second_at_10_gbit_per_s_does_not_drift() -> None:
    # 833,333 full packets at 1.2 µs: bits times 10⁹ no longer fit 63 bits if summed up over it all
    n = 833_333
    fifo = Fifo(10_000 * MBIT, n)
    last = 0
    for start in range(0, n, 100_000):
        count = min(100_000, n - start)
        last = int(fifo.serve_train(np.zeros(count, dtype=np.int64), 1500)[-1])
    assert last == 833_333 * 1_200


def test_the_shortest_service_time_rounds_down() -> None:
    assert Fifo(3 * MBIT, 1).service_ns(52) == 138_666  # 416 bit / 3 Mbit/s = 138,666 2/3 ns


# --- the limit ---


def test_the_packet_in_service_counts_towards_the_limit() -> None:
    fifo = Fifo(100 * MBIT, 2)
    assert fifo.serve([0, 0, 0], [1500] * 3) == [120_000, 240_000, DROPPED]
    assert (fifo.accepted, fifo.drops, fifo.accepted_bytes) == (2, 1, 3000)


def test_a_slot_is_free_at_the_very_instant_of_a_departure() -> None:
    assert Fifo(100 * MBIT, 1).serve([0, 120_000], [1500] * 2) == [120_000, 240_000]


def test_a_slot_is_not_free_a_nanosecond_before_the_departure() -> None:
    assert Fifo(100 * MBIT, 1).serve([0, 119_999], [1500] * 2) == [120_000, DROPPED]


def test_the_train_form_agrees_on_the_instant_of_a_departure() -> None:
    for second, expected in ((120_000, 240_000), (119_999, DROPPED)):
        fifo = Fifo(100 * MBIT, 1)
        assert fifo.serve_train(np.array([0, second]), 1500).tolist() == [120_000, expected]


def test_a_dropped_packet_takes_no_time_on_the_line() -> None:
    fifo = Fifo(100 * MBIT, 1)
    assert fifo.serve([0, 1, 120_000], [1500] * 3) == [120_000, DROPPED, 240_000]
    assert fifo.last_ns == 240_000


@pytest.mark.parametrize("train", [False, True])
def test_of_a_burst_the_buffer_takes_what_it_holds(train: bool) -> None:
    fifo = Fifo(12 * MBIT, 33)  # 1 ms a packet
    burst = [5] * 100
    out = (
        fifo.serve_train(np.array(burst), 1500).tolist()
        if train
        else fifo.serve(burst, [1500] * 100)
    )
    assert out == [5 + 1_000_000 * k for k in range(1, 34)] + [DROPPED] * 67


# --- random loss ---


def test_a_randomly_lost_packet_never_reaches_the_queue() -> None:
    fifo = Fifo(100 * MBIT, 1, always_lost())
    assert fifo.serve([0, 0], [1500] * 2) == [LOST, LOST]
    assert (fifo.losses, fifo.drops, fifo.last_ns) == (2, 0, 0)


def test_syns_and_pure_acks_are_not_lost_at_random_and_draw_nothing() -> None:
    loss = always_lost()
    assert Fifo(100 * MBIT, 9, loss).serve([0, 0], [60, 52]) == [4_800, 8_960]
    assert loss.state == 0


def test_without_a_loss_model_nothing_is_lost() -> None:
    fifo = Fifo(100 * MBIT, 1000)
    assert LOST not in fifo.serve([0] * 1000, [1500] * 1000)
    assert fifo.losses == 0


# --- the closed form is the definition, whatever came before and however it is cut ---

arrivals = st.lists(
    st.one_of(st.integers(0, 3).map(lambda k: k * 1_000_000), st.integers(0, 1_500_000)),
    min_size=1,
    max_size=160,
).map(lambda gaps: np.cumsum(gaps).tolist())
rates = st.sampled_from([12 * MBIT, 7 * MBIT, 13_333_333, 100 * MBIT])


@pytest.mark.parametrize("cells", [False, True])
@settings(max_examples=120, deadline=None, derandomize=True)
@given(arrivals, rates, st.integers(1, 40), st.lists(st.integers(1, 60), max_size=8), st.data())
def test_serve_train_gives_what_serve_gives_for_any_arrivals_limit_and_cut(
    cells: bool,
    times: list[int],
    rate: int,
    limit: int,
    pieces: list[int],
    data: st.DataObject,
) -> None:
    lossy = data.draw(st.sampled_from([0.0, 0.1]))
    seed = data.draw(st.integers(0, 9))
    mixed = data.draw(st.booleans())
    size = st.sampled_from([52, 60, 700, 1500]) if mixed else st.just(1500)
    sizes = data.draw(st.lists(size, min_size=len(times), max_size=len(times)))
    one, other = (Fifo(rate, limit, BernoulliLoss(lossy, seed) if lossy else None) for _ in "ab")
    expected = one.serve(times, sizes)
    got: list[int] = []
    for piece in [*pieces, len(times)]:
        here = slice(len(got), len(got) + piece)
        if not times[here]:
            break
        if not data.draw(st.booleans()):
            got += other.serve(times[here], sizes[here])
        elif cells:
            each = Ints(sizes[here]) if mixed else None
            got += other.serve_cells(Ints(times[here]), 1500, each).tolist()
        else:
            column = np.array(sizes[here]) if mixed else None
            got += other.serve_train(np.array(times[here]), 1500, column).tolist()
    assert got == expected
    for name in ("last_ns", "remainder", "drops", "losses", "accepted", "accepted_bytes"):
        assert getattr(other, name) == getattr(one, name), name


def train(queue: Fifo, times: list[int], sizes: list[int]) -> list[int]:
    return queue.serve_train(np.array(times), 1500, np.array(sizes)).tolist()


def cells(queue: Fifo, times: list[int], sizes: list[int]) -> list[int]:
    return queue.serve_cells(Ints(times), 1500, Ints(sizes)).tolist()


@pytest.mark.parametrize("serve", [train, cells])
def test_packets_of_several_sizes_take_the_time_of_each(serve: Serve) -> None:
    # 1000 B, 500 B and 1500 B at 3 Mbit/s: 2,666,666 2/3 ns, 1,333,333 1/3 ns, 4 ms
    queue = Fifo(3 * MBIT, 2)
    out = serve(queue, [0, 0, 2_666_666], [1000, 500, 1500])
    assert out == [2_666_666, 4_000_000, 8_000_000]
    assert queue.accepted_bytes == 3000


@pytest.mark.parametrize("serve", [train, cells])
def test_small_packets_of_a_train_are_not_lost_at_random_and_draw_nothing(serve: Serve) -> None:
    loss = always_lost()
    queue = Fifo(100 * MBIT, 9, loss)
    assert serve(queue, [0, 0, 0], [60, 1500, 52]) == [4_800, LOST, 8_960]
    assert loss.state == BernoulliLoss(1.0, 0).state + GOLDEN


@settings(max_examples=60, deadline=None, derandomize=True)
@given(arrivals, st.integers(1, 40))
def test_never_more_than_the_limit_is_inside_and_order_is_kept(
    times: list[int], limit: int
) -> None:
    departures = Fifo(12 * MBIT, limit).serve(times, [1500] * len(times))
    accepted = [(a, d) for a, d in zip(times, departures, strict=True) if d != DROPPED]
    leaving = [d for _, d in accepted]
    assert leaving == sorted(leaving)
    for a, _ in accepted:
        assert sum(x <= a < y for x, y in accepted) <= limit
    for a, d in zip(times, departures, strict=True):
        if d == DROPPED:  # only ever from a full queue
            assert sum(x <= a < y for x, y in accepted) == limit
