"""Where packets that arrive as columns go one by one, and where at once."""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.sim.flow.receiving import SACK_ROWS, Runs
from ccsim.tcp.ack_rows import AckRows
from ccsim.tcp.delack import DelayedAck
from ccsim.tcp.host import Host
from ccsim.tcp.receiver import Receiver

LONG = 3 * SACK_ROWS


def numbers(*ranges: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.arange(*each) for each in ranges])


def test_runs_end_where_a_number_is_missing_or_comes_late() -> None:
    runs = Runs(numbers((5, 8), (9, 10), (8, 9), (10, 12)))
    assert [runs.end(k) for k in range(7)] == [3, 3, 3, 4, 5, 7, 7]


@pytest.mark.pure
def test_the_first_packet_of_a_long_run_goes_by_itself() -> None:
    assert Runs(numbers((5, 5 + LONG))).short_until(0, 48) == 1


@pytest.mark.pure
def test_short_runs_go_together_up_to_the_next_long_one() -> None:
    runs = Runs(numbers((0, 3), (4, 6), (7, 7 + LONG), (100, 102)))
    assert runs.short_until(0, 48) == 5
    assert runs.short_until(5, 48) == 6


def test_short_runs_go_together_until_there_are_enough_of_them() -> None:
    runs = Runs(numbers(*((10 * k, 10 * k + 9) for k in range(20))))
    assert runs.short_until(0, 20) == 27


@pytest.mark.parametrize("count", [1, 7, 40])
def test_a_receiver_that_takes_packets_beyond_a_gap_at_once_is_as_after_each(count: int) -> None:
    one, other = Receiver(Host(), 9), Receiver(Host(), 9)  # 5 of the quick ACKs are left below
    for receiver in (one, other):
        receiver.receive([1, 2, 3, 4], [0, 1, 3, 5], [0, 0, 0, 0], AckRows())
    assert not other.extends_sack(7)  # that opens one more gap
    assert not other.extends_sack(4)
    assert other.extends_sack(6)
    acks = AckRows()
    one.receive(range(10, 10 + count), range(6, 6 + count), [9] * count, acks)
    known, rest, echo_us = other.receive_sacked(count)
    expected = [(10 + k, known[0], echo_us, ((known[1], 7 + k), *rest)) for k in range(count)]
    assert acks == expected
    assert (known, rest) == ((2, 5), ((3, 4),))
    for name in (*Receiver.__slots__, *DelayedAck.__slots__):
        if name not in {"host", "ecn"}:
            assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("host", [{"sack": False}, {"ecn": True}])
def test_a_receiver_whose_acks_say_more_or_less_takes_them_one_by_one(host: dict) -> None:
    assert Receiver(Host(), 4).sacks_alone
    assert not Receiver(Host(**host), 4).sacks_alone
