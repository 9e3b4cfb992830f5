"""Duplicates that a receiver reports (RFC 2883): what each says, at its borders; by hand.

Packets 10 to 19 are out, an undo would go back to packet 5, and three retransmissions were made.
"""

from __future__ import annotations

import pytest

from ccsim.tcp.packets import EVER_RETRANS, RETRANS, SACKED
from ccsim.tcp.sack import SackResult, tag_blocks
from tests.tcp.tcp_rig import T0, Clocked, ack, connected, sent

pytestmark = pytest.mark.pure


def after_recovery(retransmitted: int = 3) -> Clocked:
    sk = connected("reno", 10)
    sent(sk)
    ack(sk, T0 + 40_000_000, 10)
    assert (sk.una, sk.packets.base <= 10) == (10, True)
    sk.undo_from, sk.undo_retrans, sk.total_retrans = 5, 3, retransmitted
    return sk


def reported(sk: Clocked, block: tuple[int, int], prior_una: int = 10) -> SackResult:
    return tag_blocks(sk, sk.una, (block,), prior_una)


@pytest.mark.parametrize(
    ("block", "prior_una", "left"),
    [
        ((9, 10), 10, 2),  # a retransmission of the episode that was not needed
        ((9, 10), 9, 3),  # it was not acknowledged before this ACK
        ((5, 6), 10, 2),
        ((4, 5), 10, 3),  # before the episode
        ((7, 9), 10, 1),
        ((6, 10), 10, 0),  # more than were made
    ],
)
def test_a_duplicate_of_what_was_acknowledged_before_says_that_it_was_needless(
    block: tuple[int, int], prior_una: int, left: int
) -> None:
    sk = after_recovery(retransmitted=9)
    delivered = sk.delivered
    assert reported(sk, block, prior_una).dsack
    assert sk.undo_retrans == left
    assert sk.delivered == delivered + block[1] - block[0]


def test_more_duplicates_than_retransmissions_are_the_networks() -> None:
    sk = after_recovery(retransmitted=2)
    assert reported(sk, (7, 9)).dsack
    delivered = sk.delivered
    assert not reported(sk, (9, 10)).dsack
    assert (sk.undo_retrans, sk.delivered, sk.dsack_dups) == (1, delivered, 3)


def test_without_an_episode_a_duplicate_takes_nothing_back() -> None:
    sk = after_recovery()
    sk.undo_from = -1
    assert reported(sk, (9, 10)).dsack
    assert sk.undo_retrans == 3


@pytest.mark.parametrize(
    ("block", "probe_end", "is_probe"),
    [((9, 10), 10, True), ((9, 10), 9, False), ((8, 10), 10, False)],
)
def test_a_duplicate_of_one_packet_that_ends_where_the_probe_did_is_the_probes(
    block: tuple[int, int], probe_end: int, is_probe: bool
) -> None:
    sk = after_recovery()
    sk.tlp_high = probe_end
    assert reported(sk, block).dsack_tlp is is_probe


@pytest.mark.parametrize(
    ("seq", "mark", "undo_from", "left"),
    [
        (12, EVER_RETRANS, 5, 2),
        (12, EVER_RETRANS, 12, 2),  # where the episode begins
        (12, EVER_RETRANS, 13, 3),
        (12, EVER_RETRANS, -1, 3),
        (12, 0, 5, 3),  # sent once: the network made two of it
    ],
)
def test_a_duplicate_above_the_ack_is_a_needless_retransmission_of_that_packet(
    seq: int, mark: int, undo_from: int, left: int
) -> None:
    sk = after_recovery()
    sk.undo_from = undo_from
    sk.packets.flags[seq - sk.packets.base] = mark
    tag_blocks(sk, 10, ((seq, seq + 1), (seq, seq + 2)), 10)
    assert sk.undo_retrans == left


@pytest.mark.parametrize(
    ("mark", "out"),
    [(RETRANS | SACKED, 1), (RETRANS, 2), (SACKED, 2)],
)
def test_a_retransmission_that_is_still_out_is_taken_back_where_both_have_arrived(
    mark: int, out: int
) -> None:
    sk = after_recovery()
    sk.retrans_out, sk.sacked_out = 2, 1
    sk.packets.flags[12 - sk.packets.base] = mark
    tag_blocks(sk, 10, ((12, 13), (12, 13)), 10)
    assert sk.retrans_out == out
