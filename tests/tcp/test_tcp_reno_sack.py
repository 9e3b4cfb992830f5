"""Duplicate ACKs of a connection without SACK, counted by hand (``tcp_add_reno_sack`` and its
neighbours)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ccsim.tcp.reno_sack import add_reno_sack, remove_reno_sacks, reset_reno_sack


def flight(out: int, *, sacked: int = 0, lost: int = 0) -> Any:
    """Return a socket with so many packets out."""
    return SimpleNamespace(
        una=100,
        nxt=100 + out,
        sacked_out=sacked,
        lost_out=lost,
        delivered=50,
        reordering=3,
        reord_seen=0,
        counters={"reorderings": 0},
        host=SimpleNamespace(max_reordering=300),
    )


@pytest.mark.parametrize(
    ("out", "dupacks", "sacked", "reordering"),
    [
        (5, 4, 4, 3),  # four of five have come, the fifth is the hole
        (5, 5, 4, 5),  # no room for a hole: the head was late, not lost
        (5, 9, 4, 5),
        (1, 1, 0, 1),
        (400, 400, 399, 300),  # at most max_reordering
    ],
)
def test_more_duplicates_than_packets_are_reordering(
    out: int, dupacks: int, sacked: int, reordering: int
) -> None:
    sk = flight(out)
    add_reno_sack(sk, dupacks)
    assert (sk.sacked_out, sk.reordering) == (sacked, reordering)
    assert sk.delivered == 50 + sacked
    assert sk.reord_seen == sk.counters["reorderings"] == (reordering != 3)


def test_each_lost_packet_is_a_hole() -> None:
    sk = flight(6, sacked=2, lost=3)
    add_reno_sack(sk, 1)
    assert (sk.sacked_out, sk.reordering, sk.delivered) == (3, 3, 51)
    add_reno_sack(sk, 1)
    assert (sk.sacked_out, sk.reordering, sk.delivered) == (3, 6, 51)


def test_no_duplicate_changes_nothing() -> None:
    sk = flight(1, sacked=1)
    add_reno_sack(sk, 0)
    assert (sk.sacked_out, sk.delivered, sk.reord_seen) == (1, 50, 0)


@pytest.mark.parametrize(
    ("sacked", "acked", "left", "delivered"),
    [
        (0, 2, 0, 2),  # nobody had told of either
        (3, 1, 3, 1),  # the head alone
        (3, 2, 2, 1),  # the head, and one that had sent a duplicate
        (3, 5, 0, 2),  # three were known; the head counts with what is more
        (3, 0, 3, 0),
    ],
)
def test_an_ack_counts_the_head_and_what_had_not_been_told(
    sacked: int, acked: int, left: int, delivered: int
) -> None:
    sk = flight(20, sacked=sacked)
    remove_reno_sacks(sk, acked)
    assert (sk.sacked_out, sk.delivered) == (left, 50 + delivered)
    assert sk.reordering == 3


def test_what_is_acknowledged_counts_into_the_reordering() -> None:
    sk = flight(2, sacked=4)  # two of six have been acknowledged, and are out no more
    remove_reno_sacks(sk, 2)
    assert (sk.sacked_out, sk.reordering) == (1, 4)  # min(2 out + 2 acknowledged, 300)


def test_they_can_all_be_forgotten() -> None:
    sk = flight(9, sacked=4)
    reset_reno_sack(sk)
    assert sk.sacked_out == 0
