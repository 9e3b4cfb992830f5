"""Bursts of segmentation offload: how long, and how far apart."""

from __future__ import annotations

import pytest

from ccsim.ints import Ints
from ccsim.kernel.sock import PACING_NEEDED
from ccsim.tcp.pacer import on_pacing_timer
from ccsim.tcp.tso import tso_segs
from tests.tcp.tcp_rig import MS, T0, Clocked, connected

MBPS = 125_000  # bytes/s in a Mbit/s


def paced(rate_mbps: int, cwnd: int, *, rtt_us: int = 40_000, tso: bool = True) -> Clocked:
    """Return a sender with ten packets sent at `T0`, which may now send so many at its rate."""
    sk = connected("reno", 10, tso=tso)
    sk.rtt_min_us = rtt_us
    sk.pacing_status = PACING_NEEDED
    sk.pacing_rate = rate_mbps * MBPS
    sk.snd_cwnd = cwnd
    sk.out_t, sk.out_seq = Ints(), Ints()
    return sk


def send_until(sk: Clocked, t_ns: int) -> list[tuple[int, int]]:
    """Let the pacer run from `T0` on; return the bursts as (time [us] after `T0`, packets)."""
    sk.pacing_ns = T0
    while sk.pacing_ns < t_ns:
        sk.set_clock(sk.pacing_ns)
        on_pacing_timer(sk)
    times = [(t - T0) // 1000 for t in sk.out_t]
    return [(t, times.count(t)) for t in sorted(set(times))]


@pytest.mark.parametrize(
    ("rate_mbps", "rtt_us", "segs"),
    [
        (100, 40_000, 8),  # 12.5 MB/s / 1024 = 12,207 B: 8 of 1448 B
        (1000, 40_000, 45),  # 122,070 B, but 65,536 at most
        (10, 40_000, 2),  # 1,220 B: the least
        (100, 1_024, 19),  # 2 steps of 512 us: 65,536 / 4 B more: 28,591 B
        (100, 2_560, 9),  # 5 steps: 65,536 / 32 B more: 14,255 B
        (10, 100, 45),  # no step: all of it
    ],
)
def test_a_burst_is_a_millisecond_of_the_rate_and_more_at_short_rtts(
    rate_mbps: int, rtt_us: int, segs: int
) -> None:
    assert tso_segs(paced(rate_mbps, 100, rtt_us=rtt_us)) == segs


def test_bursts_of_eight_come_each_eight_gaps() -> None:
    # 1448 B at 100 Mbit/s are 115.84 us, 8 of them 926.72 us; the first comes on time
    assert send_until(paced(100, 100), T0 + 3 * MS) == [(0, 8), (926, 8), (1853, 8), (2780, 8)]


def test_without_offload_packets_come_one_by_one() -> None:
    sent = send_until(paced(100, 100, tso=False), T0 + 1 * MS)
    assert [t for t, _ in sent] == [0, 115, 231, 347, 463, 579, 695, 810, 926]


def test_a_burst_is_at_most_half_of_the_window() -> None:
    assert send_until(paced(1000, 16), T0 + 3 * MS) == [(0, 6)]  # all that the window leaves
    assert send_until(paced(1000, 60), T0 + 3 * MS)[0] == (0, 30)


def test_the_algorithm_says_how_long_a_burst_is_at_least() -> None:
    # BBR at 1 Mbit/s, below 1.2, wants single packets; others 2
    sk = paced(1, 100)
    assert tso_segs(sk) == 2
    sk.ca_ops = connected("bbr").ca_ops
    assert tso_segs(sk) == 1
    sk.pacing_rate = 2 * MBPS
    assert tso_segs(sk) == 2


def test_a_late_burst_is_forgiven_half_of_its_gap() -> None:
    sk = paced(100, 100)
    sk.tcp_wstamp_ns = T0 - 5 * MS
    assert [t for t, _ in send_until(sk, T0 + 1 * MS)] == [0, 463]


def test_packets_of_a_burst_bear_the_same_stamps() -> None:
    sk = paced(100, 100)
    send_until(sk, T0 + 1)
    rows = range(10 - sk.packets.base, 18 - sk.packets.base)
    assert {sk.packets.tx_us[i] for i in rows} == {T0 // 1000}
    assert len({sk.packets.delivered[i] for i in rows}) == 1
