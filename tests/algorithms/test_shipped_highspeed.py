"""HighSpeed TCP by hand: the RFC's table (RFC 3649, appendix B) and the places between its rows."""

from __future__ import annotations

import pytest

from tests.algorithms.shipped_rig import connect, shipped

RFC_TABLE = {  # w: (a, b)
    38: (1, 0.50),
    118: (2, 0.44),
    221: (3, 0.41),
    347: (4, 0.38),
    1058: (8, 0.33),
    10661: (30, 0.21),
    30975: (50, 0.15),
    84035: (71, 0.10),
}


@pytest.mark.parametrize(("window", "law"), RFC_TABLE.items())
def test_rows_are_the_rfcs(window: int, law: tuple[int, float]) -> None:
    highspeed = shipped("highspeed")
    row = law[0] - 1
    assert highspeed.INCREASE_UP_TO[row] == window
    assert highspeed.DECREASE[row] / 256 == pytest.approx(law[1], abs=0.005 + 1 / 256)


def test_the_table_rises_in_windows_and_falls_in_decrease() -> None:
    highspeed = shipped("highspeed")
    assert len(highspeed.INCREASE_UP_TO) == 72
    assert sorted(set(highspeed.INCREASE_UP_TO)) == list(highspeed.INCREASE_UP_TO)
    assert sorted(highspeed.DECREASE, reverse=True) == list(highspeed.DECREASE)
    assert (highspeed.DECREASE[0], highspeed.DECREASE[-1]) == (128, 24)


@pytest.mark.parametrize(
    ("cwnd", "growth"),
    [(38, 1), (39, 2), (118, 2), (119, 3), (89053, 72), (89054, 72), (200_000, 72)],
)
def test_growth_changes_above_each_row(cwnd: int, growth: int) -> None:
    sk = connect("highspeed", snd_cwnd=cwnd, snd_ssthresh=2)
    shipped("highspeed").cong_avoid(sk, 2, 7)  # counts ACKs, not packets
    assert sk.snd_cwnd_cnt == growth


def test_a_smaller_window_goes_back_in_the_table() -> None:
    sk = connect("highspeed", snd_cwnd=119, snd_ssthresh=2)
    shipped("highspeed").cong_avoid(sk, 2, 1)
    sk.snd_cwnd, sk.snd_cwnd_cnt = 38, 0
    shipped("highspeed").cong_avoid(sk, 2, 1)
    assert (sk.ca.ai, sk.snd_cwnd_cnt) == (0, 1)


def test_a_full_counter_keeps_its_excess() -> None:
    sk = connect("highspeed", snd_cwnd=100, snd_ssthresh=2, snd_cwnd_cnt=99)
    shipped("highspeed").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (101, 1)


def test_growth_stops_at_the_clamp() -> None:
    sk = connect("highspeed", snd_cwnd=100, snd_ssthresh=2, snd_cwnd_clamp=100, snd_cwnd_cnt=99)
    shipped("highspeed").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (100, 99)


@pytest.mark.parametrize(
    ("row", "cwnd", "reduced"),
    [(0, 100, 50), (1, 100, 57), (71, 100_000, 90_625), (0, 3, 2), (0, 1, 2)],
)
def test_a_loss_takes_b_of_the_window(row: int, cwnd: int, reduced: int) -> None:
    sk = connect("highspeed", snd_cwnd=cwnd)
    sk.ca.ai = row
    assert shipped("highspeed").ssthresh(sk) == reduced


def test_init_clamps_the_window_to_what_32_bits_can_scale() -> None:
    assert connect("highspeed").snd_cwnd_clamp == 33_554_431
    assert connect("highspeed", snd_cwnd_clamp=14).snd_cwnd_clamp == 14
