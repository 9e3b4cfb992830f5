"""TCP-NV by hand: the window for the measured rate, when it counts, how RTTs are bounded."""

from __future__ import annotations

import pytest

from ccsim.kernel.ops import CaState
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped

INFINITE = 0x7FFFFFFF


def measured(cwnd: int, evals: int = 60, rtts: int = 2, ssthresh: int = 50) -> HostSock:
    """Return a socket that measured 100 packets per 10 ms, which makes max_win 100 + 10."""
    sk = connect("nv", snd_cwnd=cwnd, snd_ssthresh=ssthresh, mss_cache=1448)
    acked(sk, 10_000, in_flight=144_800)
    assert sk.ca.max_rate == 1_158_400  # 144800 bytes / 10 ms in units of 100 bit/s
    sk.ca.eval_count, sk.ca.rtt_count = evals, rtts - 1
    shipped("nv").end_round(sk, 1448, sk.snd_nxt)
    return sk


@pytest.mark.parametrize(
    ("cwnd", "then"),
    [
        (150, 139),  # 40 too many: 40 * 38 / 128 = 11
        (113, 111),  # 3 too many: 2 at least
        (112, 110),  # 2 too many: straight to max_win
        (111, 110),
    ],
)
def test_a_window_above_max_win_is_reduced(cwnd: int, then: int) -> None:
    sk = measured(cwnd)
    assert (sk.snd_cwnd, sk.snd_ssthresh, sk.ca.allow_growth) == (then, 110, False)
    assert (sk.ca.eval_count, sk.ca.rtt_count, sk.ca.max_rate) == (0, 0, 0)


@pytest.mark.parametrize("cwnd", [110, 109])
def test_a_window_close_below_max_win_stays_as_it_is(cwnd: int) -> None:
    sk = measured(cwnd)
    assert (sk.snd_cwnd, sk.ca.eval_count) == (cwnd, 60)


@pytest.mark.parametrize(("evals", "decided"), [(20, True), (19, False)])
def test_growth_needs_20_measurements(evals: int, decided: bool) -> None:
    sk = measured(108, evals, rtts=1)
    assert (sk.ca.no_cong_count == 1) is decided


@pytest.mark.parametrize(
    ("evals", "rtts", "ssthresh", "cwnd"),
    [
        (59, 2, 50, 150),
        (60, 1, 50, 150),
        (29, 2, INFINITE, 150),
        (30, 2, INFINITE, 139),
    ],
)
def test_a_reduction_needs_measurements_enough(
    evals: int, rtts: int, ssthresh: int, cwnd: int
) -> None:
    assert measured(150, evals, rtts, ssthresh).snd_cwnd == cwnd


@pytest.mark.parametrize(("rtts", "growth"), [(10, True), (11, False)])
def test_growth_stops_after_ten_rtts_with_too_few_measurements(rtts: int, growth: bool) -> None:
    assert measured(150, 59, rtts).ca.allow_growth is growth


def test_a_round_with_one_large_ack_prolongs_the_next_and_allows_growth() -> None:
    sk = connect("nv", snd_nxt=100_000)
    sk.ca.eval_count, sk.ca.allow_growth = 1, False
    shipped("nv").end_round(sk, 3 * 1448, sk.snd_nxt)  # as many as min_cwnd - 1
    assert (sk.ca.min_cwnd, sk.ca.rtt_start_seq) == (6, 100_000 + 6 * 1448)
    assert (sk.ca.eval_count, sk.ca.allow_growth) == (0, True)


def test_the_prolonged_round_is_bounded() -> None:
    sk = connect("nv", snd_ssthresh=5)
    sk.ca.min_cwnd = 80
    for min_cwnd in (81, 81):
        sk.ca.eval_count = 1
        shipped("nv").end_round(sk, 10_000_000, sk.snd_nxt)
        assert sk.ca.min_cwnd == min_cwnd


@pytest.mark.parametrize(("byte", "ticks"), [(0, 3750), (128, 5000), (255, 6240)])
def test_the_smallest_rtt_expires_after_three_to_five_quarters(byte: int, ticks: int) -> None:
    sk = connect("nv", draw=byte)
    acked(sk, 10_000)
    sk.tcp_jiffies32 += 2000
    acked(sk, 30_000)  # averages to 20 ms
    assert sk.ca.min_rtt_us == 10_000
    assert sk.ca.min_rtt_reset == sk.tcp_jiffies32 + ticks
    assert sk.ca.min_rtt_new_us == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("rtt_us", "believed"), [(400, 480), (480, 480), (500, 500), (600, 600), (900, 600)]
)
def test_the_base_rtt_bounds_what_is_believed(rtt_us: int, believed: int) -> None:
    sk = connect("nv", bpf_base_rtt=600)  # 600 * 205 / 256 = 480
    acked(sk, rtt_us)
    assert sk.ca.min_rtt_us == believed
    assert sk.ca.last_rtt_us == rtt_us


def test_each_timeout_halves_growth_down_to_a_256th() -> None:
    sk = connect("nv", snd_cwnd=10, snd_ssthresh=2)
    for _ in range(9):
        shipped("nv").set_state(sk, CaState.LOSS)
    assert sk.ca.growth_factor == -8
    sk.ca.growth_factor, sk.ca.allow_growth = -1, True
    shipped("nv").cong_avoid(sk, 1, 20)
    assert sk.snd_cwnd == 11


def test_nine_evaluations_without_congestion_double_growth() -> None:
    ca = connect("nv").ca
    ca.growth_factor = -2
    for _ in range(9):
        ca.eval_count = 20
        assert shipped("nv").permit_growth(ca)
    assert (ca.growth_factor, ca.no_cong_count) == (-1, 0)


@pytest.mark.parametrize("state", [CaState.CWR, CaState.RECOVERY, CaState.LOSS])
def test_nothing_grows_or_is_measured_while_losses_are_repaired(state: CaState) -> None:
    sk = connect("nv", snd_cwnd=10, snd_ssthresh=2)
    shipped("nv").set_state(sk, state)
    sk.ca_state = int(state)
    acked(sk, 10_000)
    shipped("nv").cong_avoid(sk, 1, 100)
    assert (sk.snd_cwnd, sk.snd_cwnd_cnt, sk.ca.last_rtt_us) == (10, 0, 0)


def test_a_loss_takes_a_fifth() -> None:
    assert shipped("nv").ssthresh(connect("nv", snd_cwnd=100)) == 79  # 100 * 819 / 1024
    assert shipped("nv").ssthresh(connect("nv", snd_cwnd=2)) == 2


def test_small_windows_grow_a_packet_per_four() -> None:
    sk = connect("nv", snd_cwnd=2, snd_ssthresh=2)
    shipped("nv").cong_avoid(sk, 1, 3)
    assert sk.snd_cwnd == 2
    shipped("nv").cong_avoid(sk, 1, 1)
    assert sk.snd_cwnd == 3
