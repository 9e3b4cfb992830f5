"""YeAH by hand: its modes, its counters, and what a loss takes; RTTbase = 100 ms."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaEvent, CaState
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped


def established(cwnd: int, **state: int) -> HostSock:
    """Return a socket in congestion avoidance with this window and private state."""
    sk = connect("yeah", snd_cwnd=cwnd, snd_ssthresh=2)
    sk.ca.base_rtt_us = 100_000
    for field, value in state.items():
        setattr(sk.ca, field, value)
    return sk


def end_round(sk: HostSock, rtt_us: int, samples: int = 3) -> None:
    """Let a round trip with this RTT end with an ACK that acknowledges nothing new."""
    for _ in range(samples):
        acked(sk, rtt_us - 1)
    shipped("yeah").cong_avoid(sk, sk.snd_nxt + 1, 0)
    sk.snd_nxt += 1


@pytest.mark.parametrize(
    ("rtt_us", "cwnd", "slow"),
    [
        (112_500, 100, 0),  # L = 1/8, Q = 11
        (112_501, 100, 1),  # L just above 1/8
        (110_000, 890, 0),  # Q = 890 / 11 = 80
        (110_000, 891, 1),  # Q = 81
    ],
)
def test_a_round_is_slow_beyond_80_packets_or_an_eighth_of_the_rtt(
    rtt_us: int, cwnd: int, slow: int
) -> None:
    sk = established(cwnd)
    end_round(sk, rtt_us)
    assert sk.ca.slow_rounds == slow


@pytest.mark.parametrize(("reno_count", "cwnd"), [(2, 200), (250, 250), (399, 399), (400, 400)])
def test_decongestion_takes_the_queue_down_to_renos_window(reno_count: int, cwnd: int) -> None:
    sk = established(400, reno_count=reno_count)  # Q = 200
    end_round(sk, 200_000)
    assert sk.snd_cwnd == cwnd
    assert sk.snd_ssthresh == (cwnd if reno_count < 400 else 2)


def test_decongestion_takes_half_at_most() -> None:
    sk = established(400)
    end_round(sk, 400_000)  # Q = 300
    assert sk.snd_cwnd == 200


def test_reno_count_starts_at_half_the_window_and_grows_a_packet_a_slow_round() -> None:
    sk = established(100)
    counts = []
    for _ in range(3):
        end_round(sk, 150_000)  # Q = 33: slow, nothing to drain
        counts.append(sk.ca.reno_count)
    assert counts == [50, 51, 52]
    assert (sk.ca.slow_rounds, sk.ca.last_q, sk.snd_cwnd) == (3, 33, 100)


def test_one_fast_round_ends_slow_mode_but_keeps_reno_count() -> None:
    sk = established(100, slow_rounds=7, reno_count=60)
    end_round(sk, 100_000)
    assert (sk.ca.slow_rounds, sk.ca.fast_rounds, sk.ca.reno_count) == (0, 1, 60)


def test_the_51st_fast_round_forgets_reno_count() -> None:
    sk = established(100, fast_rounds=49, reno_count=60)
    end_round(sk, 100_000)
    assert (sk.ca.fast_rounds, sk.ca.reno_count) == (50, 60)
    end_round(sk, 100_000)
    assert (sk.ca.fast_rounds, sk.ca.reno_count) == (0, 2)


def test_two_samples_decide_nothing() -> None:
    sk = established(100)
    end_round(sk, 400_000, samples=2)
    assert (sk.ca.slow_rounds, sk.ca.last_q, sk.ca.cnt_rtt) == (0, 0, 0)


@pytest.mark.parametrize(
    ("slow_rounds", "queue", "reduced"),
    [(0, 0, 88), (0, 12, 88), (0, 30, 70), (15, 80, 50), (16, 0, 50), (99, 30, 50)],
)
def test_a_loss_takes_the_queue_an_eighth_at_least_and_half_at_most(
    slow_rounds: int, queue: int, reduced: int
) -> None:
    sk = established(100, slow_rounds=slow_rounds, last_q=queue, fast_rounds=5, reno_count=41)
    assert shipped("yeah").ssthresh(sk) == reduced
    assert (sk.ca.fast_rounds, sk.ca.reno_count) == (0, 20)


def test_a_loss_leaves_two_packets() -> None:
    assert shipped("yeah").ssthresh(established(2, slow_rounds=20)) == 2


@pytest.mark.parametrize(("slow_rounds", "cwnd"), [(0, 202), (1, 201)])
def test_fast_mode_grows_as_scalable_and_slow_mode_as_reno(slow_rounds: int, cwnd: int) -> None:
    sk = established(200, slow_rounds=slow_rounds)
    shipped("yeah").cong_avoid(sk, 1, 200)
    assert sk.snd_cwnd == cwnd


def test_an_idle_time_forgets_the_rtt_but_not_the_mode() -> None:
    sk = established(100, slow_rounds=7, reno_count=60)
    shipped("yeah").cwnd_event(sk, CaEvent.CWND_RESTART)
    assert sk.ca.base_rtt_us == 0x7FFFFFFF
    assert (sk.ca.slow_rounds, sk.ca.reno_count) == (7, 60)


def test_the_state_is_reported_and_does_not_stop_growth() -> None:
    sk = established(50)
    shipped("yeah").set_state(sk, CaState.DISORDER)
    assert shipped("yeah").get_info(sk)["enabled"] == 0
    shipped("yeah").cong_avoid(sk, 1, 50)
    assert sk.snd_cwnd == 51
