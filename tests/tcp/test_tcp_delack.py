"""The delayed-ACK machine: each rule as a short episode, with times worked out from the kernel's.

Ticks are 4 ms and lie at 3.5 + 4k ms; a timer set so many ticks ahead fires when the tick after
that begins: one set at 10 ms, in the tick [7.5, 11.5), for 10 ticks fires at 51.5 ms.
"""

from __future__ import annotations

import pytest

from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.delack import Exchange
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.sock import UNBOUNDED
from tests.tcp.tcp_rig import MS


class Rig:
    """A receiver of one connection, and the ACKs that it has sent: (time [ms], packets)."""

    def __init__(self, quick: int = 0, rtt_ms: int = 0, rwnd: int = UNBOUNDED) -> None:
        self.receiver = Receiver(Host(), quick)
        self.exchange = self.receiver.exchange = Exchange()
        if rtt_ms:
            self.receiver.measured(rtt_ms * 1000, rwnd)
        self.rows = AckRows()

    def take(self, *packets: tuple[float, int]) -> list[tuple[float, int]]:
        """Let packets come at times [ms]; return the ACKs so far."""
        for t_ms, seq in packets:
            self.receiver.receive([round(t_ms * MS)], [seq], [round(t_ms * 1000)], self.rows)
        return self.acks

    def until(self, t_ms: float) -> list[tuple[float, int]]:
        """Let time pass; return the ACKs so far."""
        self.receiver.flush(round(t_ms * MS) + 1, self.rows)
        return self.acks

    @property
    def acks(self) -> list[tuple[float, int]]:
        return [(t / MS, number) for t, number, _, _ in self.rows]

    def due_ms(self) -> float:
        """Return when the ACK that waits is due."""
        return self.receiver.delack_ns / MS


def test_the_timeout_doubles_when_the_timer_fires_and_follows_the_gaps() -> None:
    # 10 ms: 10 ticks, 51.5 ms, missed: 20. 70 ms: 15 ticks later, fewer than 20: 20/2 + 15 = 25
    # ticks, from the tick that ends at 71.5 ms on.
    rig = Rig()
    assert rig.take((10, 0), (70, 1)) == [(51.5, 1)]
    assert rig.receiver.ato == 25
    assert rig.due_ms() == 171.5
    assert rig.take((75, 2)) == [(51.5, 1), (75, 3)]  # the second packet never waits


def test_the_timeout_is_bounded_by_the_round_trip() -> None:
    # As above, but an RTT of 48 ms is known: 12 ticks.
    rig = Rig(rtt_ms=48)
    rig.take((10, 0), (70, 1))
    assert rig.receiver.ato == 25
    assert rig.due_ms() == 71.5 + 48


def test_a_round_trip_below_40_ms_bounds_nothing() -> None:
    rig = Rig(rtt_ms=5)
    rig.take((10, 0), (70, 1))
    assert rig.due_ms() == 71.5 + 40


def test_the_timeout_is_200_ms_at_most() -> None:
    # Every 190 ms a packet: missed at 10, 20 and 40 ticks; the fourth comes 48 ticks after the
    # third, fewer than 80: 40 + 48 = 88, of which 50 count.
    rig = Rig()
    assert rig.take((10, 0), (200, 1), (390, 2)) == [(51.5, 1), (283.5, 2)]
    rig.take((580, 3))
    assert rig.acks[-1] == (551.5, 3)
    assert rig.receiver.ato == 88
    assert rig.due_ms() == 783.5


def test_packets_that_come_close_bring_the_timeout_back() -> None:
    # ato/2 + 5 for each: 25, 17, 13, 11, 10
    rig = Rig()
    rig.take((10, 0), (70, 1))
    seen = [rig.receiver.ato]
    for k in range(2, 6):
        rig.take((70 + 4 * k, k))
        seen.append(rig.receiver.ato)
    assert seen == [25, 17, 13, 11, 10]


def test_a_gap_beyond_the_timeout_and_within_the_rto_changes_nothing() -> None:
    rig = Rig(rtt_ms=40)
    rig.take((10, 0), (14, 1), (110, 2))  # 24 or 25 ticks: more than 10, fewer than 60
    assert rig.receiver.ato == 10
    assert rig.due_ms() == 111.5 + 40


@pytest.mark.parametrize(
    ("rtt_ms", "silence_ms", "prompt"),
    [
        (40, 240, False),  # RTO = 40 + 200 ms, 60 ticks: 60 are not more
        (40, 245, True),  # 61
        (100, 300, False),  # RTO = 100 + 200 ms, 75 ticks
        (100, 305, True),
        (200, 600, False),  # RTO = 200 + 2 * 200 ms
        (200, 605, True),
    ],
)
def test_after_a_silence_beyond_the_receivers_own_rto_acks_are_quick(
    rtt_ms: int, silence_ms: int, prompt: bool
) -> None:
    rig = Rig(rtt_ms=rtt_ms)
    rig.take((8, 0), (9, 1))
    rig.take((9 + silence_ms, 2))
    assert (rig.acks[-1] == (9 + silence_ms, 3)) is prompt


def test_without_a_measured_round_trip_the_rto_is_a_second() -> None:
    rig = Rig()
    rig.take((8, 0), (9, 1), (1009, 2))
    assert rig.acks == [(9, 2)]
    rig.until(1100)
    rig.take((2110, 3))
    assert rig.acks[-1] == (2110, 4)


def test_quick_acks_after_a_silence_are_sixteen() -> None:
    rig = Rig(rtt_ms=40)
    rig.take((8, 0), (9, 1))
    rig.take(*((1000 + k, 2 + k) for k in range(20)))
    # 16 one by one, then every second
    assert [number for _, number in rig.acks] == [2, *range(3, 19), 20, 22]


