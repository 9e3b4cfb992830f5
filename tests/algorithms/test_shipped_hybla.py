"""Hybla by hand: rho, and its powers and squares."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaState
from tests.algorithms.shipped_rig import HostSock, connect, shipped


def path(rtt_us: int, **fields: int) -> HostSock:
    """Return a socket on a path with this RTT; ``srtt_us`` holds eight times that."""
    sk = connect("hybla", srtt_us=8 * rtt_us)
    for field, value in fields.items():
        setattr(sk, field, value)
    return sk


@pytest.mark.parametrize(
    ("rtt_us", "rho_8", "initial"),
    [(75_000, 24, 3), (25_000, 8, 1), (10_000, 8, 1), (37_500, 12, 1), (600_000, 192, 24)],
)
def test_the_initial_window_is_rho(rtt_us: int, rho_8: int, initial: int) -> None:
    sk = path(rtt_us)
    assert (sk.ca.rho_3ls, sk.snd_cwnd, sk.snd_cwnd_clamp) == (rho_8, initial, 65_535)


def test_slow_start_adds_two_to_the_rho_minus_one() -> None:
    sk = path(75_000)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert sk.snd_cwnd == 3 + 7


def test_fractions_of_a_packet_add_up() -> None:
    sk = path(37_500, snd_cwnd=10)  # 2^1.5 - 1 = 1.828: 234 / 128
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.ca.cents) == (11, 106)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.ca.cents) == (13, 84)


def test_slow_start_ends_at_ssthresh_and_at_rho_16() -> None:
    sk = path(600_000, snd_ssthresh=1000)
    assert shipped("hybla").slow_start_increment(192) == (65536 - 1) * 128
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert sk.snd_cwnd == 1000


@pytest.mark.parametrize(("cwnd", "then", "cents"), [(9, 10, 0), (3, 6, 0), (18, 18, 64)])
def test_congestion_avoidance_adds_rho_squared_per_window(cwnd: int, then: int, cents: int) -> None:
    sk = path(75_000, snd_cwnd=cwnd, snd_ssthresh=2)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.ca.cents) == (then, cents)


def test_an_increment_of_nothing_becomes_a_packet_per_window() -> None:
    sk = path(25_000, snd_cwnd=129, snd_ssthresh=2, snd_cwnd_cnt=127)  # 128 / 129
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (129, 128)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (130, 0)


def test_rho_follows_the_rtt_downwards_only() -> None:
    sk = path(75_000, snd_cwnd=9, snd_ssthresh=2, srtt_us=8 * 90_000)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert sk.ca.rho_3ls == 24
    sk.srtt_us = 8 * 50_000
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert sk.ca.rho_3ls == 16


def test_while_a_loss_is_repaired_growth_is_renos() -> None:
    sk = path(75_000, snd_cwnd=9, snd_ssthresh=2)
    shipped("hybla").set_state(sk, CaState.DISORDER)
    shipped("hybla").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (9, 1)
