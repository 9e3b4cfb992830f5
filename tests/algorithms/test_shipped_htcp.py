"""H-TCP by hand: alpha(Delta) and beta of the draft, with equality at each threshold."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaState
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped

UNSCALED = {"use_rtt_scaling": 0}


@pytest.mark.parametrize(
    ("ticks", "alpha"),
    [
        (0, 128),
        (1000, 128),  # Delta = 1 s: still Reno
        (1100, 256),  # 1 + 1 + 0.0025, rounded down, is 2
        (2000, 1408),  # 1 + 10 + 1/4, rounded down, is 11
        (3000, 2816),  # 1 + 20 + 1 = 22
    ],
)
def test_alpha_grows_with_the_time_since_congestion(ticks: int, alpha: int) -> None:
    sk = connect("htcp", UNSCALED)
    sk.tcp_jiffies32 += ticks
    shipped("htcp").update_alpha(sk, sk.tcp_jiffies32)  # beta = 1/2: 2 (1 - beta) = 1
    assert sk.ca.alpha == alpha


@pytest.mark.parametrize(
    ("rtt", "alpha"),
    [(100, 22), (50, 11), (10, 2), (5, 2), (200, 44), (1000, 44), (150, 35)],
)
def test_alpha_is_scaled_by_the_rtt_within_bounds(rtt: int, alpha: int) -> None:
    sk = connect("htcp")
    sk.tcp_jiffies32 += 3000
    sk.ca.min_rtt = rtt  # 22 * RTT / 100 ms, with the ratio in eighths: 150 ms is 5/8
    shipped("htcp").update_alpha(sk, sk.tcp_jiffies32)
    assert sk.ca.alpha == alpha * 128


@pytest.mark.parametrize(
    ("now", "before", "beta"), [(4, 5, 85), (6, 5, 85), (3, 5, 64), (7, 5, 64), (399, 500, 64)]
)
def test_a_change_of_throughput_by_more_than_a_fifth_resets_beta(
    now: int, before: int, beta: int
) -> None:
    sk = connect("htcp")
    ca = sk.ca
    ca.mode_switch, ca.min_rtt, ca.max_rtt = True, 100, 150  # 100 / 150 = 85 / 128
    ca.max_b, ca.old_max_b = now, before
    shipped("htcp").update_beta(sk)
    assert (ca.beta, ca.mode_switch, ca.old_max_b) == (beta, beta == 85, now)


@pytest.mark.parametrize(
    ("min_rtt", "max_rtt", "beta"),
    [(100, 125, 102), (100, 126, 101), (100, 200, 64), (100, 300, 64), (10, 15, 64), (11, 15, 93)],
)
def test_beta_is_the_ratio_of_rtts_within_bounds(min_rtt: int, max_rtt: int, beta: int) -> None:
    sk = connect("htcp", {"use_bandwidth_switch": 0})
    sk.ca.mode_switch, sk.ca.min_rtt, sk.ca.max_rtt = True, min_rtt, max_rtt
    shipped("htcp").update_beta(sk)
    assert sk.ca.beta == beta


def test_the_first_steady_epoch_still_halves() -> None:
    sk = connect("htcp", {"use_bandwidth_switch": 0}, snd_cwnd=100)
    sk.ca.min_rtt, sk.ca.max_rtt = 100, 150
    assert shipped("htcp").ssthresh(sk) == 50
    assert sk.ca.max_rtt == 147  # 100 + 50 * 0.95
    assert shipped("htcp").ssthresh(sk) == 67  # beta = 12800 / 147 = 87; 100 * 87 / 128


@pytest.mark.parametrize(("rtt_ms", "max_rtt"), [(140, 140), (141, 120), (120, 120), (90, 120)])
def test_the_largest_rtt_takes_steps_of_20_ms_at_most(rtt_ms: int, max_rtt: int) -> None:
    sk = connect("htcp")
    acked(sk, 120_000)
    assert (sk.ca.min_rtt, sk.ca.max_rtt) == (120, 120)
    acked(sk, rtt_ms * 1000)
    assert sk.ca.max_rtt == max_rtt


def test_the_largest_rtt_follows_in_state_open_alone() -> None:
    sk = connect("htcp", ca_state=int(CaState.DISORDER))
    acked(sk, 120_000)
    assert (sk.ca.min_rtt, sk.ca.max_rtt) == (120, 0)


def throughput_after(rtts: int) -> HostSock:
    """Return a socket that takes a throughput sample ``rtts`` RTTs of 100 ms after congestion."""
    sk = connect("htcp", snd_cwnd=11)
    sk.ca.bi = sk.ca.max_b = 1000
    sk.ca.last_time = sk.tcp_jiffies32
    sk.ca.last_cong -= rtts * 100 - 100
    sk.tcp_jiffies32 += 100
    acked(sk, 100_000, pkts_acked=10)  # 10 = 11 - alpha; 100 packets/s
    return sk


def test_throughput_settles_for_three_rtts() -> None:
    assert throughput_after(3).ca.bi == 100
    assert throughput_after(4).ca.bi == 775  # (3 * 1000 + 100) / 4
    assert throughput_after(4).ca.max_b == 1000


def test_growth_is_alpha_packets_per_window() -> None:
    sk = connect("htcp", snd_cwnd=4, snd_ssthresh=2)
    for _ in range(5):  # four ACKs fill the counter, the fifth grows
        acked(sk, 100_000)
        shipped("htcp").cong_avoid(sk, 1, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (5, 0)


def test_an_undo_brings_the_epoch_back_once() -> None:
    sk = connect("htcp", snd_cwnd=50, prior_cwnd=100)
    begun = sk.ca.last_cong
    sk.tcp_jiffies32 += 5000
    shipped("htcp").set_state(sk, CaState.RECOVERY)
    assert sk.ca.last_cong == begun + 5000
    assert shipped("htcp").undo_cwnd(sk) == 100
    assert sk.ca.last_cong == begun
    shipped("htcp").set_state(sk, CaState.OPEN)
    assert sk.ca.last_cong == begun


def test_delta_counts_from_the_end_of_the_reduction() -> None:
    sk = connect("htcp")
    shipped("htcp").set_state(sk, CaState.CWR)
    sk.tcp_jiffies32 += 70
    shipped("htcp").set_state(sk, CaState.OPEN)
    assert sk.ca.last_cong == sk.tcp_jiffies32
