"""BBRv3's model of the path, its window and ProbeRTT by hand, after the draft's example test cases
(draft-ietf-ccwg-bbr-06, appendix A); the sender is that of `tests.algorithms.bbr3_rig`.
"""

from __future__ import annotations

import pytest

from ccsim.cc.bbr3_bounds import InflightModel, Limits, is_too_high
from ccsim.kernel.ops import CaEvent, CaState
from tests.algorithms.bbr3_rig import (
    BDP,
    CRUISE,
    DOWN,
    DRAIN,
    ONE_A_MS,
    PROBE_RTT,
    REFILL,
    RTT_US,
    STARTUP,
    UP,
    ack,
    acks,
    bbr3,
    cruising,
    probing,
    rounds,
    sender,
    until,
)

UNBOUNDED = 1 << 62  # in flight, while no limit is known

# --- the model ---


@pytest.mark.parametrize(
    ("lost", "of", "too_high"), [(0, 0, False), (2, 100, False), (3, 100, True), (1, 0, True)]
)
def test_losses_are_too_high_above_two_percent_of_what_was_in_flight(
    lost: int, of: int, too_high: bool
) -> None:
    """IsInflightTooHigh: lost > tx_in_flight * BBR.LossThresh, which is 2 %."""
    ca = InflightModel(lost=lost, tx_in_flight=of)
    assert is_too_high(ca, Limits()) is too_high


def test_two_cycles_make_the_greatest_bandwidth_forgotten() -> None:
    """A.16: the path's bandwidth falls to a fifth."""
    sk = probing()
    seen = []
    for _ in range(3):
        until(sk, DOWN if sk.ca.state == UP else UP, interval_us=200_000)
        until(sk, UP, interval_us=200_000)
        seen.append(round(sk.ca.max_bw / ONE_A_MS, 2))
    assert seen[0] == 1
    assert seen[-1] == 0.2


def test_a22_low_rates_of_an_application_limited_flow_do_not_count() -> None:
    sk = cruising()
    rounds(sk, 130, is_app_limited=True, interval_us=400_000)
    assert sk.ca.max_bw == pytest.approx(ONE_A_MS, rel=0.001)


def test_an_application_limited_rate_counts_when_it_is_greater() -> None:
    sk = cruising()
    ack(sk, is_app_limited=True, interval_us=20_000)
    assert sk.ca.max_bw == pytest.approx(2 * ONE_A_MS, rel=0.001)