def test_a_small_window_allows_fewer_quick_acks() -> None:
    rig = Rig(rtt_ms=40, rwnd=8)  # half of the window's packets
    rig.take((8, 0), (9, 1))
    rig.take(*((1000 + k, 2 + k) for k in range(8)))
    assert [number for _, number in rig.acks] == [2, 3, 4, 5, 6, 8, 10]


def test_the_timeout_falls_back_when_quick_mode_ends() -> None:
    rig = Rig(quick=1)
    rig.receiver.ato = 40
    rig.take((10, 0))
    assert rig.acks == [(10, 1)]
    assert rig.receiver.ato == 10


def test_a_duplicate_below_the_last_ack_is_answered_apart_from_the_quick_acks() -> None:
    # tcp_send_dupack: no ACK is scheduled, so none of the 16 is used up.
    rig = Rig()
    rig.take((8, 0), (9, 1), (20, 0))
    assert rig.acks == [(9, 2), (20, 2)]
    rig.take(*((30 + k, 2 + k) for k in range(18)))
    assert [number for _, number in rig.acks[2:]] == [*range(3, 19), 20]


def test_a_duplicate_of_the_packet_acknowledged_last_uses_up_a_quick_ack() -> None:
    # tcp_data_queue: it is not wholly below the last ACK; inet_csk_schedule_ack.
    rig = Rig()
    rig.take((8, 0), (9, 1), (20, 1))
    rig.take(*((30 + k, 2 + k) for k in range(17)))
    assert [number for _, number in rig.acks[2:]] == [*range(3, 18), 19]


def test_a_duplicate_beyond_a_gap_brings_no_quick_acks() -> None:
    rig = Rig()
    rig.take((8, 0), (9, 1), (20, 3), (21, 3), (22, 2))
    assert rig.acks == [(9, 2), (20, 2), (21, 2), (22, 4)]
    rig.take((23, 4))
    assert rig.due_ms() == 23.5 + 40
    assert rig.receiver.quick == 0


def test_out_of_order_data_is_answered_at_once_and_says_nothing_of_gaps() -> None:
    # tcp_data_queue_ofo does not call tcp_event_data_recv: the silence is that from 9 to 300 ms.
    rig = Rig(rtt_ms=40)
    rig.take((8, 0), (9, 1), (250, 3))
    assert rig.acks[-1] == (250, 2)
    assert rig.receiver.quick == 0
    rig.take((300, 2))
    assert rig.acks[-1] == (300, 4)  # the gap is filled: at once in any case
    assert rig.receiver.quick == 15


def response(rig: Rig, t_ms: float, seq: int, think_ms: float) -> list[tuple[float, int]]:
    """Let a response of one packet come, after which the client thinks."""
    rig.receiver.pushed.add(seq)
    rig.exchange.packets = seq + 1
    rig.exchange.think_ns = round(think_ms * MS)
    return rig.take((t_ms, seq))


def test_the_end_of_a_write_is_acknowledged_as_it_is_read() -> None:
    rig = Rig()
    assert response(rig, 10, 0, 1000) == [(10, 1)]


def test_a_client_that_answers_soon_lets_acks_ride_on_its_requests() -> None:
    rig = Rig()
    assert response(rig, 10, 0, 5) == [(10, 1)]  # not in ping-pong mode yet
    assert rig.exchange.asked_ns == 15 * MS
    assert rig.receiver.pingpong == 1
    assert response(rig, 30, 1, 5) == [(10, 1)]
    assert rig.due_ms() == 35
    assert rig.until(35) == [(10, 1), (35, 2)]
    assert rig.receiver.pingpong == 2


def test_a_client_that_answers_late_never_enters_ping_pong_mode() -> None:
    # An answer 10 ticks or more after the data is none: 10 ms is in tick 1, 51.5 ms in tick 12.
    rig = Rig()
    response(rig, 10, 0, 41.5)
    assert rig.receiver.pingpong == 0
    assert response(rig, 100, 1, 5) == [(10, 1), (100, 2)]


def test_a_client_that_thinks_longer_than_the_timer_leaves_ping_pong_mode() -> None:
    rig = Rig()
    response(rig, 10, 0, 5)
    response(rig, 60, 1, 100)
    assert rig.due_ms() == 63.5 + 40
    assert rig.until(200) == [(10, 1), (103.5, 2)]
    assert rig.receiver.pingpong == 0
    assert rig.exchange.asked_ns == 160 * MS
    assert response(rig, 300, 2, 5)[-1] == (300, 3)  # at once again


def test_ping_pong_mode_overrules_quick_acks_and_a_duplicate_ends_it() -> None:
    rig = Rig(quick=100)
    response(rig, 10, 0, 5)
    assert response(rig, 30, 1, 5) == [(10, 1)]
    rig.until(35)
    rig.take((40, 0))  # a DSACK
    assert rig.receiver.pingpong == 0
    assert rig.take((41, 2))[-1] == (41, 3)


def test_a_response_that_fills_a_gap_is_complete_too() -> None:
    rig = Rig()
    rig.receiver.pushed.add(1)
    rig.exchange.packets, rig.exchange.think_ns = 2, 5 * MS
    assert rig.take((10, 1), (20, 0)) == [(10, 0), (20, 2)]
    assert rig.exchange.asked_ns == 25 * MS
    assert rig.receiver.delack_ns == NEVER


def test_a_faster_tick_has_the_same_times() -> None:
    # HZ = 1000: 40 ticks of 1 ms and one; gaps up to 20 ms are close.
    receiver = Receiver(Host(hz=1000, jiffies0_ns=0), 0)
    rows = AckRows()
    receiver.receive([10 * MS], [0], [0], rows)
    assert receiver.delack_ns == 51 * MS
    assert receiver.near_ns == 20 * MS
