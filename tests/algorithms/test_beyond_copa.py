"""Copa by hand (Arun and Balakrishnan, NSDI 2018, section 2), and in transfers.

With delta = 1/2 a sender wants 2 packets queued. At a window of 100 packets and an RTT of 50 ms,
10 ms of them in queues, its rate is 2000 packets/s and its target 1 / (0.5 * 0.01) = 200.
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, RateSample
from ccsim.sim.traces import SimResult
from tests.algorithms.shipped_rig import HostSock, connect, shipped
from tests.sim.sim_rig import S, run

copa = shipped("copa")
ONE = 1 << 16


def sender(params: dict[str, Any] | None = None, **fields: Any) -> HostSock:
    start = {"snd_cwnd": 100, "snd_ssthresh": 50, "srtt_us": 50_000 << 3, "delivered": 1000}
    return connect("copa", params, **{**start, "tcp_mstamp": 10**7, **fields})


def ack(sk: HostSock, rtt_us: int, acked: int = 1, flight: int = 0, losses: int = 0) -> None:
    """Acknowledge packets a millisecond later."""
    sk.tcp_mstamp += 1000
    sk.delivered += acked
    sk.lost += losses
    rs = RateSample()
    rs.rtt_us, rs.acked_sacked, rs.losses = rtt_us, acked, losses
    rs.delivered = flight or sk.snd_cwnd
    rs.prior_delivered = sk.delivered - rs.delivered
    assert sk.ca_ops.cong_control is not None
    sk.ca_ops.cong_control(sk, 0, 0, rs)


def rounds(sk: HostSock, count: int, rtt_us: int, losses: int = 0) -> None:
    for _ in range(count):
        sk.ca.next_round_delivered = 0
        ack(sk, rtt_us, losses=losses)


# --- the window ---


def test_above_its_target_a_window_of_100_loses_a_fiftieth_of_a_packet_for_each_acked() -> None:
    sk = sender()
    ack(sk, 40_000)
    sk.tcp_mstamp += 60_000  # the low RTT leaves RTTstanding, but not RTTmin
    before = sk.ca.cwnd
    sk.ca.velocity, sk.ca.next_round_delivered = 1, 1 << 30
    ack(sk, 50_000)
    assert copa.queueing_delay(sk.ca) == 10_000
    assert before - sk.ca.cwnd == pytest.approx(2 * ONE / 100, rel=0.01)  # v / (delta cwnd)


@pytest.mark.parametrize(("velocity", "acked", "moved"), [(1, 1, 0.02), (4, 1, 0.08), (1, 3, 0.06)])
def test_below_its_target_it_grows_by_v_over_delta_cwnd_for_each_packet(
    velocity: int, acked: int, moved: float
) -> None:
    sk = sender()
    sk.ca.velocity, sk.ca.direction, sk.ca.next_round_delivered = velocity, 1, 1 << 30
    ack(sk, 50_000, acked)
    assert sk.ca.cwnd == pytest.approx((100 + moved) * ONE, abs=20)


def test_the_window_moves_by_no_more_than_what_is_acknowledged() -> None:
    sk = sender(snd_cwnd=100)
    sk.ca.velocity, sk.ca.direction, sk.ca.next_round_delivered = 1 << 20, 1, 1 << 30
    ack(sk, 50_000, 2)
    assert sk.snd_cwnd == 102


@pytest.mark.parametrize(("dq_us", "grows"), [(999, True), (1001, False)])
def test_the_target_is_one_over_delta_dq(dq_us: int, grows: bool) -> None:
    """40 packets in 20 ms are 2000 a second: that is the target at dq = 1 ms."""
    sk = sender(snd_cwnd=40, snd_ssthresh=2, srtt_us=20_000 << 3)
    ack(sk, 20_000 - dq_us)
    sk.tcp_mstamp += 30_000
    sk.ca.cwnd, sk.ca.next_round_delivered = 40 * ONE, 1 << 30
    ack(sk, 20_000)
    assert (sk.ca.cwnd > 40 * ONE) is grows


def test_slow_start_doubles_until_the_target_is_below_the_rate() -> None:
    sk = sender(snd_cwnd=10, snd_ssthresh=TCP_INFINITE_SSTHRESH)
    for _ in range(10):
        ack(sk, 40_000)
    assert sk.snd_cwnd == 20
    sk.tcp_mstamp += 60_000
    ack(sk, 60_000)  # 20 packets in 60 ms, 333 a second: above 1 / (0.5 * 0.02) = 100
    assert sk.snd_ssthresh == 20
    assert sk.snd_cwnd <= 20


def test_pacing_is_at_twice_the_window_per_standing_rtt() -> None:
    sk = sender()
    ack(sk, 50_000)
    assert sk.pacing_rate == pytest.approx(2 * 100 * 1448 / 0.05, rel=0.001)


def test_a_sender_that_something_else_limits_does_not_grow_its_window() -> None:
    sk = sender(is_cwnd_limited=False)
    for _ in range(50):
        ack(sk, 50_000)
    assert sk.snd_cwnd == 100


# --- velocity ---


def test_the_velocity_doubles_after_three_rounds_in_one_direction_and_falls_when_it_turns() -> None:
    sk = sender()
    seen = []
    for step in (1, 1, 1, 1, 1, 1, -1, -1):
        sk.ca.cwnd += step * ONE
        copa.set_velocity(sk.ca)
        sk.ca.cwnd_before = sk.ca.cwnd
        seen.append(sk.ca.velocity)
    assert seen == [1, 1, 1, 2, 4, 8, 1, 1]


def test_the_first_ack_that_asks_to_turn_ends_the_velocity() -> None:
    sk = sender()
    sk.ca.velocity, sk.ca.direction, sk.ca.next_round_delivered = 64, -1, 1 << 30
    ack(sk, 50_000)
    assert (sk.ca.velocity, sk.ca.direction) == (1, 1)


@pytest.mark.parametrize("event", [CaEvent.TX_START, CaEvent.LOSS])
def test_a_timeout_or_an_idle_time_ends_the_velocity(event: CaEvent) -> None:
    sk = sender()
    sk.ca.velocity = 64
    copa.cwnd_event(sk, int(event))
    assert sk.ca.velocity == 1


# --- modes ---


def test_it_competes_while_the_queue_has_not_emptied_for_five_rtts() -> None:
    sk = sender()
    ack(sk, 40_000)
    for k in range(300):
        ack(sk, 60_000)
        if k < 250:
            assert not sk.ca.is_competitive
    assert sk.ca.is_competitive
    inv_delta = sk.ca.inv_delta
    rounds(sk, 3, 60_000)
    assert sk.ca.inv_delta == inv_delta + 3 * ONE  # 1 a round
    rounds(sk, 1, 60_000, losses=1)
    assert sk.ca.inv_delta == max((inv_delta + 3 * ONE) // 2, 2 * ONE)
    ack(sk, 40_500)
    assert not sk.ca.is_competitive
    assert sk.ca.inv_delta == 2 * ONE


def test_1_over_delta_never_falls_below_the_default() -> None:
    sk = sender({"delta": 0.25})
    copa.adapt_delta(sk, sk.ca, True)
    assert sk.ca.inv_delta == 4 * ONE


def test_its_phase_is_slow_start_or_the_mode() -> None:
    sk = sender(snd_cwnd=100, snd_ssthresh=101)
    assert copa.phase(sk) == "SlowStart"
    sk.snd_ssthresh = 100
    assert copa.phase(sk) == "Default"
    sk.ca.is_competitive = True
    assert copa.phase(sk) == "Competitive"


def test_competition_can_be_switched_off() -> None:
    sk = sender({"competitive": False})
    ack(sk, 40_000)
    for _ in range(500):
        ack(sk, 60_000)
    assert not sk.ca.is_competitive


def test_a_round_that_loses_more_than_a_tenth_halves_the_window() -> None:
    for losses, cwnd in ((11, 99), (12, 49)):
        sk = sender()
        sk.ca.round_delivered -= 99
        rounds(sk, 1, 50_000, losses=losses)
        assert sk.snd_cwnd == pytest.approx(cwnd, abs=1)


@pytest.mark.parametrize("delta", [0.0, -1.0, 1.5])
def test_a_delta_out_of_range_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match=r"copa: delta: expected 0.001 to 1, got"):
        copa.Params(delta=delta)


# --- transfers: 20 Mbit/s, 40 ms; a packet takes 0.6 ms, 67 fill the pipe ---

PATH = "duration: 12 s\npath: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 3 BDP}\nflows:\n"


def queue_after(result: SimResult, t_ns: int) -> float:
    """Return the mean number of packets that wait behind the one in service."""
    link = result.links[0]
    return float((link.queue_packets[link.t_ns > t_ns] - 1).clip(0).mean())


def carried(result: SimResult, after_ns: int) -> list[int]:
    begins = [int(flow.t_ns.searchsorted(after_ns)) for flow in result.flows]
    return [
        int(flow.delivered_bytes[-1] - flow.delivered_bytes[begin])
        for flow, begin in zip(result.flows, begins, strict=True)
    ]


@pytest.mark.parametrize("delta", [0.5, 0.2, 0.1])
def test_one_flow_keeps_about_1_over_delta_packets_queued(delta: float) -> None:
    # dq = 1 / (delta rate); RTTstanding lags behind a rising RTT, so it is a little more
    result = run(f"{PATH}  - {{name: a, congestion: {{name: copa, delta: {delta}}}}}\n")
    assert queue_after(result, 2 * S) == pytest.approx(1 / delta, rel=0.35)
    assert sum(carried(result, 2 * S)) * 8 / 10 == pytest.approx(19.3e6, rel=0.01)
    assert int(result.links[0].drops[-1]) == 0


def test_two_flows_share_equally_and_keep_twice_as_much() -> None:
    result = run(PATH + "  - {name: a, congestion: copa, count: 2, start_every: 1 s}\n")
    a, b = carried(result, 4 * S)
    assert a == pytest.approx(b, rel=0.1)
    assert queue_after(result, 4 * S) == pytest.approx(4, rel=0.35)


def test_beside_cubic_it_competes_and_gets_a_multiple_of_what_it_gets_without() -> None:
    flows = "  - {name: b, congestion: cubic}\n  - {name: a, start: 1 s, congestion: CC}\n"
    text = PATH.replace("3 BDP", "1 BDP").replace("12 s", "20 s") + flows
    competing = carried(run(text.replace("CC", "copa")), 5 * S)
    yielding = carried(run(text.replace("CC", "{name: copa, competitive: false}")), 5 * S)
    assert competing[1] > 2 * yielding[1]
    assert competing[1] > competing[0] / 3


def test_a_buffer_smaller_than_it_wants_does_not_make_it_flood_the_link() -> None:
    text = PATH.replace("3 BDP", "2 packets").replace("12 s", "6 s")
    result = run(text + "  - {name: a, congestion: {name: copa, delta: 0.05}}\n")
    flow = result.flows[0]
    assert flow.counters["packets_dropped"] < 0.4 * flow.counters["packets_sent"]
