"""The emulated path: departures, drops, delays and marks by hand, and as the simulator's queue."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccsim.linux.bottleneck import Bottleneck
from ccsim.linux.packets import FlowDelays, with_ce
from ccsim.net.fifo import DROPPED, LOST, Fifo
from ccsim.net.loss import BernoulliLoss

MS = 1_000_000
PATH: dict[str, Any] = {
    "rate_bps": 12_000_000,  # 1500 bytes take 1 ms
    "buffer_packets": 2,
    "loss_probability": 0.0,
    "loss_seed": 1,
    "ecn_mark_packets": None,
    "ecn_mark_ns": None,
}


def packet(size: int = 1500, ecn: int = 0) -> bytes:
    """Return an IPv4 packet with a valid header checksum."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, ecn, size, 7, 0, 64, 6, 0, bytes(4), bytes(4))
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + bytes(size - 20)


def checksum(head: bytes) -> int:
    """Return the Internet checksum of a header whose own is zero (RFC 1071)."""
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def bottleneck(ways: int = 1, **path: Any) -> Bottleneck:
    delays = [FlowDelays((0, 10 * MS, 20 * MS), None, 0) for _ in range(ways)]
    return Bottleneck({**PATH, **path}, delays, 10 * MS)


def test_a_packet_arrives_after_its_service_and_the_delay_behind_the_queue() -> None:
    path = bottleneck()
    path.forward(5 * MS, 0, packet())
    assert path.due(15 * MS) == []
    assert path.next_ns() == 16 * MS  # 5 + 1 + 10
    ((t, to_receiver, flow, _),) = path.due(16 * MS)
    assert (t, to_receiver, flow) == (16 * MS, True, 0)
    assert path.next_ns() is None


def test_lateness_does_not_accumulate() -> None:
    """Three packets that came together are read, and carried, 40 ms late: their times are those
    of a path that was never late."""
    path = bottleneck(buffer_packets=10)
    for _ in range(3):
        path.forward(0, 0, packet())
    assert [t for t, *_ in path.due(40 * MS)] == [11 * MS, 12 * MS, 13 * MS]


def test_a_full_queue_drops_and_a_departure_makes_room_at_its_instant() -> None:
    path = bottleneck()
    for t in (0, 0, 0, 1 * MS):
        path.forward(t, 0, packet())
    path.due(20 * MS)
    assert path.drops == [(0, 0, 0)]  # the third of the three at once; the fourth found room
    path.sample_until(10 * MS)
    assert path.samples == [(0, 2, 1, 0, 0), (10 * MS, 0, 1, 0, 4500)]


def test_the_way_before_the_queue_orders_packets_by_their_arrival_there() -> None:
    near, far = FlowDelays((0, 0, 0), None, 0), FlowDelays((3 * MS, 0, 0), None, 0)
    path = Bottleneck(PATH, [near, far], 10 * MS)
    path.forward(0, 1, packet())  # reaches the queue at 3 ms
    path.forward(2 * MS, 0, packet())
    assert [(t, flow) for t, _, flow, _ in path.due(9 * MS)] == [(3 * MS, 0), (4 * MS, 1)]


def test_acks_wait_for_their_slot_but_a_handshake_does_not() -> None:
    way = FlowDelays((0, 0, 20 * MS), None, 4 * MS)
    path = Bottleneck(PATH, [way], 10 * MS)
    for spared in (False, True):
        path.back(1 * MS, 0, packet(52), spared=spared)
    assert [t for t, *_ in path.due(30 * MS)] == [21 * MS, 24 * MS]


def test_acks_are_lost_one_draw_each_and_a_handshake_draws_none() -> None:
    way = FlowDelays((0, 0, 0), BernoulliLoss(0.5, 9), 0)
    expected = [not lost for lost in BernoulliLoss(0.5, 9).draws(20)]
    path = Bottleneck(PATH, [way], 10 * MS)
    arrived = []
    for k in range(20):
        path.back(2 * k * MS, 0, packet(52), spared=True)
        path.back((2 * k + 1) * MS, 0, packet(52), spared=False)
        got = path.due((2 * k + 1) * MS)
        arrived.append(len(got) == 2)
    assert arrived == expected
    assert 2 < sum(arrived) < 18


def test_what_finds_more_than_the_threshold_is_marked_if_it_is_capable() -> None:
    path = bottleneck(buffer_packets=10, ecn_mark_packets=1)
    for ecn in (2, 2, 2, 0):  # ECT(0) but for the last
        path.forward(0, 0, packet(ecn=ecn))
    codes = [data[1] & 3 for *_, data in path.due(30 * MS)]
    assert codes == [2, 2, 3, 0]  # two packets ahead of the third, three ahead of the last
    assert [flow for _, flow in path.marks] == [0]


def test_what_waits_longer_than_the_threshold_is_marked() -> None:
    path = bottleneck(buffer_packets=10, ecn_mark_ns=1 * MS)
    for _ in range(3):
        path.forward(0, 0, packet(ecn=1))
    assert [data[1] & 3 for *_, data in path.due(30 * MS)] == [1, 1, 3]  # waits of 0, 1, 2 ms


@given(size=st.integers(20, 1500), ecn=st.sampled_from([1, 2]))
def test_a_marked_packet_keeps_a_checksum_that_fits(size: int, ecn: int) -> None:
    marked = with_ce(packet(size, ecn))
    head = marked[:10] + b"\0\0" + marked[12:20]
    assert marked[1] & 3 == 3
    assert int.from_bytes(marked[10:12], "big") == checksum(head)
    assert marked[20:] == packet(size, ecn)[20:]


@given(
    gaps=st.lists(st.integers(0, 3 * MS), min_size=1, max_size=60),
    sizes=st.lists(st.sampled_from([52, 60, 700, 1500]), min_size=60, max_size=60),
    limit=st.integers(1, 8),
    loss=st.sampled_from([0.0, 0.3]),
    hurry=st.integers(MS // 2, 20 * MS),
)
def test_departures_and_drops_are_those_of_the_simulators_queue(
    gaps: list[int], sizes: list[int], limit: int, loss: float, hurry: int
) -> None:
    """However seldom the emulator wakes, ``hurry`` ns apart."""
    arrivals = [sum(gaps[: k + 1]) for k in range(len(gaps))]
    fifo = Fifo(PATH["rate_bps"], limit, BernoulliLoss(loss, 4) if loss else None)
    expected = fifo.serve(arrivals, sizes[: len(arrivals)])
    path = bottleneck(buffer_packets=limit, loss_probability=loss, loss_seed=4)
    for t, size in zip(arrivals, sizes, strict=False):
        path.forward(t, 0, packet(max(size, 20)))
    seen = []
    for now in range(0, arrivals[-1] + 200 * MS, hurry):
        seen += path.due(now)
    seen += path.due(arrivals[-1] + 400 * MS)
    assert [t - 10 * MS for t, *_ in seen] == [t for t in expected if t >= 0]
    refused = [(t, int(d == LOST)) for t, d in zip(arrivals, expected, strict=True) if d < 0]
    assert [(t, random) for t, _, random in path.drops] == refused
    assert expected.count(DROPPED) == fifo.drops
