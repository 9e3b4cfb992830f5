"""CUBIC by hand: RFC 9438's window and reductions, and HyStart's two tests."""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.cc.fixed_point import cubic_root
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, CaState
from ccsim.kernel.sock import PACING_NEEDED
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped

cubic = shipped("cubic")
LOSS = int(CaState.LOSS)
TX_START = int(CaEvent.TX_START)


def sender(cwnd: int, ssthresh: int = TCP_INFINITE_SSTHRESH, **fields: int) -> HostSock:
    return connect("cubic", snd_cwnd=cwnd, snd_ssthresh=ssthresh, pacing_rate=1_000_000, **fields)


def after_loss_at_100() -> HostSock:
    """70 packets at the epoch's start, W_max 100: K = cbrt(30 / 0.4) = 4.217 s."""
    sk = sender(100)
    sk.snd_ssthresh = sk.snd_cwnd = cubic.ssthresh(sk)
    cubic.start_epoch(sk.ca, sk.snd_cwnd, sk.tcp_jiffies32, 1)
    return sk


@pytest.mark.parametrize(
    ("seconds", "window"),
    [
        (0, 70),  # 100 - 0.4 * 4.217**3
        (2, 95.6),  # 100 - 0.4 * 2.217**3
        (4.217, 100),
        (6, 102.3),  # 100 + 0.4 * 1.783**3
        (8, 121.7),  # 100 + 0.4 * 3.783**3
        (14.217, 500),  # 100 + 0.4 * 10**3
    ],
)
def test_the_curve_is_that_of_rfc_9438(seconds: float, window: float) -> None:
    sk = after_loss_at_100()
    # C is 410/1024 and K 0.2 % off: up to 2 packets at 500
    assert cubic.curve_target(sk.ca, int(seconds * 1000)) == pytest.approx(window, abs=2.2)


def test_the_plateau_after_a_loss_of_151_packets_comes_after_7_2_seconds() -> None:
    assert cubic_root(sender(10).ca.cube_factor * 151) / 1024 == pytest.approx(7.23, rel=0.005)


