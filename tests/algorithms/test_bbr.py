"""BBR by hand: gains, bursts, rounds, the modes, and recovery."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.cc.minmax import Samples, no_samples, running_max
from ccsim.cc.pacing import tso_segs_goal
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, CaState, RateSample
from tests.algorithms.shipped_rig import HostSock, connect, shipped

bbr = shipped("bbr")
RTT_US = 40_000
MSS = 1448


def sender(**fields: Any) -> HostSock:
    start: dict[str, Any] = {"snd_cwnd": 10, "delivered": 1, "rtt_min_us": RTT_US}
    return connect("bbr", **{**start, "srtt_us": RTT_US << 3, "tcp_mstamp": 5_000_000, **fields})


def ack(sk: HostSock, flight: int, **fields: Any) -> None:
    """Acknowledge a packet 1 ms later, sent when ``flight`` fewer were delivered, an RTT ago."""
    sk.tcp_mstamp += 1000
    sk.tcp_clock_cache = sk.tcp_mstamp * 1000
    sk.tcp_jiffies32 += 1
    sk.delivered += 1
    sk.delivered_mstamp = sk.tcp_mstamp
    rs = RateSample()
    rs.prior_delivered = sk.delivered - flight
    rs.delivered, rs.interval_us, rs.rtt_us, rs.acked_sacked = flight, RTT_US, RTT_US, 1
    for field, value in fields.items():
        setattr(rs, field, value)
    bbr.cong_control(sk, 0, 0, rs)


def rounds(sk: HostSock, count: int, flight: int = 40, **fields: Any) -> None:
    for _ in range(count * flight):
        ack(sk, flight, **fields)


def test_a_connection_starts_paced_at_2_9_windows_per_rtt() -> None:
    sk = sender()
    # 10 packets of 1448 bytes in 40 ms, times 739/256, less 1 %: 1034.5 kB/s
    assert sk.pacing_rate == pytest.approx(1_034_552, abs=100)
    assert sk.pacing_status == 1
    assert sk.snd_ssthresh == TCP_INFINITE_SSTHRESH


def test_without_an_rtt_the_first_rate_is_a_window_per_millisecond_never_zero() -> None:
    sk = sender(srtt_us=0)
    assert sk.pacing_rate == pytest.approx(41_382_000, rel=0.001)


def test_a_pacing_status_set_by_others_stays() -> None:
    assert sender(pacing_status=2).pacing_status == 2


def test_rounds_are_counted_on_a_connection_that_has_delivered_billions() -> None:
    sk = sender(delivered=3_000_000_000)
    counts = []
    for flight in (1, 2, 3, 3):  # what was in flight at the start, then what was sent after
        ack(sk, flight)
        counts.append(sk.ca.rtt_cnt)
    assert counts == [1, 1, 1, 2]


def test_startup_ends_after_three_rounds_without_growth() -> None:
    sk = sender(packets_out=500)
    rounds(sk, 3)
    assert (sk.ca.mode, sk.ca.pacing_gain, sk.ca.cwnd_gain) == (bbr.STARTUP, 739, 739)
    rounds(sk, 2)
    assert (sk.ca.mode, sk.ca.pacing_gain, sk.ca.cwnd_gain) == (bbr.DRAIN, 88, 739)
    assert sk.snd_ssthresh == 46  # the BDP, 40 packets, and three bursts of 2


def test_drain_ends_when_the_queue_is_empty_and_the_phase_is_drawn() -> None:
    sk = sender(packets_out=500)
    rounds(sk, 5)
    sk.packets_out, sk.draw = 46, 3
    ack(sk, 40)
    assert sk.ca.mode == bbr.PROBE_BW
    assert sk.ca.cycle_idx == 5  # 7 - 3, and one on
    assert (sk.ca.pacing_gain, sk.ca.cwnd_gain) == (256, 512)


def probing(draw: int = 3) -> HostSock:
    sk = sender(packets_out=40, draw=draw)
    sk.draw = draw
    rounds(sk, 6)
    assert sk.ca.mode == bbr.PROBE_BW
    return sk


def test_the_phases_last_an_rtt_each() -> None:
    sk = probing()
    gains = []
    for _ in range(420):
        gains.append(sk.ca.pacing_gain)
        ack(sk, 40, prior_in_flight=60)
    changes = [i for i in range(1, 420) if gains[i] != gains[i - 1]]
    assert {320, 192, 256} == set(gains)
    up = gains.index(320)
    assert [gains[i] for i in changes if i >= up][:3] == [320, 192, 256]
    assert changes[changes.index(up) + 1] - up == 41  # more than 40 ms, ACKs 1 ms apart


def test_the_window_is_two_bdp_with_room_for_bursts_and_bunched_acks() -> None:
    sk = probing()
    rounds(sk, 4, prior_in_flight=60)
    extra = max(sk.ca.extra_acked, sk.ca.extra_acked_before)
    bursts = 3 * tso_segs_goal(sk)
    first_phase = 2 if sk.ca.cycle_idx == 0 else 0
    assert sk.snd_cwnd in range(80 + extra + bursts, 80 + extra + bursts + 3 + first_phase)
    assert sk.snd_cwnd % 2 == 0


@pytest.mark.parametrize(
    ("mbit", "gain", "segs"), [(10, 1, 2), (20, 1, 2), (50, 1, 4), (50, 1.25, 5), (50, 0.75, 3)]
)
def test_bursts_are_those_seen_in_recorded_transfers(mbit: int, gain: float, segs: int) -> None:
    sk = sender()
    sk.pacing_rate = int(mbit * 125_000 * gain * 0.99)
    assert tso_segs_goal(sk) == segs


@pytest.mark.parametrize(("rate", "segs"), [(149_999, 1), (150_000, 2), (10**11, 127)])
def test_bursts_are_single_packets_when_slow_and_127_at_most(rate: int, segs: int) -> None:
    sk = sender(mss_cache=500)
    sk.pacing_rate = rate
    assert tso_segs_goal(sk) == segs


def test_ten_seconds_without_a_new_least_rtt_lead_to_probe_rtt_and_back() -> None:
    sk = probing()
    window = sk.snd_cwnd
    sk.tcp_mstamp += 10_001_000
    sk.tcp_jiffies32 += 10_001
    ack(sk, 40, rtt_us=RTT_US + 5)
    assert (sk.ca.mode, sk.snd_cwnd, sk.ca.min_rtt_us) == (bbr.PROBE_RTT, 4, RTT_US + 5)
    assert sk.app_limited == sk.delivered + 40
    sk.packets_out = 4
    ack(sk, 40)  # the 200 ms begin, at tick 0 of them
    modes = []
    for _ in range(202):
        ack(sk, 4, is_app_limited=True)
        modes.append(sk.ca.mode)
    assert modes == [bbr.PROBE_RTT] * 200 + [bbr.PROBE_BW] * 2
    assert sk.snd_cwnd >= window


def test_exactly_ten_seconds_do_not_yet_lead_to_probe_rtt() -> None:
    sk = probing()
    sk.ca.min_rtt_stamp, sk.ca.min_rtt_mstamp = sk.tcp_jiffies32, sk.tcp_mstamp
    sk.tcp_mstamp += 9_999_000
    sk.tcp_jiffies32 += 9_999
    ack(sk, 40)
    assert sk.ca.mode == bbr.PROBE_BW
    ack(sk, 40)
    assert sk.ca.mode == bbr.PROBE_RTT


def test_a_recovery_starts_with_packet_conservation_and_restores_the_window() -> None:
    sk = probing()
    window = sk.snd_cwnd
    assert bbr.ssthresh(sk) == sk.snd_ssthresh  # a loss changes no threshold
    sk.ca_state = int(CaState.RECOVERY)
    sk.packets_out, sk.lost_out = 60, 5
    ack(sk, 40, losses=5)
    assert sk.snd_cwnd == 60 - 5 + 1  # in flight, and what was delivered
    rounds(sk, 2)
    sk.ca_state = int(CaState.OPEN)
    ack(sk, 40)
    assert sk.snd_cwnd >= window


def test_a_timeout_counts_as_a_loss_and_keeps_the_bandwidth() -> None:
    sk = probing()
    bw = sk.ca.max_bw
    bbr.set_state(sk, int(CaState.LOSS))
    assert (sk.ca.prev_ca_state, sk.ca.full_bw, sk.ca.max_bw) == (4, 0, bw)


def test_after_an_idle_period_a_limited_sender_resumes_at_the_bandwidth() -> None:
    sk = probing(draw=0)
    sk.app_limited = 1
    bbr.cwnd_event(sk, int(CaEvent.TX_START))
    # 40 packets in 40 ms, less 1 %
    assert sk.pacing_rate == pytest.approx(1000 * MSS * 0.99, rel=0.001)
    assert sk.ca.idle_restart


def test_an_invalid_rate_sample_measures_nothing() -> None:
    sk = probing()
    before = (sk.ca.samples, sk.ca.rtt_cnt)
    ack(sk, 40, delivered=-1, interval_us=-1)
    assert (sk.ca.samples, sk.ca.rtt_cnt) == before


def test_an_application_limited_sample_counts_only_if_it_is_the_greatest() -> None:
    sk = probing()
    bw = sk.ca.max_bw
    rounds(sk, 12, delivered=20, is_app_limited=True)
    assert sk.ca.max_bw == bw
    ack(sk, 40, delivered=80, is_app_limited=True)
    assert sk.ca.max_bw == 2 * bw


def test_the_send_buffer_holds_three_windows() -> None:
    assert bbr.bbr.sndbuf_expand(sender()) == 3


def test_the_maximum_leaves_the_window_and_the_runners_up_follow() -> None:
    samples: Samples = no_samples(0)
    best = []
    for time, value in enumerate([9, 5, 7, 6, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1]):
        samples = running_max(samples, 10, time, value)
        best.append(samples[0][1])
    assert best[:11] == [9] * 11  # the ninth of ten rounds still counts
    assert best[11] < 9
    assert best == sorted(best, reverse=True)
