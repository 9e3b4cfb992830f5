"""Scalable TCP by hand: one packet per hundred, an eighth per loss."""

from __future__ import annotations

import pytest

from tests.algorithms.shipped_rig import connect, shipped


@pytest.mark.parametrize(
    ("cwnd", "packets", "then"),
    [(200, 100, 201), (200, 250, 202), (200, 99, 200), (50, 50, 51), (100, 100, 101)],
)
def test_a_hundred_packets_grow_the_window_but_fewer_a_small_one(
    cwnd: int, packets: int, then: int
) -> None:
    sk = connect("scalable", snd_cwnd=cwnd, snd_ssthresh=2)
    shipped("scalable").cong_avoid(sk, 2, packets)
    assert sk.snd_cwnd == then


@pytest.mark.parametrize(("cwnd", "reduced"), [(200, 175), (8, 7), (7, 7), (2, 2), (1, 2)])
def test_a_loss_takes_an_eighth(cwnd: int, reduced: int) -> None:
    assert shipped("scalable").ssthresh(connect("scalable", snd_cwnd=cwnd)) == reduced


def test_slow_start_hands_on_what_it_does_not_use() -> None:
    sk = connect("scalable", snd_cwnd=150, snd_ssthresh=200)
    shipped("scalable").cong_avoid(sk, 2, 150)  # 50 to slow start, 100 to growth
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (201, 0)


def test_an_application_limited_window_does_not_grow() -> None:
    sk = connect("scalable", snd_cwnd=200, snd_ssthresh=2, is_cwnd_limited=False)
    shipped("scalable").cong_avoid(sk, 2, 1000)
    assert sk.snd_cwnd == 200
