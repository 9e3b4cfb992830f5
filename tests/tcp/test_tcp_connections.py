"""Whole connections whose every instant can be worked out: 12 Mbit/s, 20 ms there and back.

A full packet takes 1 ms on the line, a SYN of 60 B 40 µs, an ACK of 52 B 34,666 2/3 ns.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from ccsim.net.fifo import DROPPED
from ccsim.sim.world import World
from tests.sim.sim_rig import MS, S, at, flow_of, run, scenario_of

PATH = "path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 50 packets}\n"


def test_a_short_finite_flow_ends_when_the_ack_of_its_last_byte_arrives() -> None:
    # SYN-ACK 20.04 ms; the ACK leaves the line at 20.074666, the packets at 21.074666, 22.074666
    # and, 500 + 52 B being 368 µs, 22.442666 ms; 20 ms later the last ACK is there
    flows = "flows:\n  - {name: f, congestion: cubic, size: 3396 B}\n"
    flow = flow_of(run(f"duration: 1 s\n{PATH}{flows}record: {{interval: 1 ms}}\n"), "f")
    assert flow.end_ns == 42_442_666
    assert flow.counters["packets_sent"] == 6  # SYN, ACK, three packets and the FIN
    # the samples: the first packet's ACK comes at 41.07, the second's at 42.07 ms
    assert int(flow.t_ns[-1]) == 42 * MS
    assert flow.delivered_bytes[-2:].tolist() == [0, 1448]


@pytest.mark.parametrize(
    ("size", "end_ns"),
    [
        (1, 20_040_000 + 34_666 + 35_334 + 20_000_000 + 0),  # 53 B: 35,333 1/3, and 2/3 carried
        (1448, 20_040_000 + 34_666 + 1_000_000 + 20_000_000),
        (14480, 20_040_000 + 34_666 + 10_000_000 + 20_000_000),  # the whole initial window
    ],
)
def test_flows_within_the_initial_window_take_two_round_trips(size: int, end_ns: int) -> None:
    flows = f"flows:\n  - {{name: f, congestion: reno, size: {size} B}}\n"
    assert flow_of(run(f"duration: 1 s\n{PATH}{flows}"), "f").end_ns == end_ns


def test_an_eleventh_packet_takes_a_third_round_trip() -> None:
    # the first ACK, at 41.074666 ms, lets it out; the line is free from 30.074666 ms on
    flows = "flows:\n  - {name: f, congestion: reno, size: 15928 B}\n"
    end_ns = flow_of(run(f"duration: 1 s\n{PATH}{flows}"), "f").end_ns
    assert end_ns == 41_074_666 + 1_000_000 + 20_000_000


def test_a_full_packet_that_ends_a_write_is_acknowledged_as_it_is_read() -> None:
    # it bears PSH (tcp_measure_rcv_mss, tcp_cleanup_rbuf): it arrives at 31.0746 ms, and its ACK
    # 10 ms later, without the delayed-ACK timer
    source = "source: {write: 1448 B, every: 500 ms}"
    flows = f"flows:\n  - {{name: f, congestion: reno, {source}}}\ntcp: {{quickacks: 0}}\n"
    flow = flow_of(run(f"duration: 1 s\n{PATH}{flows}record: {{interval: 500 us}}\n"), "f")
    assert at(flow, "in_flight", 41 * MS) == 1
    assert at(flow, "in_flight", 41_500_000) == 0


def test_the_fin_spares_the_last_packet_the_timer() -> None:
    # it follows the packet at once, takes 34.667 us on the line, and is acknowledged at once
    flows = "flows:\n  - {name: f, congestion: reno, size: 1448 B}\ntcp: {quickacks: 0}\n"
    result = run(f"duration: 1 s\n{PATH}{flows}")
    assert flow_of(result, "f").end_ns == 41_109_333
    assert [e.t_ns for e in result.events if e.kind == "end"] == [41_109_333]


def test_a_fin_waits_for_the_window_and_does_not_count_as_data() -> None:
    # Ten packets fill the window, so the FIN leaves when the first is acknowledged, at 41.074666
    # ms, 34.667 us on a line that is free; the data is acknowledged at 50.07, the FIN at 61.11 ms.
    flows = "flows:\n  - {name: f, congestion: reno, size: 14480 B}\n"
    result = run(f"duration: 1 s\n{PATH}{flows}record: {{interval: 1 ms}}\n")
    flow = flow_of(result, "f")
    assert flow.end_ns == 50_074_666
    assert [e.t_ns for e in result.events if e.kind == "end"] == [61_109_333]
    assert flow.counters["packets_sent"] == 2 + 10 + 1
    assert int(flow.delivered_bytes[-1]) == 14_480
    assert int(flow.throughput_bps.sum()) * MS // (8 * S) == 14_480
    assert int(result.links[0].departed_bytes[-1]) == 60 + 52 + 10 * 1500 + 52


def test_the_last_of_more_packets_than_fit_bears_the_fin() -> None:
    flows = "flows:\n  - {name: f, congestion: reno, size: 15928 B}\n"
    result = run(f"duration: 1 s\n{PATH}{flows}")
    flow = flow_of(result, "f")
    assert flow.counters["packets_sent"] == 2 + 11
    assert [e.t_ns for e in result.events if e.kind == "end"] == [flow.end_ns]


def test_a_finite_flow_that_is_stopped_ends_before_all_is_written() -> None:
    flows = "flows:\n  - {name: f, congestion: reno, size: 100 MB, stop: 300 ms}\n"
    result = run(f"duration: 1 s\n{PATH}{flows}record: {{interval: 50 us}}\n")
    flow = flow_of(result, "f")
    (closed,) = [e.t_ns for e in result.events if e.kind == "end"]
    assert flow.end_ns is not None
    assert 300 * MS < flow.end_ns < closed < 400 * MS
    sent = flow.counters["packets_sent"] - flow.counters["retransmissions"]
    assert sent == 2 + int(flow.delivered_bytes[-1]) // 1448 + 1


@pytest.mark.pure
def test_a_fin_that_is_lost_is_sent_again_until_it_is_acknowledged() -> None:
    text = f"duration: 4 s\n{PATH.replace('packets', 'packets, loss: 0 %')}"
    flows = "flows:\n  - {name: f, congestion: reno, stop: 300 ms}\n"
    world = World(scenario_of(text + flows))
    assert world.link is not None
    fifo = world.link.fifo
    serve = fifo.serve
    dropped: list[int] = []

    def serve_all_but_the_first_fin(arrivals: list[int], sizes: list[int]) -> list[int]:
        departures = serve(arrivals, sizes)
        if arrivals[0] >= 300 * MS and 52 in sizes and not dropped:
            dropped.append(departures[sizes.index(52)])
            departures[sizes.index(52)] = DROPPED
        return departures

    fifo.serve = serve_all_but_the_first_fin  # type: ignore[method-assign,assignment]
    world.run()
    flow = world.flows[0]
    assert dropped
    assert flow.application.completed_ns is not None
    assert flow.closed_ns is not None
    # a probe after two round trips and more, or the RTO: at least 200 ms later, and then closed
    assert flow.closed_ns > flow.application.completed_ns + 20 * MS
    assert flow.sk.total_retrans >= 1


def test_the_window_begins_with_ten_packets() -> None:
    flows = "flows:\n  - {name: f, congestion: cubic}\nrecord: {interval: 1 ms}\n"
    flow = flow_of(run(f"duration: 100 ms\n{PATH}{flows}"), "f")
    assert at(flow, "in_flight", 20 * MS) == 0
    assert at(flow, "in_flight", 21 * MS) == 10
    assert at(flow, "snd_cwnd", 41 * MS) == 10
    assert at(flow, "snd_cwnd", 42 * MS) == 11


def test_a_lost_syn_is_sent_again_after_a_second() -> None:
    # the other flow's SYN fills the only slot; the timer of 1 s, set at 0, fires on the line at
    # 1007.5 ms; then SYN 40 µs, 20 ms, ACK, packet, 20 ms
    path = "path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 1 packet}\n"
    flows = (
        "flows:\n  - {name: a, congestion: reno, size: 1 B}\n"
        "  - {name: b, congestion: reno, size: 1 B}\n"
    )
    result = run(f"duration: 4 s\n{path}{flows}")
    assert result.links[0].drop_flow[0] == 1
    end_ns = flow_of(result, "b").end_ns
    assert end_ns is not None
    assert end_ns > 1_007_500_000 + 40_000 + 20_000_000
    # with a buffer of one packet the data and the FIN behind the ACK are lost as well


def test_a_syn_that_was_retransmitted_gives_no_rtt_sample() -> None:
    # RTT 1.2 s: the second SYN leaves at 1007.5 ms, the answer to the first comes at 1200.04 ms
    path = "path: {rate: 12 Mbit/s, rtt: 1200 ms, buffer: 50 packets}\n"
    text = f"duration: 3 s\n{path}flows:\n  - {{name: f, congestion: reno}}\n"
    flow = flow_of(run(text + "record: {interval: 1 ms}\n"), "f")
    assert at(flow, "in_flight", 1_201 * MS) == 10
    assert at(flow, "srtt_us", 2_401 * MS) == 0
    assert at(flow, "srtt_us", 2_402 * MS) == 1_201_034


def test_when_all_is_lost_timeouts_back_off_exponentially() -> None:
    text = f"duration: 20 s\n{PATH.replace('packets', 'packets, loss: 100 %')}"
    result = run(text + "flows:\n  - {name: f, congestion: cubic}\n")
    rtos = [e for e in result.events if e.kind == "rto"]
    assert [e.detail["backoff"] for e in rtos] == list(range(len(rtos)))
    assert len(rtos) == 6
    # RTT 20.04 ms, so 220.04 ms: 56 ticks, 224 ms; doubled each time, late by the wheel's grid
    for k, (early, late) in enumerate(pairwise(rtos)):
        rto_ms = 224 << (k + 1)
        grid_ms = 32 if rto_ms < 2016 else 256
        assert rto_ms - 8 <= (late.t_ns - early.t_ns) / MS <= rto_ms + grid_ms
    flow = flow_of(result, "f")
    assert int(flow.delivered_bytes[-1]) == 0
    assert flow.end_ns is None
    assert int(flow.snd_cwnd[-1]) == 1
    assert flow.counters["rtos"] == 6


def test_a_buffer_of_one_packet_still_delivers() -> None:
    path = "path: {rate: 2 Mbit/s, rtt: 20 ms, buffer: 1 packet}\n"
    result = run(f"duration: 20 s\n{path}flows:\n  - {{name: f, congestion: reno}}\n")
    flow = flow_of(result, "f")
    assert flow.counters["retransmissions"] > 100
    assert int(flow.delivered_bytes[-1]) * 8 / 20 > 0.3e6
    assert int(result.links[0].queue_packets.max()) == 1


def test_a_flow_that_stops_ends_when_all_it_wrote_is_acknowledged() -> None:
    flows = "flows:\n  - {name: f, congestion: reno, stop: 500 ms}\n"
    flow = flow_of(run(f"duration: 2 s\n{PATH}{flows}"), "f")
    assert flow.end_ns is not None
    # at most 20 ms of path and 50 ms of queue, and a delayed ACK
    assert 500 * MS < flow.end_ns < 500 * MS + 20 * MS + 50 * MS + 44 * MS
    assert int(flow.t_ns[-1]) < 1 * S
