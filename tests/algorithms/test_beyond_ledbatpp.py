"""LEDBAT++ by hand (draft-irtf-iccrg-ledbat-plus-plus-01, section 4), and in transfers.

With a base of 40 ms GAIN is 1 / ceil(2 * 60 / 40) = 1/3: three windows of ACKs add a packet.
"""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
from ccsim.sim.traces import SimResult
from tests.algorithms.shipped_rig import HostSock, acked, connect, shipped
from tests.sim.sim_rig import S, flow_of, run

ledbatpp = shipped("ledbatpp")
BASE_US = 40_000
ONE = 1 << 16


def sender(cwnd: int, ssthresh: int, params: dict[str, int] | None = None) -> HostSock:
    sk = connect(
        "ledbatpp",
        params,
        snd_cwnd=cwnd,
        snd_ssthresh=ssthresh,
        srtt_us=BASE_US << 3,
        tcp_mstamp=10**7,
    )
    acked(sk, BASE_US)
    return sk


def ack(sk: HostSock, delay_us: int, count: int = 1, gap_us: int = 1) -> None:
    """Acknowledge so many packets, one by one, whose RTT is ``delay_us`` above the base."""
    for _ in range(count):
        sk.tcp_mstamp += gap_us
        acked(sk, BASE_US + delay_us)
        ledbatpp.cong_avoid(sk, 0, 1)


def settled(cwnd: int, delay_us: int, params: dict[str, int] | None = None) -> HostSock:
    """A sender past its first slow start, whose last four RTTs are alike."""
    sk = sender(cwnd, cwnd, params)
    for _ in range(4):
        acked(sk, BASE_US + delay_us)
    sk.ca.is_first_slow_start = False
    return sk


@pytest.mark.parametrize(
    ("base_us", "divisor"), [(40_000, 3), (120_000, 1), (119_999, 2), (7_000, 16), (10, 16)]
)
def test_gain_is_the_base_over_twice_the_target_but_a_sixteenth_at_least(
    base_us: int, divisor: int
) -> None:
    sk = sender(10, 10)
    sk.ca.base_us = base_us
    assert ledbatpp.gain(sk, sk.ca) == ONE // divisor


def test_below_the_target_three_windows_add_a_packet() -> None:
    sk = settled(20, 59_000)
    ack(sk, 59_000, 59)
    assert sk.snd_cwnd == 20
    ack(sk, 59_000, 3)
    assert sk.snd_cwnd == 21


def test_above_the_target_the_window_shrinks_in_proportion_to_the_excess() -> None:
    # 66 ms: W (66/60 - 1) = 10 packets of 100 in a round, less GAIN
    sk = settled(100, 66_000)
    ack(sk, 66_000, 100)
    assert sk.snd_cwnd == pytest.approx(90.7, abs=1)
    assert sk.snd_ssthresh == sk.snd_cwnd  # to shrink is not to start slowly


def test_it_shrinks_by_half_a_round_at_most() -> None:
    # half of what is left with each packet: 100 exp(-1/2) at the most after 100 of them
    sk = settled(100, 600_000)
    before = sk.snd_cwnd
    ack(sk, 600_000, 1)
    assert sk.snd_cwnd == before - 1  # half a packet, rounded down
    ack(sk, 600_000, 99)
    assert 45 <= sk.snd_cwnd <= 61


def test_two_packets_are_the_least_window() -> None:
    sk = settled(3, 600_000)
    ack(sk, 600_000, 500)
    assert sk.snd_cwnd == 2


def test_the_delay_is_the_least_of_four_samples() -> None:
    sk = settled(100, 0)
    for delay in (90_000, 90_000, 90_000):
        acked(sk, BASE_US + delay)
    assert ledbatpp.queueing_delay(sk.ca) == 0
    acked(sk, BASE_US + 80_000)
    assert ledbatpp.queueing_delay(sk.ca) == 80_000


def test_the_base_is_forgotten_after_ten_minutes() -> None:
    sk = settled(100, 0)
    for minute in range(1, 11):
        sk.tcp_mstamp = 10**7 + minute * 60 * 10**6
        acked(sk, BASE_US + 5000)
        assert sk.ca.base_us == BASE_US + (5000 if minute == 10 else 0)


def test_an_ack_without_an_rtt_sample_says_nothing() -> None:
    sk = settled(100, 0)
    before = sk.ca.rtts
    acked(sk, -1)
    assert sk.ca.rtts == before


# --- slow start and slowdowns ---


def test_slow_start_adds_gain_for_each_packet() -> None:
    sk = sender(10, TCP_INFINITE_SSTHRESH)
    ack(sk, 1000, 30)
    assert sk.snd_cwnd == 19  # 30/3, less what GAIN, 1/3 in 1/65536, falls short of it


@pytest.mark.parametrize(("delay_us", "goes_on"), [(45_000, True), (45_001, False)])
def test_the_first_slow_start_ends_at_three_quarters_of_the_target(
    delay_us: int, goes_on: bool
) -> None:
    sk = sender(10, TCP_INFINITE_SSTHRESH)
    ack(sk, delay_us, 4)
    assert (sk.snd_ssthresh == TCP_INFINITE_SSTHRESH) is goes_on
    assert sk.ca.is_first_slow_start is goes_on


def test_a_later_slow_start_goes_on_to_ssthresh_whatever_the_delay() -> None:
    sk = settled(10, 50_000)
    sk.snd_ssthresh = 14
    ack(sk, 50_000, 12)
    assert sk.snd_cwnd >= 13


