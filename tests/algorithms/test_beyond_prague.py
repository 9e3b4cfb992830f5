"""TCP Prague by hand (draft-briscoe-iccrg-prague-congestion-control, section 2.4): alpha, growth,
reductions, RTT independence, and the echo of its receiver."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.kernel.ops import (
    TCP_CONG_NEEDS_ECN,
    TCP_INFINITE_SSTHRESH,
    CaEvent,
    CaState,
    RateSample,
)
from tests.algorithms.shipped_rig import HostSock, connect, shipped

prague = shipped("prague")
ONE = 1 << 16
ALPHA_ONE = 1 << 20
MSS = 1448
ECN_OK, DEMAND_CWR = 1, 4
ACK_TIMER, ACK_NOW = 2, 16


def sender(cwnd: int = 100, ssthresh: int = 50, rtt_us: int = 25_000, **fields: Any) -> HostSock:
    start = {"snd_cwnd": cwnd, "snd_ssthresh": ssthresh, "srtt_us": rtt_us << 3, "delivered": 1000}
    start |= {"ecn_flags": ECN_OK, "tcp_mstamp": 10**7, "snd_una": 0, "snd_nxt": 100 * MSS}
    params = fields.pop("params", None)
    return connect("prague", params, **{**start, **fields})


def ack(
    sk: HostSock, acked: int = 1, marked: int = 0, gap_us: int = 250, losses: int = 0, left: int = 0
) -> None:
    """Acknowledge packets, of which so many were marked; the sender keeps its window full.

    ``losses`` are found by this ACK, of a packet that left when ``left`` had been delivered."""
    sk.tcp_mstamp += gap_us
    sk.snd_una += acked * MSS
    sk.delivered += acked
    sk.delivered_ce += marked
    rs = RateSample()
    rs.acked_sacked, rs.delivered = acked, 100
    rs.losses, rs.prior_delivered = losses, left
    assert sk.ca_ops.cong_control is not None
    sk.ca_ops.cong_control(sk, sk.snd_una, 4 if marked else 0, rs)
    sk.snd_nxt = max(sk.snd_nxt, sk.snd_una + sk.snd_cwnd * MSS)


def a_round(sk: HostSock, marked: int = 0) -> None:
    """Acknowledge what is in flight, the first packets of it marked."""
    for k in range((sk.snd_nxt - sk.snd_una) // MSS):
        ack(sk, marked=int(k < marked))


# --- growth ---


def test_at_25_ms_a_window_of_unmarked_packets_adds_one() -> None:
    sk = sender()
    for _ in range(100):
        ack(sk)
    assert sk.ca.cwnd == pytest.approx(101 * ONE, rel=1e-4)


@pytest.mark.parametrize(
    ("rtt_us", "target_ms", "share"),
    [(5_000, 25, 0.04), (12_500, 25, 0.25), (50_000, 25, 1), (5_000, 0, 1), (5_000, 10, 0.25)],
)
def test_a_short_rtt_grows_by_the_square_of_its_part_of_25_ms(
    rtt_us: int, target_ms: int, share: float
) -> None:
    sk = sender(rtt_us=rtt_us, params={"rtt_target_ms": target_ms})
    for _ in range(100):
        ack(sk, gap_us=1)
    assert sk.ca.cwnd / ONE - 100 == pytest.approx(share, rel=0.02)


def test_marked_packets_add_nothing() -> None:
    sk = sender()
    ack(sk, marked=1)
    cwnd = sk.ca.cwnd
    for _ in range(50):
        ack(sk, marked=1)
    assert sk.ca.cwnd == cwnd


def test_growth_goes_on_in_the_round_of_a_reduction() -> None:
    sk = sender()
    ack(sk, marked=1)
    cwnd = sk.ca.cwnd
    ack(sk)
    assert sk.ca.cwnd > cwnd


def test_slow_start_doubles_until_the_first_mark_halves() -> None:
    sk = sender(cwnd=10, ssthresh=TCP_INFINITE_SSTHRESH)
    for _ in range(10):
        ack(sk)
    assert sk.snd_cwnd == 20
    ack(sk, marked=1)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (10, 10)  # alpha is 1 before it is known


def test_nothing_grows_while_something_else_limits_the_sender() -> None:
    sk = sender(is_cwnd_limited=False)
    for _ in range(100):
        ack(sk)
    assert sk.ca.cwnd == 100 * ONE


# --- alpha and reductions ---


def test_a_fully_marked_round_takes_alpha_a_sixteenth_of_the_way_to_1() -> None:
    sk = sender()
    sk.ca.alpha = 0
    a_round(sk, marked=100)
    ack(sk)
    assert sk.ca.alpha == pytest.approx(ALPHA_ONE / 16, rel=0.02)


def test_a_round_without_marks_takes_a_sixteenth_of_alpha_away() -> None:
    sk = sender()
    a_round(sk)
    ack(sk)
    assert sk.ca.alpha == ALPHA_ONE * 15 // 16


def test_a_quarter_marked_for_long_makes_alpha_a_quarter() -> None:
    sk = sender(cwnd=40, ssthresh=20)
    for _ in range(200):
        sk.snd_cwnd = 40
        sk.snd_nxt = sk.snd_una + 40 * MSS
        a_round(sk, marked=10)
    assert sk.ca.alpha / ALPHA_ONE == pytest.approx(0.25, abs=0.02)


def test_alphas_round_is_25_ms_long_however_short_the_rtt() -> None:
    sk = sender(rtt_us=1000)
    for _ in range(240):
        ack(sk, gap_us=100)
    assert sk.ca.alpha == ALPHA_ONE
    for _ in range(11):
        ack(sk, gap_us=100)
    assert sk.ca.alpha == ALPHA_ONE * 15 // 16


@pytest.mark.parametrize(("alpha", "cwnd"), [(1.0, 50), (0.5, 75), (0.1, 95), (0.0, 100)])
def test_a_mark_reduces_by_half_of_alpha(alpha: float, cwnd: int) -> None:
    sk = sender()
    sk.ca.alpha = int(alpha * ALPHA_ONE)
    ack(sk, marked=1)
    assert sk.ca.cwnd / ONE == pytest.approx(cwnd, abs=0.1)
    assert sk.snd_ssthresh == pytest.approx(cwnd, abs=1)


def test_the_marks_of_a_round_reduce_once() -> None:
    sk = sender()
    sk.ca.alpha = ALPHA_ONE // 2
    ack(sk, marked=1)
    after = sk.snd_cwnd
    for _ in range(98):
        ack(sk, marked=1)
    assert sk.snd_cwnd == after
    for _ in range(3):
        ack(sk, marked=1)
    assert sk.snd_cwnd < after


def test_two_packets_are_the_least_window_that_marks_leave() -> None:
    sk = sender(cwnd=2, ssthresh=2)
    ack(sk, marked=1)
    assert sk.snd_cwnd == 2


def test_the_threshold_that_the_host_asks_for_is_the_reduced_window() -> None:
    sk = sender()
    sk.ca.alpha = ALPHA_ONE // 2
    assert prague.ssthresh(sk) == 75
    ack(sk, marked=1)
    assert prague.ssthresh(sk) == 75


# --- losses ---


def test_a_loss_halves_the_window() -> None:
    sk = sender()
    prague.set_state(sk, int(CaState.RECOVERY))
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (50, 50)
    assert prague.undo_cwnd(sk) == 100


def test_a_loss_in_the_round_of_a_mark_takes_as_much_as_is_left_of_half() -> None:
    sk = sender()
    sk.ca.alpha = ALPHA_ONE // 2
    ack(sk, marked=1)
    assert sk.snd_cwnd == 75
    prague.set_state(sk, int(CaState.RECOVERY))
    assert sk.snd_cwnd == 50


def test_nothing_grows_in_recovery() -> None:
    sk = sender()
    prague.set_state(sk, int(CaState.RECOVERY))
    sk.ca_state = int(CaState.RECOVERY)
    for _ in range(200):
        ack(sk)
    assert sk.snd_cwnd == 50


def sacked_in_recovery(sk: HostSock, losses: int, left: int) -> None:
    """SACK a packet in a recovery that acknowledges nothing in order."""
    una = sk.snd_una
    ack(sk, losses=losses, left=left)
    sk.snd_una = una


def test_what_is_lost_a_round_later_in_recovery_halves_again() -> None:
    """In Recovery from 1000 delivered on, 50 packets; 1001 left before, 1100 a round later."""
    sk = sender()
    prague.set_state(sk, int(CaState.RECOVERY))
    sk.ca_state = int(CaState.RECOVERY)
    for _ in range(100):  # the round in which the first loss is found: one reduction for all of it
        sacked_in_recovery(sk, 1, 999)
    assert sk.snd_cwnd == 50
    sacked_in_recovery(sk, 0, 1000)  # a round is over, and nothing is lost
    assert sk.snd_cwnd == 50
    sacked_in_recovery(sk, 1, 1001)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (25, 25)
    sacked_in_recovery(sk, 3, 1100)  # left before that reduction, at 1102
    assert sk.snd_cwnd == 25
    sacked_in_recovery(sk, 3, 1102)
    assert sk.snd_cwnd == 12


def test_recovery_never_leaves_less_than_two_packets() -> None:
    sk = sender(cwnd=4)
    prague.set_state(sk, int(CaState.RECOVERY))
    sk.ca_state = int(CaState.RECOVERY)
    for _ in range(5):
        sacked_in_recovery(sk, 1, sk.delivered)
    assert sk.snd_cwnd == 2


def test_a_timeout_halves_the_threshold_and_slow_start_leads_there() -> None:
    sk = sender()
    prague.cwnd_event(sk, int(CaEvent.LOSS))
    sk.snd_cwnd, sk.ca_state = 1, int(CaState.LOSS)
    assert sk.snd_ssthresh == 50
    for _ in range(60):
        ack(sk)
    assert 50 <= sk.snd_cwnd <= 51


# --- pacing, fallback, parameters ---


def test_it_paces_at_a_window_per_rtt_and_in_slow_start_at_two() -> None:
    sk, starting = sender(), sender(cwnd=100, ssthresh=TCP_INFINITE_SSTHRESH)
    ack(sk)
    ack(starting)
    assert sk.pacing_rate == pytest.approx(100 * MSS / 0.025, rel=0.001)
    assert starting.pacing_rate == pytest.approx(2 * 101 * MSS / 0.025, rel=0.001)


def test_it_needs_ecn_and_is_reno_without() -> None:
    assert prague.prague.flags == TCP_CONG_NEEDS_ECN
    assert sender().ca_ops.name == "prague"
    assert sender(ecn_flags=0).ca_ops.name == "prague-reno"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rtt_target_ms": -1}, "prague: rtt_target_ms: expected 0 to 1000, got -1"),
        ({"shift_g": 21}, "prague: shift_g: expected 0 to 20, got 21"),
    ],
)
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prague.Params(**wrong)


# --- the receiver ---


def test_a_change_of_marks_is_acknowledged_with_the_echo_that_came_before() -> None:
    sk = sender(rcv_nxt=1000)
    sk.rcv_nxt, sk.ack_pending = 2448, ACK_TIMER
    prague.cwnd_event(sk, int(CaEvent.ECN_IS_CE))
    assert sk.host_calls == [(1000, ECN_OK)]
    assert sk.ecn_flags & DEMAND_CWR
    assert sk.ack_pending & ACK_NOW
    sk.rcv_nxt, sk.ack_pending = 3896, ACK_TIMER
    prague.cwnd_event(sk, int(CaEvent.ECN_NO_CE))
    assert sk.host_calls[1] == (2448, ECN_OK | DEMAND_CWR)
    assert not sk.ecn_flags & DEMAND_CWR


def test_marks_that_do_not_change_are_echoed_without_haste() -> None:
    sk = sender(rcv_nxt=1000)
    prague.cwnd_event(sk, int(CaEvent.ECN_NO_CE))
    prague.cwnd_event(sk, int(CaEvent.ECN_NO_CE))
    assert sk.host_calls == []
    assert not sk.ack_pending & ACK_NOW
