"""BIC by hand: the search around Wmax, with equality at each of its thresholds."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaState
from tests.algorithms.shipped_rig import acked, connect, shipped


@pytest.mark.parametrize(
    ("cwnd", "cnt"),
    [
        (32, 2),  # distance / 4 = 17: 16 packets per RTT
        (36, 2),  # 16 = max_increment
        (37, 2),  # 15: 37 / 15
        (92, 46),  # 2
        (93, 465),  # 1: 93 * 20 / 4
        (96, 480),  # 1
        (97, 485),  # 0
        (100, 500),  # the old maximum itself
        (103, 515),
        (104, 78),  # Wmax + B: 104 * 3 / 4
        (147, 9),  # 147 * 3 / 47
        (148, 9),  # Wmax + 48: 148 / 16
        (300, 18),
    ],
)
def test_growth_around_a_maximum_of_100(cwnd: int, cnt: int) -> None:
    bic = shipped("bic")
    assert bic.search(cwnd, 100, bic.Params()) == cnt


@pytest.mark.parametrize(("cwnd", "cnt"), [(14, 14), (15, 1), (400, 10)])
def test_before_the_first_loss_growth_is_reno_up_to_low_window_and_bounded_above(
    cwnd: int, cnt: int
) -> None:
    sk = connect("bic", snd_cwnd=cwnd)  # 15 * 3 / 15 / 2 and min(400 / 16, 20) / 2 packets per ACK
    assert shipped("bic").update(sk, sk.tcp_jiffies32) == cnt


@pytest.mark.parametrize(
    ("cwnd", "last_max", "w_max", "reduced"),
    [
        (100, 0, 100, 79),  # 100 * 819 / 1024 = 79.98
        (80, 100, 71, 63),  # fast convergence: 80 * 1843 / 2048
        (100, 100, 100, 79),  # equality is no falling maximum
        (14, 0, 14, 7),
        (15, 0, 15, 11),
        (2, 0, 2, 2),
    ],
)
def test_a_loss_notes_the_maximum(cwnd: int, last_max: int, w_max: int, reduced: int) -> None:
    sk = connect("bic", snd_cwnd=cwnd)
    sk.ca.last_max_cwnd = last_max
    assert shipped("bic").ssthresh(sk) == reduced
    assert sk.ca.last_max_cwnd == w_max


def test_without_fast_convergence_a_falling_maximum_is_kept() -> None:
    sk = connect("bic", {"fast_convergence": 0}, snd_cwnd=80)
    sk.ca.last_max_cwnd = 100
    shipped("bic").ssthresh(sk)
    assert sk.ca.last_max_cwnd == 80


@pytest.mark.parametrize(("ticks", "cnt"), [(31, 999), (32, 46)])
def test_growth_is_computed_anew_after_more_than_31_ticks(ticks: int, cnt: int) -> None:
    sk = connect("bic", snd_cwnd=92)
    ca = sk.ca
    ca.last_max_cwnd, ca.delayed_ack = 100, 16  # one packet per ACK
    ca.last_cwnd, ca.last_time, ca.cnt = 92, sk.tcp_jiffies32 - ticks, 999
    assert shipped("bic").update(sk, sk.tcp_jiffies32) == cnt


def test_another_window_is_computed_at_once() -> None:
    sk = connect("bic", snd_cwnd=92)
    sk.ca.last_cwnd, sk.ca.last_time, sk.ca.cnt = 91, sk.tcp_jiffies32, 999
    assert shipped("bic").update(sk, sk.tcp_jiffies32) != 999


def test_stretch_acks_speed_growth_up() -> None:
    sk = connect("bic", snd_cwnd=92)
    acked(sk, 50_000, pkts_acked=18)
    assert sk.ca.delayed_ack == 48  # 32 + 18 - 2: three packets per ACK
    sk.ca.last_max_cwnd = 100
    assert shipped("bic").update(sk, sk.tcp_jiffies32) == 15  # 46 * 16 / 48


def test_only_open_acks_are_averaged() -> None:
    sk = connect("bic", ca_state=int(CaState.DISORDER))
    acked(sk, 50_000, pkts_acked=18)
    assert sk.ca.delayed_ack == 32


def test_a_timeout_forgets_the_maximum() -> None:
    sk = connect("bic", {"initial_ssthresh": 64})
    assert sk.snd_ssthresh == 64
    sk.ca.last_max_cwnd = 100
    shipped("bic").set_state(sk, CaState.RECOVERY)
    assert sk.ca.last_max_cwnd == 100
    shipped("bic").set_state(sk, CaState.LOSS)
    assert (sk.ca.last_max_cwnd, sk.ca.delayed_ack) == (0, 32)