@pytest.mark.parametrize("root", [8, 10, 63, 500, 4096, 100_000, 1 << 20])
def test_cube_roots_of_cubes_are_within_a_hundredth(root: int) -> None:
    assert cubic_root(root**3) == pytest.approx(root, abs=max(1, root // 100))


def test_a_loss_keeps_seven_tenths_and_remembers_the_window() -> None:
    sk = sender(100)
    assert cubic.ssthresh(sk) == 70  # 100 * 717 // 1024
    assert sk.ca.last_max_cwnd == 100


def test_a_loss_below_the_old_maximum_makes_room_for_others() -> None:
    sk = sender(100)
    sk.snd_cwnd = cubic.ssthresh(sk)
    assert cubic.ssthresh(sk) == 49
    assert sk.ca.last_max_cwnd == 59  # 70 * (1 + 0.7) / 2


def test_without_fast_convergence_the_window_is_remembered_as_it_was() -> None:
    sk = connect("cubic", {"fast_convergence": 0}, snd_cwnd=100)
    sk.snd_cwnd = cubic.ssthresh(sk)
    cubic.ssthresh(sk)
    assert sk.ca.last_max_cwnd == 70


def test_at_least_one_packet_in_twenty_is_won_before_the_first_loss() -> None:
    sk = sender(1000, 500)
    cubic.cong_avoid(sk, 0, 1)
    assert sk.ca.cnt == 20


def test_while_the_window_stands_still_the_curve_is_read_every_32nd_of_a_second() -> None:
    sk = after_loss_at_100()
    sk.ca.epoch_start = 0
    sk.snd_cwnd = 70
    read = []
    for _ in range(70):
        cubic.cong_avoid(sk, 0, 0)
        read.append(sk.ca.last_time - 1_000_000)
        sk.tcp_jiffies32 += 1
    assert sorted(set(read)) == [0, 32, 64]  # more than 1000 // 32 = 31 ticks later


def test_an_idle_period_does_not_move_the_curve_on() -> None:
    sk = after_loss_at_100()
    sk.tcp_jiffies32 += 9000
    sk.lsndtime = sk.tcp_jiffies32 - 5000
    cubic.cwnd_event(sk, TX_START)
    assert sk.ca.epoch_start == 1_000_000 + 5000
    sk.lsndtime = sk.tcp_jiffies32 - 50_000  # never into the future
    cubic.cwnd_event(sk, TX_START)
    assert sk.ca.epoch_start == sk.tcp_jiffies32


def test_a_timeout_forgets_the_path() -> None:
    sk = after_loss_at_100()
    sk.ca.found = True
    cubic.set_state(sk, LOSS)
    ca = sk.ca
    assert (ca.last_max_cwnd, ca.epoch_start, ca.found, ca.delay_min) == (0, 0, False, 0)


def test_rtt_samples_of_an_epochs_first_second_do_not_count() -> None:
    sk = after_loss_at_100()
    sk.tcp_jiffies32 += 999
    acked(sk, 30_000)
    assert sk.ca.delay_min == 0
    sk.tcp_jiffies32 += 1
    acked(sk, 30_000)
    assert sk.ca.delay_min == 30_000


def test_an_ack_without_an_rtt_sample_changes_nothing() -> None:
    sk = sender(20)
    before = repr(sk.ca)
    acked(sk, -1)
    assert repr(sk.ca) == before


def test_without_hystart_slow_start_ends_at_the_configured_threshold() -> None:
    sk = connect("cubic", {"hystart": 0, "initial_ssthresh": 64}, snd_cwnd=10)
    assert sk.snd_ssthresh == 64


# HyStart. delay_min 40 ms: the delay test wants more than 40 + 5 ms (an eighth) from the ninth
# sample of a round on; the train test more than (40 + 1) / 2 ms, or 41 ms when paced.


def in_slow_start(cwnd: int = 20, **fields: int) -> HostSock:
    sk = sender(cwnd, tcp_mstamp=1_000_000, snd_nxt=100_000, **fields)
    sk.ca.delay_min = 40_000
    return sk


def after_samples(sk: HostSock, rtt_us: int, count: int, gap_us: int = 3000) -> int:
    for _ in range(count):
        sk.tcp_mstamp += gap_us
        acked(sk, rtt_us)
    return sk.snd_ssthresh


@pytest.mark.parametrize(
    ("rtt_us", "count", "ssthresh"),
    [
        (45_001, 8, TCP_INFINITE_SSTHRESH),
        (45_001, 9, 20),
        (45_000, 30, TCP_INFINITE_SSTHRESH),
    ],
)
def test_the_ninth_rtt_an_eighth_above_the_least_ends_slow_start(
    rtt_us: int, count: int, ssthresh: int
) -> None:
    assert after_samples(in_slow_start(), rtt_us, count) == ssthresh


@pytest.mark.parametrize(
    ("delay_min", "rtt_us"), [(8_000, 12_001), (400_000, 416_001)], ids=["4 ms", "16 ms"]
)
def test_the_rtt_must_grow_by_4_to_16_ms(delay_min: int, rtt_us: int) -> None:
    for rtt, ssthresh in ((rtt_us, 20), (rtt_us - 1, TCP_INFINITE_SSTHRESH)):
        sk = in_slow_start()
        sk.ca.delay_min = delay_min
        assert after_samples(sk, rtt, 9) == ssthresh


def test_a_train_of_half_the_rtt_ends_slow_start() -> None:
    sk = in_slow_start()
    assert after_samples(sk, 40_000, 20, gap_us=1000) == TCP_INFINITE_SSTHRESH  # 20 ms
    assert after_samples(sk, 40_000, 1, gap_us=501) == 20  # 20.501 ms


def test_a_paced_train_must_last_the_whole_rtt() -> None:
    sk = in_slow_start(pacing_status=PACING_NEEDED)
    assert after_samples(sk, 40_000, 41, gap_us=1000) == TCP_INFINITE_SSTHRESH
    assert after_samples(sk, 40_000, 1, gap_us=1) == 20


def test_a_gap_of_more_than_two_milliseconds_ends_the_train_for_the_round() -> None:
    sk = in_slow_start()
    after_samples(sk, 40_000, 1, gap_us=2001)
    assert after_samples(sk, 40_000, 60, gap_us=1000) == TCP_INFINITE_SSTHRESH


def test_the_ack_delay_shrinks_with_the_pacing_rate() -> None:
    sk = in_slow_start()
    sk.pacing_rate = 4 * 65536 * 10_000  # four bursts in 100 us: (40 + 0.1) / 2 ms
    assert after_samples(sk, 40_000, 20, gap_us=1000) == TCP_INFINITE_SSTHRESH
    assert after_samples(sk, 40_000, 1, gap_us=51) == 20


def test_below_sixteen_packets_rounds_start_but_nothing_is_tested() -> None:
    sk = in_slow_start(cwnd=15)
    sk.snd_una = 100_001
    assert after_samples(sk, 90_000, 60, gap_us=1000) == TCP_INFINITE_SSTHRESH
    assert sk.ca.round_start > 1_000_000


def test_once_found_the_end_is_not_found_again() -> None:
    sk = in_slow_start()
    after_samples(sk, 50_000, 9)
    sk.snd_ssthresh = 1000
    assert after_samples(sk, 50_000, 30) == 1000


@pytest.mark.parametrize(("known", "expected"), [(0, 41_000), (40_500, 40_500), (42_000, 41_000)])
def test_a_train_of_sacks_lowers_the_least_rtt(known: int, expected: int) -> None:
    sk = sender(100)
    sk.ca.delay_min = known
    assert cubic.sack_train(sk, np.array([41_500, 41_000, 43_000]))
    assert sk.ca.delay_min == expected


def test_a_train_of_sacks_after_a_curve_has_begun_is_left_to_the_hook() -> None:
    sk = sender(100)
    sk.ca.epoch_start = 5
    assert not cubic.sack_train(sk, np.array([41_000]))
    assert sk.ca.delay_min == 0
