"""BBRv3 by hand, after the draft's example test cases (draft-ietf-ccwg-bbr-06, appendix A).

The path of the hooks' tests: a packet a millisecond, 40 ms, so a BDP of 40 packets and rounds of 40
ACKs. 256 is a gain of 1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ccsim.kernel.inflight_model import UNBOUNDED
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, CaState, RateSample
from tests.algorithms.shipped_rig import HostSock, connect, shipped

bbr3 = shipped("bbr3")
RTT_US = 40_000
BDP = 40
ONE_A_MS = (1 << 24) // 1000  # a packet a millisecond
STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT = range(7)


def sender(params: dict[str, int] | None = None, **fields: Any) -> HostSock:
    start: dict[str, Any] = {"snd_cwnd": 10, "delivered": 1, "rtt_min_us": RTT_US}
    start |= {"srtt_us": RTT_US << 3, "tcp_mstamp": 5_000_000, "packets_out": 500}
    return connect("bbr3", params, **{**start, **fields})


def ack(sk: HostSock, flight: int = BDP, **fields: Any) -> None:
    """Acknowledge a packet 1 ms later, sent when ``flight`` fewer were delivered, an RTT ago."""
    sk.tcp_mstamp += 1000
    sk.tcp_clock_cache = sk.tcp_mstamp * 1000
    sk.delivered += 1
    sk.delivered_mstamp = sk.tcp_mstamp
    rs = RateSample()
    rs.prior_delivered = sk.delivered - flight
    rs.delivered, rs.interval_us, rs.rtt_us, rs.acked_sacked = flight, flight * 1000, RTT_US, 1
    for field, value in fields.items():
        setattr(rs, field, value)
    sk.lost += rs.losses
    bbr3.cong_control(sk, 0, 0, rs)


def acks(sk: HostSock, count: int, **fields: Any) -> None:
    for _ in range(count):
        ack(sk, **fields)


def rounds(sk: HostSock, count: int, **fields: Any) -> None:
    acks(sk, count * BDP, **fields)


def until(sk: HostSock, state: int, limit: int = 20_000, **fields: Any) -> int:
    """Acknowledge until the state is reached; return how many ACKs that took."""
    for count in range(limit):
        if sk.ca.state == state:
            return count
        ack(sk, **fields)
    raise AssertionError(f"state {state} was not reached within {limit} ACKs")


def cruising(**fields: Any) -> HostSock:
    sk = sender(**fields)
    rounds(sk, 5)
    sk.packets_out = BDP
    until(sk, CRUISE)
    return sk


def probing(**fields: Any) -> HostSock:
    sk = cruising(**fields)
    until(sk, UP)
    return sk


# --- STARTUP and DRAIN ---


def test_a_connection_starts_paced_at_2_77_windows_per_rtt() -> None:
    sk = sender()
    # 10 packets of 1448 bytes in 40 ms, times 709/256, less 1 %
    assert sk.pacing_rate == pytest.approx(992_550, abs=100)
    assert sk.pacing_status == 1
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH


def test_without_an_rtt_the_first_rate_is_a_window_per_millisecond_never_zero() -> None:
    assert sender(srtt_us=0).pacing_rate == pytest.approx(39_702_000, rel=0.001)


def test_a1_three_rounds_on_a_plateau_end_startup() -> None:
    sk = sender()
    rounds(sk, 3)
    assert (sk.ca.state, sk.ca.full_bw_count, sk.ca.full_bw_now) == (STARTUP, 2, False)
    acks(sk, BDP - 1)
    assert sk.ca.state == STARTUP
    ack(sk)
    assert (sk.ca.state, sk.ca.full_bw_now, sk.ca.full_bw_reached) == (DRAIN, True, True)
    assert sk.ca.max_bw == pytest.approx(ONE_A_MS, rel=0.001)


def test_a_quarter_more_a_round_is_growth_and_less_than_that_in_three_is_none() -> None:
    growing, flat = sender(), sender()
    for k in range(1, 9):
        rounds(growing, 1, interval_us=int(40_000 / 1.26**k))
        rounds(flat, 1, interval_us=int(40_000 / 1.07**k))
    assert growing.ca.state == STARTUP
    assert flat.ca.full_bw_reached


def test_a2_many_losses_end_startup_though_the_application_limits_it() -> None:
    sk = sender(ca_state=int(CaState.RECOVERY))
    rounds(sk, 2, is_app_limited=True)
    acks(sk, 6, is_app_limited=True, losses=1)  # 6 of 46: 13 %
    assert sk.ca.state == STARTUP
    rounds(sk, 1, is_app_limited=True)
    assert (sk.ca.full_bw_now, sk.ca.full_bw_reached, sk.ca.state) == (True, True, DRAIN)
    assert sk.ca.inflight_longterm >= BDP


@pytest.mark.parametrize(
    ("events", "losses", "state"),
    [(5, 2, CaState.RECOVERY), (6, 1, CaState.OPEN)],
    ids=["five ACKs with losses", "no recovery"],
)
def test_fewer_losses_or_no_recovery_do_not_end_startup(
    events: int, losses: int, state: CaState
) -> None:
    sk = sender(ca_state=int(state))
    rounds(sk, 2, is_app_limited=True)
    acks(sk, events, is_app_limited=True, losses=losses)
    rounds(sk, 3, is_app_limited=True)
    assert sk.ca.state == STARTUP


def test_two_percent_lost_are_no_reason_to_leave_startup() -> None:
    sk = sender(ca_state=int(CaState.RECOVERY))
    acks(sk, 600, flight=300, is_app_limited=True)
    acks(sk, 6, flight=300, is_app_limited=True, losses=1)  # 6 of 306
    acks(sk, 600, flight=300, is_app_limited=True)
    assert sk.ca.state == STARTUP


def test_a3_drain_ends_with_a_bdp_in_flight() -> None:
    sk = sender()
    rounds(sk, 4)
    assert sk.ca.state == DRAIN
    # 0.5 of a packet a ms, less 1 %
    assert sk.pacing_rate == pytest.approx(0.5 * 0.99 * 1_448_000, rel=0.001)
    sk.packets_out = BDP + 1
    ack(sk)
    assert sk.ca.state == DRAIN
    sk.packets_out = BDP
    ack(sk)
    assert sk.ca.state in (DOWN, CRUISE)


def test_a4_drain_ends_after_three_rounds_whatever_is_in_flight() -> None:
    sk = sender()
    rounds(sk, 3)
    assert until(sk, DRAIN) == BDP
    assert until(sk, DOWN) == 4 * BDP  # the fourth round begins


def test_a7_an_application_limited_flow_without_losses_stays_in_startup() -> None:
    sk = sender()
    rounds(sk, 50, is_app_limited=True)
    assert sk.ca.state == STARTUP


# --- ProbeBW ---


def test_gains_are_those_of_the_drafts_table() -> None:
    gains = [(p / 256, c / 256) for p, c in zip(bbr3.PACING_GAIN, bbr3.CWND_GAIN, strict=True)]
    table = [(2.77, 2), (0.5, 2), (0.9, 2), (1, 2), (1, 2), (1.25, 2.25), (1, 0.5)]
    assert gains == [pytest.approx(row, abs=0.002) for row in table]


@pytest.mark.parametrize(("drain_pacing_gain", "share"), [(500, 0.5), (350, 0.348)])
def test_the_gain_of_drain_can_be_that_of_earlier_drafts(
    drain_pacing_gain: int, share: float
) -> None:
    sk = sender({"drain_pacing_gain": drain_pacing_gain})
    rounds(sk, 3)
    until(sk, DRAIN)
    assert sk.pacing_rate == pytest.approx(share * 0.99 * 1_448_000, rel=0.002)


def test_a8_down_paces_at_nine_tenths_until_the_headroom_is_free() -> None:
    sk = sender()
    rounds(sk, 5)
    sk.packets_out = BDP + 5
    until(sk, DOWN)
    sk.ca.inflight_longterm = 44  # 15 %: 6 less
    sk.packets_out = 39
    ack(sk)
    assert sk.ca.state == DOWN
    assert sk.pacing_rate == pytest.approx(0.9 * 0.99 * 1_448_000, rel=0.003)
    sk.packets_out = 38
    ack(sk)
    assert sk.ca.state == CRUISE
    assert sk.snd_cwnd == 38


def test_a9_down_ends_with_a_probe_when_the_wait_is_over() -> None:
    sk = sender()
    rounds(sk, 3)
    until(sk, DOWN)
    sk.ca.bdp = 0
    sk.ca.rounds_since_probe_up = -1000  # leave Reno out of it
    sk.packets_out = 41
    assert until(sk, REFILL) == 2001  # more than 2 s and a draw of 0


@pytest.mark.parametrize(("draw", "rounds_"), [(0, 40), (1, 39)])
def test_a_cycle_takes_as_many_rounds_as_reno_needs_to_grow_by_a_bdp(
    draw: int, rounds_: int
) -> None:
    sk = cruising(draw=draw)
    begin = sk.ca.round_count
    until(sk, REFILL)
    assert sk.ca.round_count - begin == rounds_


def test_the_wait_is_drawn_between_two_and_three_seconds() -> None:
    waits = [cruising(draw=draw).ca.bw_probe_wait_us for draw in (0, 500_000, 1_000_000)]
    assert waits == [2_000_000, 2_500_000, 3_000_000]


def test_the_cycle_goes_down_cruise_refill_up_and_refill_lasts_a_round() -> None:
    sk = cruising()
    seen = []
    for _ in range(60 * BDP):
        seen.append(sk.ca.state)
        ack(sk)
    order = [state for k, state in enumerate(seen) if k == 0 or seen[k - 1] != state]
    assert order == [CRUISE, REFILL, UP, DOWN, CRUISE]
    assert seen.count(REFILL) == BDP
    assert seen.count(UP) == 3 * BDP
    assert seen.count(DOWN) == 1  # no more than a BDP is in flight here


def test_a5_three_flat_rounds_end_up_and_a_growing_rate_does_not() -> None:
    sk = probing()
    assert sk.pacing_rate == pytest.approx(1.25 * 0.99 * 1_448_000, rel=0.001)
    rounds(sk, 2)
    assert sk.ca.state == UP
    for k in range(1, 5):  # more and more bandwidth
        rounds(sk, 1, interval_us=int(40_000 / 1.3**k))
        assert sk.ca.state == UP
    rounds(sk, 4, interval_us=int(40_000 / 1.3**4))
    assert sk.ca.state in (DOWN, CRUISE)


def test_a6_a21_losses_in_up_bound_what_is_in_flight_and_end_it() -> None:
    sk = probing()
    sk.packets_out = 96
    ack(sk, flight=96, losses=4)
    # 96 delivered, 4 lost: of the 96 before them the threshold of 2 % allows 1.96, 1 in whole
    assert (sk.ca.state, sk.ca.inflight_longterm) == (DOWN, 97)
    assert sk.ca.prev_probe_too_high


def test_the_bound_is_at_least_seven_tenths_of_the_bdp() -> None:
    sk = probing()
    ack(sk, flight=10, losses=3)
    assert sk.ca.inflight_longterm == 28


def test_losses_of_an_application_limited_probe_end_it_but_set_no_bound() -> None:
    sk = probing()
    sk.packets_out = 96
    ack(sk, losses=4, is_app_limited=True)
    assert (sk.ca.state, sk.ca.inflight_longterm) == (DOWN, UNBOUNDED)


def test_a7_an_application_limited_flow_without_losses_stays_in_up() -> None:
    sk = probing()
    acks(sk, 100 * BDP, is_app_limited=True, rtt_us=RTT_US - 1)
    assert sk.ca.state in (UP, PROBE_RTT)
    sk = probing()
    acks(sk, 50 * BDP, is_app_limited=True)
    assert sk.ca.state == UP


def test_a15_the_bound_grows_by_1_2_4_8_packets_in_the_rounds_of_a_probe() -> None:
    sk = probing()
    sk.ca.inflight_longterm = sk.snd_cwnd = 60
    sk.is_cwnd_limited = True
    sk.ca.bw_probe_up_rounds, sk.ca.round_start = 0, False
    bounds = [60]
    for _ in range(4):
        bbr3.bounds.raise_slope(sk, sk.ca)
        need = bounds[-1]  # a window's worth, in the present window
        for _ in range(need):
            bbr3.bounds.probe_upward(sk, sk.ca, 1)
            sk.snd_cwnd = sk.ca.inflight_longterm
        bounds.append(sk.ca.inflight_longterm)
    assert [b - a for a, b in pairwise(bounds)] == [1, 2, 4, 8]


def test_a_probe_that_the_bound_does_not_limit_does_not_raise_it() -> None:
    sk = probing()
    sk.ca.inflight_longterm, sk.snd_cwnd = 60, 59
    bbr3.bounds.probe_upward(sk, sk.ca, 1000)
    sk.snd_cwnd, sk.is_cwnd_limited = 60, False
    bbr3.bounds.probe_upward(sk, sk.ca, 1000)
    assert sk.ca.inflight_longterm == 60


def test_after_a_probe_that_was_too_much_the_next_turns_back_at_the_bound() -> None:
    sk = probing()
    sk.packets_out = 60
    ack(sk, flight=60, losses=4)
    assert sk.ca.state == DOWN
    bound = sk.ca.inflight_longterm
    sk.packets_out = 20
    until(sk, UP)
    sk.packets_out = bound - 1
    ack(sk)
    assert sk.ca.state == UP
    sk.packets_out = bound
    ack(sk)
    assert (sk.ca.state, sk.ca.prev_probe_precautionary) == (DOWN, True)
    assert until(sk, REFILL) <= BDP + 1  # nothing was lost: no cruise before the next probe
    assert until(sk, UP) == BDP
    rounds(sk, 1)
    assert sk.ca.state == UP  # at the bound, and this time it stays


# --- the model ---


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
