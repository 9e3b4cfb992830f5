"""Vegas by hand: what Diff decides, with BaseRTT = 100 ms."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaEvent, CaState
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped


def round_of(rtt_us: int, cwnd: int, samples: int = 3, **fields: int) -> HostSock:
    """Return the socket after a round trip of ``rtt_us``."""
    sk = connect("vegas", snd_cwnd=cwnd, snd_nxt=1000, **fields)
    sk.ca.base_rtt_us = 100_000
    for _ in range(samples):
        acked(sk, rtt_us - 1)
    shipped("vegas").cong_avoid(sk, 1001, 1)
    return sk


@pytest.mark.parametrize(
    ("rtt_us", "cwnd"),
    [
        (105_000, 21),  # Diff = 20 * 5 / 100 = 1 < alpha
        (109_999, 21),  # 1.9998, rounded down
        (110_000, 20),  # 2 = alpha
        (120_000, 20),  # 4 = beta
        (125_000, 19),  # 5 > beta
    ],
)
def test_diff_moves_the_window_by_one_packet(rtt_us: int, cwnd: int) -> None:
    assert round_of(rtt_us, 20, snd_ssthresh=10).snd_cwnd == cwnd


def test_shrinking_takes_ssthresh_along() -> None:
    sk = round_of(125_000, 20, snd_ssthresh=20)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (19, 19)


def test_slow_start_ends_with_the_window_that_fits_the_base_rtt() -> None:
    sk = round_of(120_000, 24)  # Diff = 4 > gamma; target 24 / 1.2 = 20
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (21, 21)


def test_slow_start_goes_on_at_gamma() -> None:
    sk = round_of(105_000, 20)  # Diff = 1
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (21, 0x7FFFFFFF)


def test_two_samples_make_a_reno_round() -> None:
    sk = round_of(125_000, 20, samples=2, snd_ssthresh=10)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt) == (20, 1)


@pytest.mark.parametrize(("cwnd", "clamp", "then"), [(2, 100, 2), (20, 15, 15)])
def test_the_window_stays_within_two_and_the_clamp(cwnd: int, clamp: int, then: int) -> None:
    sk = round_of(400_000, cwnd, snd_ssthresh=1, snd_cwnd_clamp=clamp)
    assert sk.snd_cwnd == then


def test_ssthresh_follows_at_three_quarters_but_not_in_a_reduction() -> None:
    assert round_of(110_000, 20, snd_ssthresh=10).snd_ssthresh == 15
    assert round_of(110_000, 20, snd_ssthresh=10, ca_state=2).snd_ssthresh == 10


def test_a_loss_makes_it_reno_until_the_state_is_open() -> None:
    sk = round_of(110_000, 20, snd_ssthresh=10)
    shipped("vegas").set_state(sk, CaState.DISORDER)
    shipped("vegas").cong_avoid(sk, 2000, 20)
    assert sk.snd_cwnd == 21
    shipped("vegas").set_state(sk, CaState.OPEN)
    assert shipped("vegas").get_info(sk)["enabled"] == 1


@pytest.mark.parametrize(("event", "base"), [("TX_START", 0x7FFFFFFF), ("LOSS", 100_000)])
def test_an_idle_time_forgets_the_path(event: str, base: int) -> None:
    sk = round_of(110_000, 20)
    shipped("vegas").cwnd_event(sk, CaEvent[event])
    assert sk.ca.base_rtt_us == base
