"""Pacing, delivery-rate samples and application limits, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import RateSample, TcpCongestionOps
from ccsim.kernel.sock import PACING_NEEDED, PACING_NONE, UNLIMITED_RATE
from ccsim.tcp.host import NEVER, Host
from ccsim.tcp.output import cwnd_restart_after_idle, write_xmit
from ccsim.tcp.pacer import on_pacing_timer
from tests.tcp.tcp_rig import MS, T0, Clocked, ack, connected, sent

GAP = MS  # at 1,448,000 bytes/s a packet of 1448 bytes has a millisecond


def paced(rate: int = 1_448_000) -> Clocked:
    """Return a sender in mid-connection with a pacing rate, and room in its window for 50 more."""
    sk = connected(cwnd=12)
    ack(sk, T0 + 40 * MS, 12)
    ack(sk, T0 + 80 * MS, sk.nxt)
    sent(sk)
    ack(sk, T0 + 120 * MS, sk.nxt)
    sent(sk)
    sk.snd_cwnd = sk.nxt - sk.una + 50
    sk.pacing_status = PACING_NEEDED
    sk.pacing_rate = rate
    return sk


def send_at(sk: Clocked, t_ns: int) -> int:
    """Let the sender send at a time; return how many packets went out."""
    sk.set_clock(t_ns)
    if sk.pacing_ns <= t_ns:
        on_pacing_timer(sk)
    else:
        write_xmit(sk)
    return len(sent(sk))


# --- pacing ---


def test_one_packet_leaves_in_each_gap() -> None:
    sk = paced()
    t = T0 + 200 * MS
    sk.tcp_wstamp_ns = t
    assert send_at(sk, t) == 1
    assert sk.pacing_ns == t + GAP
    assert send_at(sk, t + GAP - 1) == 0
    assert send_at(sk, t + GAP) == 1
    assert sk.pacing_ns == t + 2 * GAP


def test_lateness_below_half_a_gap_is_made_up_for() -> None:
    # 0.3 ms late: the next is due a gap after this one *was* due
    sk = paced()
    t = T0 + 200 * MS
    sk.tcp_wstamp_ns = t
    assert send_at(sk, t + 300_000) == 1
    assert sk.tcp_wstamp_ns == t + GAP


def test_no_more_than_half_a_gap_of_lateness_is_made_up_for() -> None:
    # 7 ms late: the next is due half a gap from now, and no burst follows
    sk = paced()
    t = T0 + 200 * MS
    sk.tcp_wstamp_ns = t - 7 * MS
    assert send_at(sk, t) == 1
    assert sk.tcp_wstamp_ns == t + GAP // 2
    assert send_at(sk, t + GAP // 2) == 1
    assert sk.tcp_wstamp_ns == t + GAP // 2 + GAP


def test_the_gap_is_cut_to_a_whole_nanosecond() -> None:
    # 1448 B at 1,000,003 B/s: 1,447,995.656 ns
    sk = paced(1_000_003)
    t = T0 + 200 * MS
    sk.tcp_wstamp_ns = t
    send_at(sk, t)
    assert sk.tcp_wstamp_ns == t + 1_447_995


def test_an_unlimited_rate_leaves_no_gap() -> None:
    sk = paced(UNLIMITED_RATE)
    assert send_at(sk, T0 + 200 * MS) == 50


def test_without_pacing_the_window_leaves_at_once() -> None:
    sk = paced()
    sk.pacing_status = PACING_NONE
    assert send_at(sk, T0 + 200 * MS) == 50
    assert sk.pacing_ns == NEVER


def test_the_first_ten_packets_of_a_connection_are_not_paced() -> None:
    sk = connected("bbr", cwnd=12)
    # ten at once; from the eleventh on each has its gap
    assert len(sk.out_t) >= 10
    assert set(sk.out_t[:10]) == {T0}
    assert len(sk.out_t) < 12


@pytest.mark.parametrize(
    ("cwnd", "ssthresh", "ratio"), [(100, 1000, 2.0), (600, 1000, 1.2), (100, 50, 1.2)]
)
def test_the_rate_is_twice_the_window_per_rtt_in_early_slow_start_else_1_2_times(
    cwnd: int, ssthresh: int, ratio: float
) -> None:
    # tcp_update_pacing_rate: ratio * cwnd * MSS / srtt, at 40 ms
    from ccsim.tcp.input import pacing_rate

    sk = connected()
    sk.snd_ssthresh = ssthresh
    expected = ratio * cwnd * 1448 / 0.040
    assert pacing_rate(sk, cwnd, 0, 40_000 << 3) == pytest.approx(expected, rel=1e-6)


@pytest.mark.pure
def test_the_products_of_fewer_than_many_packets_fit_an_integer_of_c() -> None:
    """The largest MSS, rates in bytes/s of a time in us << 3, ratios in per cent."""
    from ccsim.tcp.pacing import MANY

    assert 65_483 * 1_000_000 * 8 * Host().pacing_ss_ratio // 100 * MANY < 1 << 63


# --- delivery-rate samples ---


def probe() -> tuple[TcpCongestionOps, list[dict[str, Any]]]:
    """Return an algorithm that keeps its window and notes every rate sample."""
    seen: list[dict[str, Any]] = []

    def cong_control(sk: Any, ack: int, flag: int, rs: RateSample) -> None:
        sample = {name: getattr(rs, name) for name in RateSample.__slots__}
        seen.append({**sample, "flag": flag})

    ops = TcpCongestionOps(
        name="probe",
        ssthresh=tcp_reno_ssthresh,
        undo_cwnd=tcp_reno_undo_cwnd,
        cong_control=cong_control,
    )
    return ops, seen


def test_a_sample_counts_what_was_delivered_since_its_packet_left() -> None:
    #  t 40 ms: 0…9 leave, 1 (the SYN) delivered     80: ACK 2      84: ACK 4
    ops, seen = probe()
    sk = connected(ops, cwnd=10)
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 44 * MS, 4)
    assert [rs["delivered"] for rs in seen] == [2, 4]
    assert [rs["interval_us"] for rs in seen] == [40_000, 44_000]
    assert [rs["rtt_us"] for rs in seen] == [40_000, 44_000]
    assert [rs["prior_in_flight"] for rs in seen] == [10, 10]
    assert [rs["acked_sacked"] for rs in seen] == [2, 2]


def test_the_interval_is_the_longer_of_sending_and_acknowledging() -> None:
    # 12 and 13 leave at 88 ms, when 0 … 3, which left at 40 ms, have been acknowledged: 48 ms of
    # sending; their ACK at 129 ms ends 41 ms of acknowledging
    ops, seen = probe()
    sk = connected(ops, cwnd=10)
    ack(sk, T0 + 40 * MS, 2)
    ack(sk, T0 + 48 * MS, 4)
    ack(sk, T0 + 89 * MS, 14)
    assert seen[-1]["delivered"] == 10
    assert seen[-1]["interval_us"] == 48_000


def test_losses_and_sacks_are_in_the_sample() -> None:
    ops, seen = probe()
    sk = connected(ops, cwnd=20)
    sent(sk)
    assert ack(sk, T0 + 40 * MS, 0, (1, 4))[0] == 0
    assert seen[-1]["acked_sacked"] == 3
    assert seen[-1]["losses"] == 1
    assert not seen[-1]["is_retrans"]


def test_a_packet_sent_with_nothing_else_to_send_bears_an_app_limited_sample() -> None:
    ops, seen = probe()
    sk = connected(ops, cwnd=10, limit=3)
    ack(sk, T0 + 40 * MS, 3)
    sk.write(T0 + 50 * MS, 3)
    assert sk.app_limited == 4  # the bubble lasts until SYN and 3 packets have been delivered
    ack(sk, T0 + 90 * MS, 6, echo_ns=T0 + 50 * MS)
    assert seen[-1]["is_app_limited"]
    assert sk.app_limited == 0


def test_a_bulk_source_is_not_app_limited_after_its_first_round() -> None:
    ops, seen = probe()
    sk = connected(ops, cwnd=10)
    ack(sk, T0 + 40 * MS, 10)
    ack(sk, T0 + 80 * MS, 20)
    assert not seen[-1]["is_app_limited"]


# --- idle ---


def test_an_idle_sender_halves_its_window_for_each_rto() -> None:
    # RFC 2861: RTO 240 ms; 600 ms of silence are two of them: 40 -> 20 -> 10
    sk = connected(cwnd=40, limit=40)
    sent(sk)
    ack(sk, T0 + 40 * MS, 40)
    sk.snd_cwnd = 40
    sk.set_clock(T0 + 40 * MS + 600 * MS)
    cwnd_restart_after_idle(sk)
    assert sk.snd_cwnd == 10
    assert sk.snd_ssthresh >= 30  # three quarters of the window vouch for the path


def test_a_short_silence_costs_nothing() -> None:
    sk = connected(cwnd=40, limit=40)
    ack(sk, T0 + 40 * MS, 40)
    sk.snd_cwnd = 40
    sk.set_clock(T0 + 240 * MS)
    cwnd_restart_after_idle(sk)
    assert sk.snd_cwnd == 40
