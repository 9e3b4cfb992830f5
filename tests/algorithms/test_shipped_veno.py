"""Veno by hand: its start, the backlog N, and what N decides; BaseRTT = 100 ms."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaEvent, CaState
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped


def after_ack(rtt_us: int, samples: int = 3, **fields: int) -> HostSock:
    """Return the socket, cwnd 20 in congestion avoidance, after an ACK with this RTT."""
    start = {"snd_cwnd": 20, "snd_ssthresh": 10} | fields
    sk = connect("veno", **start)
    sk.ca.base_rtt_us = 100_000
    for _ in range(samples):
        acked(sk, rtt_us - 1)
    shipped("veno").cong_avoid(sk, 2, 1)
    return sk


@pytest.mark.parametrize(("samples", "backlog"), [(1, 0), (2, 0), (3, 20)])
def test_the_start_is_reno_until_the_third_sample(samples: int, backlog: int) -> None:
    sk = after_ack(200_000, samples)
    assert sk.ca.backlog == backlog
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (20, 1)


def test_samples_are_not_counted_anew_after_a_restart() -> None:
    sk = after_ack(200_000)
    shipped("veno").cwnd_event(sk, CaEvent.TX_START)
    assert (sk.ca.cnt_rtt, sk.ca.base_rtt_us) == (3, 0x7FFFFFFF)
    acked(sk, 50_000)
    shipped("veno").cong_avoid(sk, 2, 1)
    assert sk.ca.backlog == 0


@pytest.mark.parametrize(
    ("rtt_us", "backlog", "reduced"),
    [
        (100_000, 0, 16),
        (114_000, 5, 16),  # 40 - 4000/114 = 40 - 35: N = 2.5 packets
        (115_000, 6, 10),  # 40 - 34: N = 3 = beta
        (200_000, 20, 10),
    ],
)
def test_a_loss_costs_a_fifth_below_beta_and_half_from_it_on(
    rtt_us: int, backlog: int, reduced: int
) -> None:
    sk = after_ack(rtt_us)
    assert sk.ca.backlog == backlog
    assert shipped("veno").ssthresh(sk) == reduced


def test_with_a_queue_every_other_full_counter_grows_the_window() -> None:
    sk = after_ack(200_000, snd_cwnd_cnt=20)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt, sk.ca.inc) == (21, 0, False)
    sk.snd_cwnd_cnt = 21
    acked(sk, 200_000)
    shipped("veno").cong_avoid(sk, 2, 1)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt, sk.ca.inc) == (21, 0, True)


def test_a_full_counter_without_an_acked_packet_still_counts() -> None:
    sk = after_ack(200_000)
    sk.snd_cwnd_cnt = 20
    acked(sk, 200_000)
    shipped("veno").cong_avoid(sk, 2, 0)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (21, 0)


def test_slow_start_hands_on_what_it_does_not_use() -> None:
    sk = connect("veno", snd_cwnd=19, snd_ssthresh=20)
    for _ in range(3):
        acked(sk, 99_999)
    shipped("veno").cong_avoid(sk, 2, 5)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (20, 4)


def test_a_loss_makes_it_reno_until_the_state_is_open() -> None:
    sk = after_ack(200_000, snd_cwnd_cnt=0)
    shipped("veno").set_state(sk, CaState.RECOVERY)
    shipped("veno").cong_avoid(sk, 2, 19)
    assert sk.snd_cwnd == 21
    shipped("veno").set_state(sk, CaState.OPEN)
    assert sk.ca.doing_veno_now


def test_an_application_limited_window_does_not_grow() -> None:
    sk = after_ack(100_000, is_cwnd_limited=0)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (20, 0)


@pytest.mark.parametrize(("cwnd", "clamp", "then"), [(1, 100, 2), (20, 12, 12)])
def test_the_window_stays_within_two_and_the_clamp(cwnd: int, clamp: int, then: int) -> None:
    sk = after_ack(100_000, snd_cwnd=cwnd, snd_ssthresh=1, snd_cwnd_clamp=clamp)
    assert sk.snd_cwnd == then
