"""Marking at a threshold: what a packet finds before it when it arrives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.net.batch import Batch
from ccsim.net.fifo import Fifo
from ccsim.net.link import SYN_SEQ, Link
from ccsim.net.marking import DelayStep, Marker, PacketStep

MS = 1_000_000
RATE_BPS = 12_000_000  # a full packet a millisecond


def make_link(
    marker: Marker | None, *, limit: int = 100, vector: bool = False, rate_bps: int = RATE_BPS
) -> Link:
    return Link(Fifo(rate_bps, limit), 1448, 10 * MS, vector=vector, vector_rows=1, marker=marker)


def batch(flow: int, times: list[int]) -> Batch:
    return Batch(flow, list(times), list(range(len(times))), {}, [])


def marks(one: Batch) -> list[bool]:
    assert one.marks is not None
    return [bool(mark) for mark in one.marks]


@pytest.mark.parametrize("vector", [False, True])
def test_a_packet_is_marked_that_finds_more_than_the_threshold(vector: bool) -> None:
    # Six at once: the first finds none, … the fourth three, the fifth four.
    one = batch(0, [0] * 6)
    make_link(PacketStep(3), vector=vector).transmit([one], 10 * MS)
    assert marks(one) == [False, False, False, False, True, True]


@pytest.mark.parametrize("vector", [False, True])
def test_a_threshold_of_nothing_marks_what_has_to_wait(vector: bool) -> None:
    # the second arrives while the first is served, the third at the instant the second leaves
    one = batch(0, [0, MS // 2, 2 * MS])
    make_link(PacketStep(0), vector=vector).transmit([one], 10 * MS)
    assert marks(one) == [False, True, False]


@pytest.mark.parametrize("vector", [False, True])
def test_the_packet_in_service_counts_until_it_leaves(vector: bool) -> None:
    # 0, 1 and 2 leave at 1, 2 and 3 ms. One nanosecond earlier there are two before the next one.
    for late, marked in ((-1, True), (0, False)):
        one = batch(0, [0, 0, 0, MS + late])
        make_link(PacketStep(2), vector=vector).transmit([one], 10 * MS)
        assert marks(one) == [False, False, False, marked]


@pytest.mark.parametrize("vector", [False, True])
def test_a_packet_is_marked_that_has_to_wait_longer_than_the_threshold(vector: bool) -> None:
    # waits of 0, 1, 2, 3 and 4 ms; the one at 2.5 ms finds the fifth, which leaves at 5 ms
    one = batch(0, [0, 0, 0, 0, 0, 2 * MS + MS // 2])
    make_link(DelayStep(2 * MS), vector=vector).transmit([one], 10 * MS)
    assert marks(one) == [False, False, False, True, True, True]


def test_what_is_dropped_is_not_marked() -> None:
    one = batch(0, [0] * 5)
    link = make_link(PacketStep(1), limit=3)
    link.transmit([one], 10 * MS)
    assert marks(one) == [False, False, True, False, False]
    assert link.fifo.drops == 2


def test_what_another_flow_has_queued_counts() -> None:
    both = [batch(0, [0, 2]), batch(1, [1, 3])]
    make_link(PacketStep(1)).transmit(both, 10 * MS)
    assert [marks(one) for one in both] == [[False, True], [False, True]]


def test_what_was_queued_in_an_earlier_window_counts() -> None:
    link = make_link(PacketStep(3))
    link.transmit([batch(0, [0, 0, 0, 0])], MS // 2)
    late = batch(0, [MS // 2, 3 * MS])
    link.transmit([late], 10 * MS)
    assert marks(late) == [True, False]  # four before it; then the last two


def test_short_packets_count_as_packets_and_as_their_own_time() -> None:
    # two SYNs of 40 µs each before a packet
    for marker, expected in (
        (PacketStep(1), True),
        (DelayStep(50_000), True),
        (DelayStep(80_000), False),
    ):
        one = Batch(0, [0, 0, 0], [SYN_SEQ, SYN_SEQ, 0], {SYN_SEQ: 60}, [])
        make_link(marker).transmit([one], 10 * MS)
        assert marks(one)[2] is expected


def test_a_link_without_a_marker_marks_nothing() -> None:
    one = batch(0, [0] * 50)
    make_link(None).transmit([one], 100 * MS)
    assert one.marks is None


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=120),
    st.integers(0, 8),
    st.integers(9, 20),
    st.lists(st.integers(1, 30), min_size=1, max_size=10),
)
def test_neither_cuts_nor_closed_forms_show_in_marks(
    gaps: list[int], threshold: int, limit: int, parts: list[int]
) -> None:
    # multiples of 0.1 ms: ties with departures, each 1 ms, are common
    times = np.cumsum(np.array(gaps) // 3 * 100_000).tolist()
    for marker in (PacketStep(threshold), DelayStep(threshold * MS)):
        whole = batch(0, times)
        make_link(marker, limit=limit, vector=True).transmit([whole], times[-1] + 1)
        link, cut, start = make_link(marker, limit=limit), [], 0
        for part in [*parts, len(times)]:
            piece = batch(0, times[start : start + part])
            if piece.arrivals:
                link.transmit([piece], piece.arrivals[-1] + 1)
                cut += marks(piece)
            start += part
        assert marks(whole) == cut
        found = [t for t, mark in zip(times, cut, strict=True) if mark]
        assert found == by_hand(times, marker, limit)


def by_hand(times: list[int], marker: Marker, limit: int) -> list[int]:
    """Return when marked packets arrive, from a queue that is walked packet by packet."""
    inside: list[int] = []
    found = []
    for t in times:
        inside = [departure for departure in inside if departure > t]
        if len(inside) == limit:
            continue
        if isinstance(marker, PacketStep):
            marked = len(inside) > marker.threshold
        else:
            assert isinstance(marker, DelayStep)
            marked = bool(inside) and inside[-1] - t > marker.threshold_ns
        if marked:
            found.append(t)
        inside.append(max(t, *inside, t) + MS)
    return found


@pytest.mark.parametrize(
    ("arrival", "marked"), [(50, True), (99, True), (100, False), (150, False)]
)
def test_the_first_place_of_the_queue_counts(arrival: int, marked: bool) -> None:
    """The packet ahead leaves at 100: who comes before that finds one packet, who comes then or
    later none."""
    queued, arrivals = np.array([100, 200]), np.array([0, arrival])
    found = PacketStep(0).marks(queued, arrivals, queued)
    assert list(found) == [False, marked]
