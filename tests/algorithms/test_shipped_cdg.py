"""CDG by hand: the exponential and its tail, gradients, back-offs, the guess about the queue."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.kernel.ops import CaEvent
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped

U32_MAX = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("x", "value"),
    [
        (0, U32_MAX),
        (1, U32_MAX - 4294),  # 2^32 / 10^6
        (255, U32_MAX - 255 * 4294),
        (256, 4_293_853_183),  # 4294967295 * 65519 / 65536
        (1 << 22, 64_749_567),  # * 988 / 65536
        (1 << 23, 983_039),  # * 15 / 65536
        ((1 << 23) + (1 << 22), 14_819),  # 64749567 * 15 / 65536 = 14819.99
        (1 << 24, 0),
        (U32_MAX, 0),
    ],
)
def test_the_exponential_is_a_product_of_the_tables_powers(x: int, value: int) -> None:
    assert shipped("cdg").exp_minus(x) == value


def test_the_tail_of_the_exponential_ends_where_it_is_cut_off() -> None:
    assert shipped("cdg").exp_minus((1 << 24) - 1) in (222, 223)  # exp(-16.777215) * 2^32 = 222.2


@given(st.integers(0, (1 << 24) - 1))
def test_the_exponential_is_near_the_true_one(x: int) -> None:
    assert shipped("cdg").exp_minus(x) / U32_MAX == pytest.approx(
        math.exp(-x / 1e6), rel=0.05, abs=5e-7
    )


@given(st.integers(0, (1 << 24) - 2))
def test_the_exponential_falls_or_rises_by_no_more_than_its_rounding(x: int) -> None:
    # At the edge of a power of two a product of rounded factors gives way to one factor, itself
    # rounded to 16 bits: at 2^23, the coarsest, it rises by 0.67 %.
    exp_minus = shipped("cdg").exp_minus
    assert exp_minus(x + 1) <= exp_minus(x) * 1.007 + 1


def rounds(sk: HostSock, *rtts_ms: int) -> None:
    """Let a round trip pass for each RTT, ended by an ACK of no packet."""
    for rtt_ms in rtts_ms:
        acked(sk, rtt_ms * 1000, pkts_acked=2)
        sk.snd_nxt += 1
        shipped("cdg").cong_avoid(sk, sk.snd_nxt, 0)


def flow(params: dict[str, int] | None = None, draw: int = U32_MAX) -> HostSock:
    """Return a flow in congestion avoidance; by default every gradient above 0 backs off."""
    return connect("cdg", params, snd_cwnd=100, snd_ssthresh=2, draw=draw)


def test_a_rising_rtt_backs_off_and_a_falling_one_does_not() -> None:
    sk = flow()
    rounds(sk, 50)
    rounds(sk, 40)
    assert sk.host_calls == []
    rounds(sk, 60)
    assert sk.host_calls == ["cwr"]
    assert shipped("cdg").ssthresh(sk) == 70  # 100 * 724 / 1024


@pytest.mark.parametrize(("draw", "backs_off"), [(1_879_048_192, True), (1_811_939_328, False)])
def test_the_chance_of_a_back_off_follows_the_gradient(draw: int, backs_off: bool) -> None:
    sk = flow(draw=draw)  # 20 ms * 42 = 0.84: exp(-0.84) = 0.4317, 1,854,198,000 of 2^32
    assert shipped("cdg").back_off(sk, 20_000) is backs_off
    assert bool(sk.host_calls) is backs_off


def test_the_first_gradients_are_extrapolated_over_the_ring() -> None:
    sk = flow()
    cdg, ca = shipped("cdg"), sk.ca
    ca.prev_min = ca.prev_max = 50_000
    ca.rtt_min = ca.rtt_max = 50_100
    assert cdg.end_gradient(sk, ca) == 800  # one of eight
    assert cdg.end_gradient(sk, ca) == 800  # 200 * 8 / 2
    for _ in range(5):
        cdg.end_gradient(sk, ca)
    assert not ca.filled
    assert cdg.end_gradient(sk, ca) == 800
    assert ca.filled
    ca.rtt_min = ca.rtt_max = 50_000
    assert cdg.end_gradient(sk, ca) == 700


def test_extrapolation_rounds_toward_zero() -> None:
    sk = flow()
    ca = sk.ca
    ca.tail, ca.sum_min, ca.sum_max = 2, -10, -10
    ca.prev_min = ca.prev_max = 100
    ca.rtt_min = ca.rtt_max = 100
    assert shipped("cdg").end_gradient(sk, ca) == -26  # -80 / 3 = -26.7


def test_a_window_of_one_has_no_ring() -> None:
    sk = flow({"window": 1})
    sk.ca.prev_min, sk.ca.rtt_min = 100, 150
    assert shipped("cdg").end_gradient(sk, sk.ca) == 50
    assert sk.ca.gradients == []


def test_after_five_back_offs_in_vain_cdg_stops_until_a_gradient_falls() -> None:
    sk = flow()
    assert [shipped("cdg").back_off(sk, 1000) for _ in range(7)] == [True] * 5 + [False] * 2
    sk.ca.prev_min = sk.ca.prev_max = 50_000
    sk.ca.rtt_min, sk.ca.rtt_max = 49_969, 50_000  # -31: not enough
    shipped("cdg").end_gradient(sk, sk.ca)
    assert sk.ca.backoff_cnt == 7
    sk.ca.prev_min, sk.ca.rtt_min = 50_000, 49_999  # -32 in the sum
    shipped("cdg").end_gradient(sk, sk.ca)
    assert sk.ca.backoff_cnt == 0


@pytest.mark.parametrize(
    ("g_min", "g_max", "state"),
    [
        (32, 31, "FULL"),  # 0.5 rounds up, 0.48 down
        (32, -31, "FULL"),
        (32, -32, "FULL"),
        (32, 32, "NONFULL"),
        (31, -32, "NONFULL"),
        (0, 100, "UNKNOWN"),
        (31, 31, "UNKNOWN"),
    ],
)
def test_the_queue_is_full_when_the_smallest_rtt_alone_grows(
    g_min: int, g_max: int, state: str
) -> None:
    cdg = shipped("cdg")
    ca = connect("cdg").ca
    cdg.guess_queue(ca, g_min, g_max)
    assert ca.state == getattr(cdg, state)


def test_a_loss_in_a_queue_with_room_costs_nothing_when_tolerated() -> None:
    cdg = shipped("cdg")
    sk = flow({"use_tolerance": 1})
    sk.ca.state = cdg.NONFULL
    assert cdg.ssthresh(sk) == 100
    sk.ca.state = cdg.FULL
    assert cdg.ssthresh(sk) == 50


def test_a_loss_reduces_the_shadow_window_where_that_is_larger() -> None:
    sk = flow()
    sk.ca.shadow_wnd = 160
    assert shipped("cdg").ssthresh(sk) == 80
    assert shipped("cdg").ssthresh(flow({"use_shadow": 0})) == 50


def test_samples_of_delayed_acks_may_lower_the_minimum_only() -> None:
    sk = flow()
    acked(sk, 50_000, pkts_acked=2)
    acked(sk, 90_000, pkts_acked=1)  # delayed
    assert (sk.ca.rtt_min, sk.ca.rtt_max, sk.ca.delack) == (50_000, 50_000, 0)
    acked(sk, 90_000, pkts_acked=1)
    assert sk.ca.rtt_max == 90_000


@pytest.mark.parametrize("rtt_us", [0, -1])
def test_no_rtt_is_no_sample(rtt_us: int) -> None:
    sk = flow()
    acked(sk, rtt_us)
    assert (sk.ca.rtt_min, sk.ca.rtt_max) == (0, 0)


@pytest.mark.parametrize(("detect", "ssthresh"), [(1, 16), (2, 0x7FFFFFFF), (0, 0x7FFFFFFF)])
def test_a_train_of_acks_over_half_the_rtt_ends_slow_start(detect: int, ssthresh: int) -> None:
    sk = connect(
        "cdg", {"hystart_detect": detect}, snd_cwnd=16, snd_nxt=10_000, tcp_mstamp=5_000_000
    )
    acked(sk, 10_000)
    for _ in range(3):  # 0, 2.5 and 5 ms: not yet more than half
        shipped("cdg").cong_avoid(sk, 2, 0)
        assert sk.snd_ssthresh == 0x7FFFFFFF
        sk.tcp_mstamp += 2_500
    shipped("cdg").cong_avoid(sk, 2, 0)
    assert sk.snd_ssthresh == ssthresh


@pytest.mark.parametrize(("rtt_us", "ends"), [(9_000, False), (9_001, True)])
def test_a_round_an_eighth_above_the_smallest_rtt_ends_slow_start(rtt_us: int, ends: bool) -> None:
    sk = connect("cdg", {"hystart_detect": 2}, snd_cwnd=16, snd_nxt=10_000)
    sk.ca.delay_min = 8_000
    acked(sk, rtt_us)
    for _ in range(8):
        shipped("cdg").cong_avoid(sk, 2, 0)
        assert sk.snd_ssthresh == 0x7FFFFFFF
    shipped("cdg").cong_avoid(sk, 2, 0)
    assert (sk.snd_ssthresh == 16) is ends


def test_an_idle_time_starts_over() -> None:
    sk = flow()
    rounds(sk, 50, 60)
    sk.snd_cwnd = 30
    shipped("cdg").cwnd_event(sk, CaEvent.CWND_RESTART)
    assert (sk.ca.shadow_wnd, sk.ca.prev_min, sk.ca.gradients) == (30, 0, [(0, 0)] * 8)
