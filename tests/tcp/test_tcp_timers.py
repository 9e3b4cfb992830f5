"""RTT, RTO and the ticks on which timers fire: RFC 6298's arithmetic and recorded expiries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.kernel.ops import CaState
from ccsim.tcp.host import Host, wheel_jiffies
from ccsim.tcp.pacer import send_paced
from ccsim.tcp.rtt import rtt_estimator, set_rto
from ccsim.tcp.sender import Sender
from tests.tcp.tcp_rig import MS, T0, ack, connected, due

HOST = Host()
EDGE = 3_500_000  # ticks begin at 3.5 + 4k ms


def estimated(*samples_ms: float) -> Sender:
    sk = Sender(Host())
    for sample in samples_ms:
        rtt_estimator(sk, int(sample * 1000))
    set_rto(sk)
    return sk


# --- the estimator ---


def test_the_first_sample_gives_rto_three_times_the_rtt() -> None:
    # RFC 6298 2.2: SRTT = 150, RTTVAR = 75, RTO = 150 + 4 * 75 = 450 ms = 112.5 ticks of 4 ms
    sk = estimated(150)
    assert sk.srtt_us == 150_000 << 3
    assert sk.rto_jiffies == 113


def test_the_second_sample_weighs_an_eighth_and_a_quarter() -> None:
    # RFC 6298 2.3: RTTVAR = 3/4 * 75 + 1/4 * 100 = 81.25, SRTT = 7/8 * 150 + 1/8 * 250 = 162.5,
    # RTO = 162.5 + 4 * 81.25 = 487.5 ms, 122 ticks
    sk = estimated(150, 250)
    assert sk.srtt_us == 162_500 << 3
    assert sk.rto_jiffies == 122


def test_linux_takes_at_least_200_ms_for_the_variance_not_for_the_whole() -> None:
    # 40 + 200 = 240 ms: 60 ticks; RFC 6298 2.4 would round the whole up to a second
    assert estimated(40).rto_jiffies == 60
    assert estimated(1).rto_jiffies == 51  # 201 ms


def test_a_shorter_rtt_barely_widens_the_deviation() -> None:
    # Linux: below the mean less than the deviation counts, and then an eighth of it.
    # 400 -> 200: |err| 200 - 800/4 = 0: nothing is added
    sk = estimated(400)
    assert sk.mdev_us == 800_000
    rtt_estimator(sk, 200_000)
    assert sk.mdev_us == 800_000
    assert sk.srtt_us == 375_000 << 3  # 7/8 * 400 + 1/8 * 200


def test_a_constant_rtt_converges_to_itself() -> None:
    sk = estimated(100, *[40] * 400)
    assert abs((sk.srtt_us >> 3) - 40_000) < 2
    assert sk.mdev_us < 10


def test_the_initial_rto_is_a_second() -> None:
    assert Sender(Host()).rto_jiffies == 250
    assert Sender(Host(hz=1000)).rto_jiffies == 1000


# --- ticks and the wheel ---


@pytest.mark.parametrize(
    ("delay", "fires"),
    [
        (62, 63),  # the first level holds 63 ticks, each late by one
        (63, 64),  # from 63 on lines of 8 ticks: 63 + 8, cut to a line
        (503, 504),
        (504, 512),  # of 64: 504 + 64 = 568
        (4_031, 4_032),
        (4_032, 4_096),  # of 512: 4544
        (32_255, 32_256),
        (32_256, 32_768),  # of 4096: 36352
        (258_047, 258_048),
        (258_048, 262_144),  # of 32768: 290816
    ],
)
def test_farther_timers_fire_on_coarser_lines(delay: int, fires: int) -> None:
    assert wheel_jiffies(0, delay) == fires


@pytest.mark.parametrize(
    ("set_ms", "ticks", "fires_ms"),
    [
        (3.5, 61, 251.5),  # 244 ms from a tick's edge: one tick later, 248.0
        (7.4, 61, 251.5),  # 244 ms from the end of the same tick
        (3.5, 1, 11.5),
        (3.5, 62, 255.5),  # the last delay that is exact to a tick
        (3.5, 66, 271.5),  # 264 ms ends at 267.5: the next line of 15.5 + 32k ms
        (35.5, 66, 303.5),
        (19.5, 66, 303.5),  # 264 ms ends at 283.5: 284 later is the line after that
        (19.5 + 1, 66, 303.5),  # recorded: 264 ms becomes 282 to 288 ms
        (4687.6, 1008, 8911.5),  # recorded: 4032 ms set at 4687.6 fires at 8911.6
        (0, 250, 1007.5),  # a second
    ],
)
def test_timers_fire_on_the_wheels_lines(set_ms: float, ticks: int, fires_ms: float) -> None:
    assert HOST.expiry_ns(int(set_ms * MS), ticks) == int(fires_ms * MS)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**12), st.integers(1, 30_000))
def test_no_timer_fires_early_or_later_than_its_grid_allows(now: int, ticks: int) -> None:
    tick = 4 * MS
    grid = 1 if ticks < 63 else 8 if ticks < 504 else 64 if ticks < 4032 else 512
    late = HOST.expiry_ns(now, ticks) - (now + ticks * tick)
    assert 0 < late <= grid * tick


def test_a_thousand_ticks_a_second_are_a_millisecond_each() -> None:
    host = Host(hz=1000)
    assert host.us_to_jiffies(1_001) == 2
    assert host.expiry_ns(500_000, 40) == 41_500_000  # edges at x.5 ms: 40.5, and a tick more


def test_timestamps_count_whole_milliseconds() -> None:
    first = HOST.timestamp_ms(0)
    assert HOST.timestamp_ms(499) == first  # edges at x.5 ms
    assert HOST.timestamp_ms(500) == first + 1
    assert HOST.timestamp_ms(1_499) == first + 1


# --- what was only noted ---


@pytest.mark.parametrize("at_once", [True, False])
def test_a_loss_probe_counts_from_the_last_paced_packet_also_once_a_loss_is_known(
    at_once: bool,
) -> None:
    sk = connected("bbr", cwnd=40)
    for n in range(1, 11):
        ack(sk, T0 + (40 + n) * MS, n)
        while sk.pacing_ns < T0 + (41 + n) * MS:
            sk.on_pacing(sk.pacing_ns)
    sk.pacing_rate = 1448 * 100  # a packet each 10 ms
    until = sk.pacing_ns + 75 * MS
    assert sk.timer_ns > until
    if at_once:
        assert send_paced(sk, until)
    while sk.pacing_ns < until:
        sk.on_pacing(sk.pacing_ns)
    last_ns = sk.lsnd_ns
    ack(sk, last_ns + 5 * MS, 10, (11, 14))
    assert sk.ca_state == CaState.RECOVERY
    assert not sk.retrans_out  # packet 10 waits for the pacer
    assert last_ns + 82 * MS < due(sk) < last_ns + 106 * MS  # 2 RTT + 2 ms, in ticks, and a gap
