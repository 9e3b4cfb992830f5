"""ACKs under way, one by one: what both forms of them do."""

from __future__ import annotations

import pytest

from ccsim.tcp.ack_rows import AckRows


def test_acks_are_tuples_to_whoever_looks_at_them() -> None:
    acks = AckRows()
    acks.add(10, 1, 7, None)
    acks.append((20, 1, 7, ((3, 4),)))
    acks.add(30, 4, 9, None)
    assert list(acks) == [(10, 1, 7, None), (20, 1, 7, ((3, 4),)), (30, 4, 9, None)]
    assert acks[-1] == (30, 4, 9, None)
    assert len(acks) == 3
    assert not AckRows()


def test_they_arrive_later_than_they_are_sent() -> None:
    acks = AckRows([(10, 1, 7, None), (20, 2, 8, ((5, 6),))], 100)
    assert acks.time(1) == 120
    assert acks.row(1) == (120, 2, 8, ((5, 6),))
    assert acks[1] == (20, 2, 8, ((5, 6),))
    assert acks.at == 0


def test_an_ack_that_is_not_there_is_an_error() -> None:
    acks = AckRows([(10, 1, 7, None)])
    for look in (lambda: acks[1], lambda: acks.time(1), lambda: acks.row(1)):
        with pytest.raises(IndexError):
            look()
