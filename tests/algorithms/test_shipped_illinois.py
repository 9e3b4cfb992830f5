"""Illinois by hand: alpha and beta of equations (1) and (2), with equality at d1, d2 and d3."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaState
from tests.algorithms.shipped_rig import acked, connect, shipped


@pytest.mark.parametrize(
    ("da", "alpha"),
    [
        (0, 1280),
        (100, 1280),  # d1 = 1 % of 10 ms
        (101, 1275),  # 9900 * 1280 / (9900 + 1242 / 38)
        (10_000, 38),  # 0.3 packets at the largest delay
    ],
)
def test_alpha_falls_from_10_to_0_3_with_the_delay(da: int, alpha: int) -> None:
    ca = connect("illinois").ca
    assert shipped("illinois").choose_alpha(ca, da, 10_000, 5) == alpha


@pytest.mark.parametrize(
    ("da", "beta"),
    [(0, 8), (100, 8), (101, 8), (130, 9), (450, 20), (799, 31), (800, 32), (1000, 32)],
)
def test_beta_rises_from_an_eighth_to_a_half(da: int, beta: int) -> None:
    assert shipped("illinois").choose_beta(da, 1000) == beta


@pytest.mark.parametrize(("da", "beta"), [(0, 8), (1, 32)])
def test_beta_without_a_range_of_delays_is_one_of_its_ends(da: int, beta: int) -> None:
    assert shipped("illinois").choose_beta(da, 1) == beta


def test_alpha_jumps_back_after_theta_rounds_without_a_queue() -> None:
    choose = shipped("illinois").choose_alpha
    ca = connect("illinois").ca
    ca.alpha = choose(ca, 10_000, 10_000, 5)
    assert [choose(ca, 0, 10_000, 5) for _ in range(5)] == [38, 38, 38, 38, 1280]
    assert ca.rtt_low == 0


@pytest.mark.parametrize(("cwnd", "alpha"), [(14, 128), (15, 1280)])
def test_a_small_window_is_renos(cwnd: int, alpha: int) -> None:
    sk = connect("illinois", snd_cwnd=cwnd, snd_ssthresh=2)
    acked(sk, 50_000)
    shipped("illinois").cong_avoid(sk, 2, 0)
    assert sk.ca.alpha == alpha


def test_growth_is_alpha_packets_per_window() -> None:
    sk = connect("illinois", snd_cwnd=100, snd_ssthresh=2, snd_nxt=1_000_000)
    acked(sk, 50_000, pkts_acked=9)
    shipped("illinois").cong_avoid(sk, 2, 9)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (100, 9)
    shipped("illinois").cong_avoid(sk, 2, 9)  # no new report: one packet; 10 * 10 reaches 100
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (101, 0)


def test_a_loss_takes_beta_of_the_window() -> None:
    sk = connect("illinois", snd_cwnd=100)
    assert shipped("illinois").ssthresh(sk) == 50
    sk.ca.beta = 8
    assert shipped("illinois").ssthresh(sk) == 88
    sk.snd_cwnd = 2
    assert shipped("illinois").ssthresh(sk) == 2


def test_samples_are_capped_and_negative_ones_ignored() -> None:
    sk = connect("illinois")
    acked(sk, -1)
    assert shipped("illinois").get_info(sk) == {"rttcnt": 0, "rtt": 0, "minrtt": 0x7FFFFFFF}
    acked(sk, 9_000_000)
    assert sk.ca.max_rtt_us == 3_355_443  # 2^32 / 1280


def test_a_timeout_makes_it_reno() -> None:
    sk = connect("illinois")
    shipped("illinois").set_state(sk, CaState.RECOVERY)
    assert sk.ca.alpha == 1280
    shipped("illinois").set_state(sk, CaState.LOSS)
    assert (sk.ca.alpha, sk.ca.beta) == (128, 32)
