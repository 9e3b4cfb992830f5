"""Delivery traces in mahimahi's format, and the link that they drive: worked by hand."""

from __future__ import annotations

import pytest

from ccsim.net.delivery_trace import PRESETS, DeliveryTrace, TraceError, parse_trace, preset
from ccsim.net.qdisc import Draws, Packet, create, create_raw
from ccsim.net.trace_link import TraceLink

MS = 1_000_000


def departures(
    trace: DeliveryTrace, arrivals: list[tuple[int, int]], until_ms: int
) -> list[tuple[int, int]]:
    """Send packets of (ms, bytes), numbered from 1; return (number, ms) of those that left."""
    link = TraceLink(trace, create_raw("mm_droptail", {}, 0, Draws(1)))
    for number, (at_ms, size) in enumerate(arrivals, 1):
        link.arrive(Packet(number, size), at_ms * MS)
    link.advance(until_ms * MS)
    return [(packet.number, at // MS) for at, packet in link.departures]


def test_a_packet_uses_later_opportunities_than_its_arrival_and_shares_or_spans_them() -> None:
    # 1 3 3 8 10, again from 10 on: 11 13 13 18 20
    arrivals = [(0, 1504), (0, 704), (1, 904), (2, 1504), (3, 504)]
    arrivals += [(9, 1504), (9, 104), (10, 1504), (12, 54)]
    assert departures(DeliveryTrace((1, 3, 3, 8, 10)), arrivals, 40) == [
        *((1, 1), (2, 3), (3, 3), (4, 8), (5, 8), (6, 10), (7, 11), (8, 13), (9, 13))
    ]


def test_lines_of_zero_coincide_with_the_last_line_of_the_cycle_before() -> None:
    # 0 0 5: at 0 nothing is there yet; at 5 there are three opportunities
    arrivals = [(0, 1504), (0, 1504), (1, 1504), (5, 1504)]
    assert departures(DeliveryTrace((0, 0, 5)), arrivals, 12) == [(1, 5), (2, 5), (3, 5), (4, 10)]


def test_after_the_last_line_of_a_trace_that_does_not_repeat_nothing_leaves() -> None:
    once = DeliveryTrace((1, 3, 3, 8, 10), repeat=False)
    assert departures(once, [(9, 1504), (9, 1504), (10, 1504)], 10_000) == [(1, 10)]


def test_a_drop_head_queue_makes_room_at_its_head() -> None:
    queue = create("mm_drophead", {"bytes": "3100 bytes"}, 0, Draws(1))
    for number in (1, 2, 3):
        queue.enqueue(Packet(number, 1504), 0)
    assert [packet.number for packet in queue.dropped] == [1]
    queue.enqueue(Packet(4, 3200), 0)  # exceeds the limit alone
    assert [packet.number for packet in queue.dropped] == [1, 2, 3, 4]
    assert (queue.qlen, queue.backlog) == (0, 0)


def test_a_drop_tail_queue_refuses_by_packets_or_bytes() -> None:
    queue = create("mm_droptail", {"packets": 2, "bytes": "100 bytes"}, 0, Draws(1))
    verdicts = [queue.enqueue(Packet(k, size), 0) for k, size in enumerate((60, 50, 40, 1))]
    assert verdicts == [0, 1, 0, 1]


def test_the_number_of_opportunities_up_to_an_instant_is_counted_over_cycles() -> None:
    trace = DeliveryTrace((0, 0, 5))
    # 0 0 5 5 5 10 10 10 ...
    assert [trace.first_after(t) for t in (0, 4, 5, 9, 10)] == [2, 2, 5, 5, 8]
    assert [trace.opportunity_ms(k) for k in range(9)] == [0, 0, 5, 5, 5, 10, 10, 10, 15]
    once = DeliveryTrace((0, 0, 5), repeat=False)
    assert [once.first_after(t) for t in (0, 5, 100)] == [2, 3, 3]
    assert once.opportunity_ms(3) is None


@pytest.mark.parametrize(
    ("name", "lines", "mbps"),
    [("lte.down", 41_060, 8.23), ("wifi.down", 165_910, 33.27), ("starlink.down", 196_162, 39.34)],
)
def test_the_synthetic_traces_are_a_minute_long(name: str, lines: int, mbps: float) -> None:
    trace = preset(name)
    assert len(trace.lines) == lines
    assert trace.lines[-1] == 60_000
    assert round(trace.mean_rate_bps() / 1e6, 2) == mbps
    assert name in PRESETS


def test_the_starlink_trace_is_silent_at_its_handovers() -> None:
    lines = set(preset("starlink.down").lines)
    for start, end in ((15_000, 15_043), (30_000, 30_097), (45_000, 45_080)):
        assert not lines & set(range(start + 1, end))
        assert end in lines


def test_a_trace_is_read_from_its_text() -> None:
    assert parse_trace("1\n3\n3\n", "t").lines == (1, 3, 3)
    assert parse_trace("1\r\n3\r\n", "t").lines == (1, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t: expected 1 to 10000000 lines, got 0"),
        ("1\n\n3\n", 't:2: expected a whole number of milliseconds, got ""'),
        ("1.5\n", 't:1: expected a whole number of milliseconds, got "1.5"'),
        ("-1\n", 't:1: expected a whole number of milliseconds, got "-1"'),
        ("٣\n", "t:1: expected a whole number of milliseconds"),
        ("99999999999999\n", "t:1: expected a whole number of milliseconds"),
        ("5\n4\n", "t:2: expected at least the line before, 5, got 4"),
        ("0\n0\n", "t:2: expected a last line of more than 0, the length of a cycle, got 0"),
    ],
)
def test_a_trace_that_breaks_the_format_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(TraceError) as error:
        parse_trace(text, "t")
    assert message in str(error.value)


def test_a_trace_that_is_not_shipped_is_an_error_and_never_a_path() -> None:
    with pytest.raises(TraceError, match=r"expected one of lte\.down.*got \"\.\./lte\.down\""):
        preset("../lte.down")
    with pytest.raises(TraceError, match="last line is more than 0"):
        preset("lte.down", until_ms=0)
