"""Reno by hand: RFC 5681's equations in packets."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import TCP_CONG_NON_RESTRICTED
from tests.algorithms.shipped_rig import ROOT, HostSock, connect, shipped

reno = shipped("reno")


def sender(cwnd: int, ssthresh: int, **fields: int) -> HostSock:
    return connect("reno", snd_cwnd=cwnd, snd_ssthresh=ssthresh, **fields)


def test_a_window_of_ten_needs_ten_packets_to_grow_by_one() -> None:
    sk = sender(10, 5)
    windows = []
    for _ in range(21):
        reno.cong_avoid(sk, 0, 1)
        windows.append(sk.snd_cwnd)
    assert windows == [10] * 9 + [11] * 11 + [12]


def test_slow_start_doubles_the_window_in_a_round() -> None:
    sk = sender(10, 1000)
    for _ in range(5):
        reno.cong_avoid(sk, 0, 2)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (20, 0)


def test_what_slow_start_leaves_over_counts_for_congestion_avoidance() -> None:
    sk = sender(8, 10)  # 14 acked: 2 to reach ssthresh, 12 left: one window of 10, and 2
    reno.cong_avoid(sk, 0, 14)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (11, 2)


@pytest.mark.parametrize(("cwnd", "ssthresh"), [(67, 33), (10, 5), (3, 2), (2, 2), (1, 2)])
def test_a_loss_halves_the_window_but_leaves_two_packets(cwnd: int, ssthresh: int) -> None:
    assert reno.reno.ssthresh(sender(cwnd, 100)) == ssthresh


@pytest.mark.parametrize(("cwnd", "prior", "undone"), [(33, 67, 67), (70, 67, 70)])
def test_an_undo_restores_the_window_unless_it_has_grown(
    cwnd: int, prior: int, undone: int
) -> None:
    assert reno.reno.undo_cwnd(sender(cwnd, 33, prior_cwnd=prior)) == undone


def test_the_window_stands_still_while_something_else_limits_the_sender() -> None:
    sk = sender(10, 5, is_cwnd_limited=0)
    for _ in range(30):
        reno.cong_avoid(sk, 0, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (10, 0)


def test_in_slow_start_a_window_more_than_half_used_may_grow() -> None:
    grown, idle = (sender(10, 99, is_cwnd_limited=0, max_packets_out=n) for n in (6, 5))
    for sk in (grown, idle):
        reno.cong_avoid(sk, 0, 1)
    assert (grown.snd_cwnd, idle.snd_cwnd) == (11, 10)


def test_the_window_never_exceeds_its_clamp() -> None:
    sk = sender(10, 1000, snd_cwnd_clamp=12)
    reno.cong_avoid(sk, 0, 5)
    assert sk.snd_cwnd == 12


def test_anybody_may_use_reno_and_its_file_is_short() -> None:
    assert reno.reno.flags == TCP_CONG_NON_RESTRICTED
    assert len((ROOT / "algorithms" / "reno.py").read_text().splitlines()) <= 80
