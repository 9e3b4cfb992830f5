"""TCP-LP by hand: the delay threshold, the inference phase, and the peer's clock."""

from __future__ import annotations

import pytest

from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped


def ack(sk: HostSock, now_ms: int, tsval: int, tsecr: int, rtt_us: int = 30_000) -> None:
    """Let an ACK with these timestamps arrive."""
    sk.tcp_mstamp = now_ms * 1000
    sk.rcv_tsval, sk.rcv_tsecr = tsval, tsecr
    acked(sk, rtt_us)


def queued(sowd: int, last_drop: int = 0) -> HostSock:
    """Return a socket with a delay range of 100 to 200 ms and a smoothed delay of ``sowd`` / 8."""
    sk = connect("lp", snd_cwnd=20)
    ca = sk.ca
    ca.owd_min, ca.owd_max, ca.owd_max_rsv, ca.sowd = 100, 200, 200, sowd
    ca.last_drop, ca.inference = last_drop, 90
    sk.tcp_mstamp = 5_000_000
    sk.rcv_tsecr = 5_000
    acked(sk, -1)
    return sk


@pytest.mark.parametrize(("sowd", "cwnd"), [(919, 20), (920, 10), (1600, 10)])
def test_the_window_is_halved_when_the_delay_reaches_15_percent(sowd: int, cwnd: int) -> None:
    assert queued(sowd).snd_cwnd == cwnd  # 115 * 8 = 920


@pytest.mark.parametrize(("last_drop", "cwnd"), [(4_911, 1), (4_910, 10), (0, 10)])
def test_within_three_rtts_of_a_reduction_one_packet_is_left(last_drop: int, cwnd: int) -> None:
    assert queued(920, last_drop).snd_cwnd == cwnd


def test_a_reduction_starts_the_range_anew() -> None:
    ca = queued(920).ca
    assert (ca.owd_min, ca.owd_max, ca.owd_max_rsv, ca.last_drop) == (115, 230, 230, 5_000)


def test_a_single_packet_is_not_halved_away() -> None:
    sk = connect("lp", snd_cwnd=1)
    shipped("lp").back_off(sk, 1)
    assert sk.snd_cwnd == 1


def test_nothing_grows_in_the_inference_phase() -> None:
    sk = connect("lp", snd_cwnd=20)
    sk.ca.within_inference = True
    shipped("lp").cong_avoid(sk, 1, 20)
    assert sk.snd_cwnd == 20
    sk.ca.within_inference = False
    shipped("lp").cong_avoid(sk, 1, 20)
    assert sk.snd_cwnd == 40


@pytest.mark.parametrize(("ticks", "hz"), [(100, 1000), (25, 250), (10, 100)])
def test_the_first_estimate_of_the_peers_clock_is_taken_as_it_is(ticks: int, hz: int) -> None:
    sk = connect("lp")
    ack(sk, 1030, 5_000, 1_000)
    assert sk.ca.remote_hz == 0
    ack(sk, 1130, 5_000 + ticks, 1_100)
    assert sk.ca.remote_hz == hz


def test_later_estimates_weigh_a_64th() -> None:
    sk = connect("lp")
    ack(sk, 1030, 5_000, 1_000)
    ack(sk, 1130, 5_100, 1_100)
    ack(sk, 1230, 5_264, 1_200)  # 1640 ticks a second
    assert sk.ca.remote_hz == 1010


@pytest.mark.parametrize(("tsval", "tsecr"), [(5_000, 1_100), (5_100, 1_000)])
def test_a_clock_that_stands_still_gives_no_estimate(tsval: int, tsecr: int) -> None:
    sk = connect("lp")
    ack(sk, 1030, 5_000, 1_000)
    ack(sk, 1130, tsval, tsecr)
    assert (sk.ca.remote_hz, sk.ca.sowd) == (0, 0)


def test_the_delay_is_the_difference_of_both_clocks_in_ms() -> None:
    sk = connect("lp", rcv_tsval=300, rcv_tsecr=1_000)
    sk.ca.remote_hz = 250
    assert shipped("lp").one_way_delay(sk) == 200  # 300 * 4 - 1000
    sk.rcv_tsecr = 1_201
    assert shipped("lp").one_way_delay(sk) == 0xFFFFFFFF  # unsigned, as in Linux


def test_a_larger_delay_counts_when_it_was_seen_twice() -> None:
    lp = shipped("lp")
    ca = connect("lp").ca
    seen = []
    for owd in (100, 300, 250, 300, 310):
        if owd > ca.owd_max:
            lp.follow_maximum(ca, owd)
        seen.append((ca.owd_max, ca.owd_max_rsv))
    assert seen == [(100, 100), (100, 300), (250, 300), (300, 300), (300, 310)]


def test_the_inference_phase_is_three_round_trips_of_the_timestamp() -> None:
    sk = connect("lp")
    ack(sk, 1030, 5_000, 1_000, rtt_us=-1)
    assert sk.ca.inference == 90
    ack(sk, 1030, 5_000, 1_031, rtt_us=-1)  # an echo from the future
    assert sk.ca.inference == 90
