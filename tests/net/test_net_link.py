"""The link: how it merges flows, hands departures back, logs drops and samples its queue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.net import batch as batch_module
from ccsim.net import link as link_module
from ccsim.net.batch import Batch
from ccsim.net.fifo import DROPPED, LOST, Fifo
from ccsim.net.link import ACK_SEQ, SYN_SEQ, Link
from ccsim.net.loss import BernoulliLoss

MS = 1_000_000
RATE_BPS = 12_000_000  # a full packet a millisecond


def make_link(*, limit: int = 100, vector: bool = False, rows: int = 1, loss: float = 0.0) -> Link:
    fifo = Fifo(RATE_BPS, limit, BernoulliLoss(loss, 7) if loss else None)
    return Link(fifo, 1448, 10 * MS, vector=vector, vector_rows=rows)


def batch(flow: int, times: list[int], odd: dict[int, int] | None = None) -> Batch:
    return Batch(flow, list(times), list(range(len(times))), odd or {}, [])


def departures(batches: list[Batch]) -> list[list[int]]:
    return [np.asarray(one.departures).tolist() for one in batches]


@pytest.mark.parametrize("vector", [False, True])
def test_flows_are_served_in_order_of_arrival(vector: bool) -> None:
    #  flow 0   0───────2 ms
    #  flow 1       1 ms
    link = make_link(vector=vector)
    both = [batch(0, [0, 2 * MS]), batch(1, [1 * MS])]
    link.transmit(both, 10 * MS)
    assert departures(both) == [[1 * MS, 3 * MS], [2 * MS]]


@pytest.mark.parametrize("vector", [False, True])
def test_at_a_tie_the_flow_of_the_lower_index_comes_first_and_keeps_its_own_order(
    vector: bool,
) -> None:
    link = make_link(vector=vector)
    both = [batch(0, [0, 0]), batch(1, [0, 0])]
    link.transmit(both, 10 * MS)
    assert departures(both) == [[1 * MS, 2 * MS], [3 * MS, 4 * MS]]


@pytest.mark.parametrize("vector", [False, True])
def test_at_a_tie_for_the_last_slot_the_lower_index_wins(vector: bool) -> None:
    link = make_link(limit=3, vector=vector)
    both = [batch(0, [0, 0]), batch(1, [0, 0])]
    link.transmit(both, 10 * MS)
    assert departures(both) == [[1 * MS, 2 * MS], [3 * MS, DROPPED]]


def test_drops_are_logged_in_order_of_time_then_flow() -> None:
    link = make_link(limit=1)
    late = batch(0, [0, 500, 900])
    early = batch(1, [100, 500])
    link.transmit([late, early], 10 * MS)
    assert link.drop_log == [(100, 1, 0), (500, 0, 0), (500, 1, 0), (900, 0, 0)]


def test_random_losses_are_logged_as_such_and_counted_apart() -> None:
    link = make_link(loss=1.0)
    one = batch(0, [0, 5 * MS])
    link.transmit([one], 20 * MS)
    assert departures([one]) == [[LOST, LOST]]
    assert link.drop_log == [(0, 0, 1), (5 * MS, 0, 1)]
    assert link.samples == [(0, 0, 0, 1, 0), (10 * MS, 0, 0, 2, 0)]


def test_a_sample_sees_what_arrived_and_left_up_to_its_instant() -> None:
    # 12 packets at 0 leave at 1, 2, … 12 ms: at 10 ms the tenth has just left
    link = make_link()
    link.transmit([batch(0, [0] * 12)], 20 * MS + 1)
    assert link.samples == [
        (0, 12, 0, 0, 0),
        (10 * MS, 2, 0, 0, 15_000),
        (20 * MS, 0, 0, 0, 18_000),
    ]


def test_a_packet_that_arrives_at_the_instant_of_a_sample_is_in_the_queue() -> None:
    link = make_link()
    link.transmit([batch(0, [10 * MS])], 10 * MS + 1)
    assert link.samples[-1] == (10 * MS, 1, 0, 0, 0)


def test_samples_stop_before_the_end_of_the_window() -> None:
    link = make_link()
    link.transmit([], 10 * MS)
    assert [row[0] for row in link.samples] == [0]
    link.transmit([], 10 * MS + 1)
    assert [row[0] for row in link.samples] == [0, 10 * MS]


@pytest.mark.parametrize("vector", [False, True])
def test_short_packets_are_counted_with_their_own_bytes(vector: bool) -> None:
    # a SYN of 60 B (40 µs), a pure ACK of 52 B, a full packet and a last one of 552 B
    link = make_link(vector=vector)
    one = Batch(
        0, [0, 1 * MS, 2 * MS, 2 * MS], [SYN_SEQ, ACK_SEQ, 0, 1], {-1: 60, -2: 52, 1: 552}, []
    )
    link.transmit([one], 10 * MS + 1)
    # 416 bit / 12 Mbit/s = 34,666 2/3 ns; the 2/3 is carried, and 552 B take 368 µs
    assert departures([one]) == [[40_000, 1_034_666, 3_000_000, 3_368_000]]
    assert link.samples[-1] == (10 * MS, 0, 0, 0, 60 + 52 + 1500 + 552)


@pytest.mark.parametrize("vector", [False, True])
def test_a_short_packet_of_one_flow_is_served_between_anothers_full_ones(vector: bool) -> None:
    # 1500 B take 1 ms; the 60 B between them 40 µs, and lack 1440 B of a full packet's bytes
    link = make_link(vector=vector)
    both = [batch(0, [0, 2]), Batch(1, [1], [SYN_SEQ], {SYN_SEQ: 60}, [])]
    link.transmit(both, 10 * MS + 1)
    assert departures(both) == [[1 * MS, 2_040_000], [1_040_000]]
    assert link.samples[-1] == (10 * MS, 0, 0, 0, 3060)


def test_departures_of_earlier_windows_count_in_later_samples() -> None:
    # four windows, the queue 12 ms long: at 10 ms two are inside, at 20 ms only the last
    link = make_link()
    for start, count in ((0, 6), (1, 6), (2, 0), (19 * MS + 1, 1)):
        link.transmit([batch(0, [start] * count)] if count else [], start + 1)
    link.transmit([], 30 * MS)
    assert [row[:2] for row in link.samples] == [(0, 6), (10 * MS, 2), (20 * MS, 1)]


times = st.lists(st.integers(0, 60), max_size=40).map(lambda ks: sorted(k * MS // 2 for k in ks))


@pytest.mark.pure
@pytest.mark.parametrize("one_by_one", [False, True])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(times, min_size=1, max_size=3), st.integers(1, 12), st.sets(st.integers(1, 61)))
def test_cuts_and_closed_forms_do_not_show_in_departures_drops_or_samples(
    one_by_one: bool, flows: list[list[int]], limit: int, cuts: set[int]
) -> None:
    plain = make_link(limit=limit, loss=0.2)
    whole = [batch(k, ts) for k, ts in enumerate(flows) if ts]
    plain.transmit(whole, 40 * MS)
    other = make_link(limit=limit, loss=0.2, vector=True)
    parts: dict[int, list[int]] = {one.flow: [] for one in whole}
    start = 0
    with pytest.MonkeyPatch.context() as patch:
        for module in (link_module, batch_module):
            patch.setattr(module, "COMPILED", one_by_one)  # what compiled code does, not compiled
        for stop in [*sorted(cut * MS // 2 for cut in cuts), 40 * MS]:
            window = [batch(k, [t for t in ts if start <= t < stop]) for k, ts in enumerate(flows)]
            window = [one for one in window if one.seqs]
            other.transmit(window, stop)
            for one in window:
                parts[one.flow] += np.asarray(one.departures).tolist()
            start = stop
        other.pack(0)
    plain.pack(0)
    assert parts == {one.flow: np.asarray(one.departures).tolist() for one in whole}
    assert other.drop_log == plain.drop_log
    one_table, other_table = (next(iter(link.sampled.blocks())) for link in (plain, other))
    assert one_table.tolist() == other_table.tolist()
