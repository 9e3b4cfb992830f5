"""The receiver: delayed and quick ACKs, SACK and DSACK blocks of RFC 2018 and RFC 2883.

Numbers are packets; where an RFC's example has segments of 500 bytes, packet k is byte 500 k.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.ints import Ints
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.receiver_train import plain_prefix, receive_train
from tests.tcp.tcp_rig import MS


def receive(
    receiver: Receiver, *packets: tuple[int, int]
) -> list[tuple[int, int, tuple[tuple[int, int], ...] | None]]:
    """Give (time [ms], packet) to a receiver; return the ACKs as (time [ms], number, blocks)."""
    acks = AckRows()
    for t_ms, seq in packets:
        receiver.receive([t_ms * MS], [seq], [t_ms * 1000 - 500], acks)
    return [(t // MS, number, blocks) for t, number, _, blocks in acks]


def receiver_at(rcv_nxt: int, quick: int = 0) -> Receiver:
    receiver = Receiver(Host(), quick)
    receiver.rcv_nxt = rcv_nxt
    return receiver


# --- when ---


def test_every_second_packet_is_acknowledged() -> None:
    acks = receive(receiver_at(0), (1, 0), (2, 1), (3, 2), (4, 3))
    assert acks == [(2, 2, None), (4, 4, None)]


def test_a_lone_packet_is_acknowledged_by_the_timer_of_40_ms() -> None:
    # set at 10 ms, within the tick [7.5, 11.5): 10 ticks and one: 51.5 ms
    receiver = receiver_at(0)
    assert receive(receiver, (10, 0)) == []
    assert receiver.delack_ns == 51_500_000
    acks = AckRows()
    receiver.flush(51_500_000, acks)
    assert acks == []  # due at, not before
    receiver.flush(51_500_001, acks)
    assert acks == [(51_500_000, 1, 9_500, None)]
    assert receiver.delack_ns == NEVER


def test_the_timers_ack_goes_out_before_a_packet_of_the_same_instant() -> None:
    receiver = receiver_at(0)
    acks = AckRows()
    receiver.receive([10 * MS, 51_500_000], [0, 1], [1, 2], acks)
    assert acks == [(51_500_000, 1, 1, None)]
    assert receiver.unacked == 1


def test_quick_acks_come_one_a_packet_until_they_are_used_up() -> None:
    acks = receive(receiver_at(0, quick=2), (1, 0), (2, 1), (3, 2), (4, 3))
    assert acks == [(1, 1, None), (2, 2, None), (4, 4, None)]


def test_without_delayed_acks_every_packet_is_acknowledged() -> None:
    receiver = Receiver(Host(), 0, delayed=False)
    assert [number for _, number, _ in receive(receiver, (1, 0), (2, 1), (3, 2))] == [1, 2, 3]


def test_disorder_is_acknowledged_at_once() -> None:
    acks = receive(receiver_at(0), (1, 1), (2, 0))
    assert acks == [(1, 0, ((1, 2),)), (2, 2, None)]


def test_an_ack_for_two_packets_echoes_the_first_of_them() -> None:
    # RFC 7323 section 4.3: the timestamp of the packet that last moved the left edge
    receiver = receiver_at(0)
    acks = AckRows()
    receiver.receive([10, 20], [0, 1], [3, 4], acks)
    assert acks == [(20, 2, 3, None)]


# --- SACK ---


def test_the_block_that_changed_last_comes_first_and_three_fit() -> None:
    # RFC 2018 section 4; beside timestamps there is room for three blocks
    acks = receive(receiver_at(1), (1, 2), (2, 4), (3, 6), (4, 8))
    assert [blocks for *_, blocks in acks] == [
        ((2, 3),),
        ((4, 5), (2, 3)),
        ((6, 7), (4, 5), (2, 3)),
        ((8, 9), (6, 7), (4, 5)),
    ]


def test_a_packet_that_joins_two_blocks_makes_one_of_them() -> None:
    acks = receive(receiver_at(1), (1, 2), (2, 4), (3, 6), (4, 3))
    assert acks[-1] == (4, 1, ((2, 5), (6, 7)))


def test_what_a_filled_gap_makes_contiguous_is_acknowledged_and_no_longer_reported() -> None:
    acks = receive(receiver_at(0), (1, 1), (2, 2), (3, 5), (4, 0))
    assert acks[-1] == (4, 3, ((5, 6),))


# --- DSACK: RFC 2883 section 4 ---


def test_rfc_2883_example_1_a_duplicate_below_the_ack() -> None:
    # 3000-3499 and 3500-3999 have come; 3000-3499 comes again: ACK 4000, SACK 3000-3500
    receiver = receiver_at(6)
    receive(receiver, (1, 6), (2, 7))
    assert receive(receiver, (3, 6)) == [(3, 8, ((6, 7),))]


def test_rfc_2883_example_2_a_duplicate_beside_an_out_of_order_block() -> None:
    # 4000-4499 is missing, 4500-4999 has come; 3000-3499 again: 4000, SACK 3000-3500, 4500-5000
    receiver = receiver_at(6)
    receive(receiver, (1, 6), (2, 7), (3, 9))
    assert receive(receiver, (4, 6)) == [(4, 8, ((6, 7), (9, 10)))]


def test_rfc_2883_example_3_a_duplicate_of_an_out_of_order_packet() -> None:
    # 4500-5499 is queued; 5000-5499 again: 4000, SACK 5000-5500, 4500-5500
    receiver = receiver_at(7)
    receive(receiver, (1, 7), (2, 9), (3, 10))
    assert receive(receiver, (4, 10)) == [(4, 8, ((10, 11), (9, 11)))]


def test_a_duplicate_puts_the_receiver_into_quick_mode() -> None:
    receiver = receiver_at(2)
    receive(receiver, (1, 0))
    assert [number for _, number, _ in receive(receiver, (2, 2), (3, 3))] == [3, 4]


# --- trains ---


@pytest.mark.pure
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 60_000_000), min_size=1, max_size=60),
    st.integers(0, 40),
    st.booleans(),
    st.integers(0, 1),
    st.data(),
)
def test_trains_of_packets_are_received_as_one_by_one(
    gaps: list[int],
    quick: int,
    delayed: bool,
    waiting: int,
    data: st.DataObject,
) -> None:
    times = np.cumsum(gaps) + 5
    n = len(times)
    one, other = (Receiver(Host(), quick, delayed=delayed) for _ in "ab")
    expected = AckRows()
    one.receive(times.tolist(), list(range(n)), list(range(100, 100 + n)), expected)
    got = AckRows()
    done = 0
    while done < n:
        other.flush(int(times[done]) + 1, got)
        seqs = np.arange(done, n)
        most = data.draw(st.integers(1, n - done))
        count = min(plain_prefix(other, times[done:], seqs), most)
        tx = np.arange(100 + done, 100 + n)
        if count and data.draw(st.booleans()):
            at, numbers, echoes = receive_train(
                other, times[done : done + count], 1000 * tx[:count]
            )
            columns = at.tolist(), numbers.tolist(), echoes.tolist()
            rows = zip(*columns, strict=True)
            got.extend((t, number, echo, None) for t, number, echo in rows)
        else:
            count = 1
            other.receive([int(times[done])], [done], [int(tx[0])], got)
        done += count
    assert got == expected
    for name in ("rcv_nxt", "unacked", "quick", "delack_ns", "echo_us", "ato", "lrcv_ns"):
        assert getattr(other, name) == getattr(one, name), name


@pytest.mark.parametrize(
    ("times_ms", "seqs", "expected"),
    [
        ([1, 2, 3], [0, 1, 2], 3),
        ([1, 2, 3], [0, 2, 1], 1),
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 41], [0, 1, 2], 3),
        ([1, 2, 42], [0, 1, 2], 2),  # the timer might fire in between
    ],
)
def test_a_train_ends_where_order_or_the_timer_ends_it(
    times_ms: list[int], seqs: list[int], expected: int
) -> None:
    assert plain_prefix(receiver_at(0), np.array(times_ms) * MS, np.array(seqs)) == expected


@pytest.mark.parametrize(
    "trait",
    [
        {"starts": [3], "ends": [4]},  # a hole
        {"pingpong": 1},
        {"delack_ns": MS},  # the timer fires before, or with, the first
        {"fin": 0},
    ],
    ids=str,
)
def test_where_a_packet_is_not_like_the_one_before_none_is_taken(trait: dict[str, object]) -> None:
    """Of three packets in order, 1 ms apart, which are taken whole otherwise."""
    times, seqs = np.array([1, 2, 3]) * MS, np.array([0, 1, 2])
    receiver = receiver_at(0)
    for name, value in trait.items():
        setattr(receiver, name, Ints(value) if isinstance(value, list) else value)
    assert plain_prefix(receiver, times, seqs) == 0
    assert plain_prefix(receiver_at(0), times, seqs) == 3
    assert plain_prefix(receiver_at(0), times[:0], seqs[:0]) == 0


def test_a_train_ends_before_the_last_packet_and_one_that_the_reader_answers() -> None:
    times, seqs = np.array([1, 2, 3]) * MS, np.array([0, 1, 2])
    receiver = receiver_at(0)
    receiver.fin = 2
    assert plain_prefix(receiver, times, seqs) == 2
    receiver.delack_ns = MS + 1
    assert plain_prefix(receiver, times, seqs) == 2
    receiver.pushed = {1}
    assert plain_prefix(receiver, times, seqs) == 1


def train_of(receiver: Receiver, *times_ms: int) -> Receiver:
    """Let a receiver take packets from the first on as a train, each sent 10 ms before."""
    times = np.array(times_ms) * MS
    assert plain_prefix(receiver, times, np.arange(len(times))) == len(times)
    receive_train(receiver, times, times - 10 * MS)
    return receiver


def test_the_timeout_adapts_to_a_pause_within_a_train() -> None:
    """Ticks are 4 ms, the timeout 10 of them: a pause of 7, more than half of that, makes it
    10 / 2 + 7, and the packet after it 12 / 2 + 5."""
    assert train_of(Receiver(Host(), 0), 0, 4, 32).ato == 12
    assert train_of(Receiver(Host(), 0), 0, 4, 32, 36).ato == 11


def test_a_train_that_uses_up_the_quick_acks_takes_the_timeout_back() -> None:
    """At 12 ticks a packet that comes close makes it 11; the last quick ACK makes it 10, the
    least (``tcp_dec_quickack_mode``)."""
    for quick, ato in ((2, 10), (3, 11)):
        receiver = Receiver(Host(), quick)
        receiver.ato = 12
        assert train_of(receiver, 0, 4).ato == ato