def test_a_round_with_losses_while_cruising_sets_the_short_term_bounds() -> None:
    sk = cruising()
    cwnd = sk.snd_cwnd
    ack(sk, flight=BDP, losses=1)
    rounds(sk, 2, flight=BDP, interval_us=50_000)  # 0.8 of the bandwidth
    assert sk.ca.bw_shortterm == pytest.approx(ONE_A_MS, rel=0.01)  # the first round's own greatest
    ack(sk, interval_us=50_000, losses=1)
    rounds(sk, 2, interval_us=50_000)
    assert sk.ca.bw_shortterm == pytest.approx(0.8 * ONE_A_MS, rel=0.01)
    assert sk.ca.bw == sk.ca.bw_shortterm
    # 0.7 of the window, twice, but no less than the round delivered
    assert sk.ca.inflight_shortterm == max(cwnd * 7 // 10 * 7 // 10, BDP)
    until(sk, REFILL, interval_us=50_000)
    assert (sk.ca.bw_shortterm, sk.ca.inflight_shortterm) == (UNBOUNDED, UNBOUNDED)


def test_the_short_term_bandwidth_falls_by_three_tenths_a_round_at_most() -> None:
    sk = cruising()
    ack(sk, interval_us=400_000, losses=1)
    rounds(sk, 1, interval_us=400_000, losses=1)
    rounds(sk, 1, interval_us=400_000, losses=1)
    rounds(sk, 1, interval_us=400_000, losses=1)
    assert sk.ca.bw_shortterm >= int(0.7**3 * 0.999 * ONE_A_MS)
    assert sk.ca.bw_shortterm < ONE_A_MS


def test_ecn_marks_count_as_losses() -> None:
    sk = probing()
    sk.packets_out = 96
    sk.delivered_ce += 4
    ack(sk, flight=96)
    assert (sk.ca.state, sk.ca.inflight_longterm) == (DOWN, 97)


def test_losses_from_before_a_packet_was_sent_are_not_its_round_s() -> None:
    sk = cruising()
    acks(sk, 3, losses=5)
    assert sk.ca.lost == 15
    rounds(sk, 1)
    assert sk.ca.lost == 0
    assert sk.ca.tx_in_flight == BDP


def test_an_invalid_sample_changes_no_model() -> None:
    sk = cruising()
    before = (sk.ca.max_bw, sk.ca.round_count, sk.ca.bw_shortterm, sk.pacing_rate)
    rounds(sk, 2, delivered=-1, interval_us=-1, rtt_us=-1)
    assert (sk.ca.max_bw, sk.ca.round_count, sk.ca.bw_shortterm, sk.pacing_rate) == before


# --- the window ---


def test_the_window_is_two_bdp_and_what_bunched_acks_need() -> None:
    sk = cruising()
    rounds(sk, 3)
    extra = max(sk.ca.extra_acked, sk.ca.extra_acked_before)
    assert extra <= 3
    assert sk.snd_cwnd == 2 * BDP + extra


def test_a14_four_packets_are_the_least_window() -> None:
    sk = sender(rtt_min_us=100, srtt_us=800)
    acks(sk, 100, flight=1, interval_us=1000, rtt_us=100)  # a tenth of a packet fills the path
    sk.packets_out = 0
    acks(sk, 300, flight=1, interval_us=1000, rtt_us=100)
    assert sk.ca.bdp == 1
    assert sk.ca.state >= DOWN
    assert 4 <= sk.snd_cwnd <= 8
    assert sk.pacing_rate > 0


def test_the_clamp_limits_the_window() -> None:
    sk = cruising(snd_cwnd_clamp=7)
    assert sk.snd_cwnd == 7


def test_a_recovery_that_ends_restores_the_window_it_began_with() -> None:
    sk = cruising()
    cwnd = sk.snd_cwnd
    bbr3.ssthresh(sk)
    sk.ca_state, sk.snd_cwnd = int(CaState.LOSS), 1
    bbr3.set_state(sk, int(CaState.OPEN))
    assert sk.snd_cwnd == cwnd


def test_a18_a_needless_recovery_gives_bounds_and_probe_back() -> None:
    sk = probing()
    sk.ca.inflight_longterm = 300
    bbr3.ssthresh(sk)
    cwnd = sk.snd_cwnd
    sk.ca_state, sk.packets_out = int(CaState.RECOVERY), 96
    ack(sk, flight=60, losses=4)
    assert (sk.ca.state, sk.ca.inflight_longterm) == (DOWN, 61)
    sk.snd_cwnd = 20
    assert bbr3.undo_cwnd(sk) >= cwnd
    assert (sk.ca.state, sk.ca.inflight_longterm) == (REFILL, 300)


def test_an_undo_of_losses_that_ended_startup_returns_there() -> None:
    sk = sender(ca_state=int(CaState.RECOVERY))
    rounds(sk, 2, is_app_limited=True)
    acks(sk, 8, is_app_limited=True, losses=1)
    until(sk, DRAIN, is_app_limited=True)
    bbr3.undo_cwnd(sk)
    assert (sk.ca.state, sk.ca.full_bw_reached) == (STARTUP, False)


# --- ProbeRTT ---


def test_a10_five_seconds_without_a_lower_rtt_lead_to_probe_rtt_for_200_ms_and_a_round() -> None:
    sk = cruising()
    cwnd = sk.snd_cwnd
    sk.ca.probe_rtt_min_mstamp = sk.tcp_mstamp
    assert until(sk, PROBE_RTT, rtt_us=RTT_US + 1) == 5001
    assert sk.snd_cwnd == BDP // 2
    sk.packets_out = 21
    acks(sk, 300, rtt_us=RTT_US)
    assert sk.ca.state == PROBE_RTT  # the 200 ms begin with half a BDP in flight
    sk.packets_out = 20
    assert until(sk, CRUISE, flight=20) == 202
    assert sk.snd_cwnd >= cwnd
    assert sk.app_limited > 0


def test_a_lower_rtt_puts_probe_rtt_off() -> None:
    sk = cruising()
    acks(sk, 4600, rtt_us=RTT_US + 1)
    ack(sk, rtt_us=RTT_US - 1)
    acks(sk, 4900, rtt_us=RTT_US + 1)
    assert sk.ca.state != PROBE_RTT
    assert sk.ca.min_rtt_us == RTT_US - 1


def test_the_least_rtt_is_forgotten_after_ten_seconds() -> None:
    sk = cruising()
    sk.packets_out = 10
    acks(sk, 15_000, rtt_us=2 * RTT_US)
    assert sk.ca.min_rtt_us == 2 * RTT_US


def test_a11_an_idle_time_stands_for_probe_rtt() -> None:
    sk = cruising()
    sk.tcp_mstamp += 6_000_000
    sk.app_limited = sk.delivered
    bbr3.cwnd_event(sk, int(CaEvent.TX_START))
    assert sk.ca.idle_restart
    assert sk.pacing_rate == pytest.approx(0.99 * 1_448_000, rel=0.001)
    ack(sk, rtt_us=RTT_US + 1)
    assert sk.ca.state != PROBE_RTT
    assert not sk.ca.idle_restart


def test_a_start_of_transmission_that_no_application_delayed_is_no_idle_restart() -> None:
    sk = cruising()
    sk.app_limited = 0
    bbr3.cwnd_event(sk, int(CaEvent.TX_START))
    assert not sk.ca.idle_restart


def test_a20_probe_rtt_in_startup_returns_to_startup() -> None:
    sk = sender()
    acks(sk, 5002, is_app_limited=True, rtt_us=RTT_US + 1)
    assert sk.ca.state == PROBE_RTT
    sk.packets_out = 4
    acks(sk, 300, is_app_limited=True)
    assert sk.ca.state == STARTUP


# --- parameters and information ---


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss_thresh": 0}, "bbr3: loss_thresh: expected 1 to 999, got 0"),
        ({"beta": 1001}, "bbr3: beta: expected 1 to 1000, got 1001"),
        ({"headroom": -1}, "bbr3: headroom: expected 0 to 999, got -1"),
        ({"drain_pacing_gain": 3}, "bbr3: drain_pacing_gain: expected 4 to 1000, got 3"),
    ],
)
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bbr3.Limits(**wrong)


def test_its_phases_have_the_drafts_names() -> None:
    sk = sender()
    phase = bbr3.bbr3.phase
    names = []
    for sk.ca.state in range(7):
        names.append(phase(sk))
    assert names == [
        *("Startup", "Drain", "ProbeBW_DOWN", "ProbeBW_CRUISE"),
        *("ProbeBW_REFILL", "ProbeBW_UP", "ProbeRTT"),
    ]


def test_ss_shows_bandwidth_rtt_and_gains() -> None:
    info = bbr3.get_info(cruising())
    assert info["bw_Bps"] == pytest.approx(1_448_000, rel=0.001)
    assert (info["min_rtt_us"], info["pacing_gain"], info["cwnd_gain"]) == (RTT_US, 256, 512)