def slowing() -> HostSock:
    """A sender whose first slow start ended at 40 packets, two RTTs ago."""
    sk = sender(40, TCP_INFINITE_SSTHRESH)
    for _ in range(4):
        acked(sk, BASE_US + 46_000)
    ack(sk, 46_000)
    assert sk.ca.slowdown_mstamp == pytest.approx(sk.tcp_mstamp + 80_000, abs=5)
    sk.tcp_mstamp += 79_000
    ack(sk, 46_000)
    assert sk.snd_cwnd == 40
    sk.tcp_mstamp += 1001
    ack(sk, 46_000)
    return sk


def test_the_first_slowdown_comes_two_rtts_after_it_and_lasts_two_rtts() -> None:
    sk = slowing()
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (2, 40)
    ack(sk, 0, 70, gap_us=1000)
    assert sk.snd_cwnd == 2
    ack(sk, 0, 20, gap_us=1000)
    assert sk.snd_cwnd > 2


def test_the_next_comes_after_nine_times_as_long_as_the_slowdown_took() -> None:
    sk = slowing()
    began = sk.tcp_mstamp
    while sk.snd_cwnd < 40:
        ack(sk, 0, gap_us=1000)
    took = sk.tcp_mstamp - began
    assert 80_000 < took < 300_000
    assert sk.ca.slowdown_mstamp == sk.tcp_mstamp + 9 * took
    assert not sk.ca.began_mstamp


def test_its_phase_is_slow_start_avoidance_or_a_slowdown() -> None:
    assert ledbatpp.phase(sender(10, 11)) == "SlowStart"
    assert ledbatpp.phase(sender(10, 10)) == "Avoidance"
    assert ledbatpp.phase(slowing()) == "Slowdown"


def test_a_slowdown_waits_until_losses_are_repaired() -> None:
    sk = settled(40, 0)
    sk.ca.slowdown_mstamp = sk.tcp_mstamp
    sk.ca_state = int(CaState.DISORDER)
    ack(sk, 0)
    assert sk.snd_cwnd == 40
    sk.ca_state = int(CaState.OPEN)
    ack(sk, 0)
    assert sk.snd_cwnd == 2


def test_slowdowns_can_be_switched_off() -> None:
    sk = settled(40, 0, {"slowdowns": False})
    sk.ca.slowdown_mstamp = 1
    ack(sk, 0)
    assert sk.snd_cwnd == 40


def test_a_loss_halves_the_window_and_in_a_slowdown_that_before_it() -> None:
    assert ledbatpp.ssthresh(settled(41, 0)) == 20
    assert ledbatpp.ssthresh(settled(3, 0)) == 2
    assert ledbatpp.ssthresh(slowing()) == 20


@pytest.mark.parametrize("target_ms", [0, 10_001])
def test_a_target_out_of_range_is_refused(target_ms: int) -> None:
    with pytest.raises(ValueError, match="ledbatpp: target_ms: expected 1 to 10000"):
        ledbatpp.Params(target_ms=target_ms)


# --- transfers: 20 Mbit/s, 40 ms; a packet takes 0.6 ms, 60 ms are 100 packets ---

PATH = "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 400 packets}\nflows:\n"


def shares(result: SimResult, after_ns: int) -> list[float]:
    carried = []
    for flow in result.flows:
        begin = int(flow.t_ns.searchsorted(after_ns))
        carried.append(int(flow.delivered_bytes[-1] - flow.delivered_bytes[begin]))
    return [each / sum(carried) for each in carried]


@pytest.mark.parametrize(("target_ms", "packets"), [(60, 100), (25, 42)])
def test_alone_it_keeps_the_queue_at_its_target_and_costs_a_tenth_at_most(
    target_ms: int, packets: int
) -> None:
    flow = f"  - {{name: a, congestion: {{name: ledbatpp, target_ms: {target_ms}}}}}\n"
    result = run(f"duration: 25 s\n{PATH}{flow}")
    link = result.links[0]
    later = link.t_ns > 3 * S
    # the draft's W (delay / target - 1) balances GAIN a little above the target
    assert float(np.percentile(link.queue_packets[later], 95)) <= packets + 3
    assert float(np.median(link.queue_packets[later])) == pytest.approx(packets, rel=0.05)
    departed = link.departed_bytes[link.t_ns > 3 * S]
    span_s = (25 * S - 3 * S) / S
    assert int(departed[-1] - departed[0]) * 8 / span_s > 0.9 * 20e6


def test_beside_cubic_it_takes_a_twentieth_at_most() -> None:
    flows = "  - {name: a, congestion: cubic}\n  - {name: b, start: 1 s, congestion: ledbatpp}\n"
    result = run(f"duration: 20 s\n{PATH}{flows}")
    assert shares(result, 5 * S)[1] < 0.05
    assert int(flow_of(result, "b").snd_cwnd.min()) >= 2


@pytest.mark.parametrize("slowdowns", [True, False])
def test_slowdowns_are_what_keeps_a_latecomer_from_taking_all(slowdowns: bool) -> None:
    congestion = f"{{name: ledbatpp, slowdowns: {str(slowdowns).lower()}}}"
    flows = f"  - {{name: a, congestion: {congestion}}}\n"
    flows += f"  - {{name: b, start: 5 s, congestion: {congestion}}}\n"
    first = shares(run(f"duration: 60 s\n{PATH}{flows}"), 30 * S)[0]
    if slowdowns:
        assert 0.4 < first < 0.6
    else:
        assert first < 0.05
