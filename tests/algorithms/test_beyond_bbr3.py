"""BBRv3 by hand, after the draft's example test cases (draft-ietf-ccwg-bbr-06, appendix A).

The path of the hooks' tests: a packet a millisecond, 40 ms, so a BDP of 40 packets and rounds of 40
ACKs. 256 is a gain of 1.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
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
