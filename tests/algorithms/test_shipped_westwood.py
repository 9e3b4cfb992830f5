"""Westwood+ by hand: the two filters, and the window that the measured rate fills."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaEvent
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped


def ack(sk: HostSock, ticks: int, una: int, flags: int = 0) -> None:
    """Let ``ticks`` pass and an ACK for ``una`` arrive."""
    sk.tcp_jiffies32 += ticks
    sk.snd_una = una
    shipped("westwood").in_ack_event(sk, flags)


def measured() -> HostSock:
    """Return a socket that saw 101,000 bytes acknowledged in 101 ms, with an RTT of 100 ms."""
    sk = connect("westwood")
    acked(sk, 100_000)
    ack(sk, 0, 1)
    ack(sk, 50, 101_001)
    ack(sk, 51, 101_001)
    return sk


def test_the_first_window_fills_both_filters() -> None:
    sk = measured()
    assert (sk.ca.bw_ns_est, sk.ca.bw_est) == (1000, 1000)  # bytes/ms


def test_later_windows_move_the_filters_by_an_eighth_each() -> None:
    sk = measured()
    ack(sk, 101, 101_001)  # nothing acknowledged
    assert (sk.ca.bw_ns_est, sk.ca.bw_est) == (875, 984)  # (7000 + 875) / 8


@pytest.mark.parametrize(("rtt_us", "ticks", "over"), [(100_000, 100, 0), (20_000, 50, 0)])
def test_a_window_ends_only_beyond_an_rtt_and_50_ms(rtt_us: int, ticks: int, over: int) -> None:
    sk = connect("westwood")
    acked(sk, rtt_us)
    ack(sk, 0, 1)
    ack(sk, ticks, 100_001)
    assert sk.ca.bk == 100_000
    ack(sk, 1, 100_001)
    assert sk.ca.bk == over


def test_recovery_ends_with_the_bandwidth_delay_product() -> None:
    sk = measured()
    shipped("westwood").cwnd_event(sk, CaEvent.COMPLETE_CWR)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (69, 69)  # 1000 * 100 / 1448 = 69.06


def test_a_timeout_sets_ssthresh_and_renews_the_smallest_rtt() -> None:
    sk = measured()
    shipped("westwood").cwnd_event(sk, CaEvent.LOSS)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (10, 69)
    acked(sk, 200_000)
    ack(sk, 1, 101_001)
    assert sk.ca.rtt_min == 200


def test_without_an_estimate_two_packets_are_left() -> None:
    sk = connect("westwood")
    shipped("westwood").cwnd_event(sk, CaEvent.COMPLETE_CWR)
    assert sk.snd_cwnd == 2


def test_duplicate_acks_are_counted_once() -> None:
    sk = connect("westwood", mss_cache=1000)
    ack(sk, 0, 1)
    for _ in range(2):
        ack(sk, 0, 1, flags=1)  # two segments beyond a hole
    assert sk.ca.bk == 2000
    ack(sk, 0, 4001, flags=1)  # the hole, these two and another one
    assert sk.ca.bk == 4000
    assert sk.ca.accounted == 0


def test_a_cumulative_ack_within_what_is_on_account_is_one_segment() -> None:
    sk = connect("westwood", mss_cache=1000)
    ack(sk, 0, 1)
    for _ in range(3):
        ack(sk, 0, 1, flags=1)
    ack(sk, 0, 2001, flags=1)
    assert (sk.ca.bk, sk.ca.accounted) == (4000, 1000)


@pytest.mark.parametrize(("hz", "ticks", "info_us"), [(1000, 6, 6000), (250, 2, 8000)])
def test_rtts_are_rounded_up_to_ticks(hz: int, ticks: int, info_us: int) -> None:
    sk = connect("westwood", hz=hz)
    acked(sk, 5001)
    assert sk.ca.rtt == ticks
    assert shipped("westwood").get_info(sk)["rtt"] == info_us


def test_a_zero_rtt_is_no_sample() -> None:
    sk = connect("westwood")
    acked(sk, 0)
    acked(sk, -1)
    assert sk.ca.rtt == 20_000
