"""What transfers look like: figures recorded on a real kernel, or worked out from the path.

Paths: A 10 Mbit/s, 40 ms, 33 packets; C 20 Mbit/s, 100 ms, 333 packets.
"""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.sim.traces import SimResult
from tests.sim.sim_rig import MS, S, at, flow_of, run

A = "path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 33 packets}\n"
C = "path: {rate: 20 Mbit/s, rtt: 100 ms, buffer: 333 packets}\n"


def utilisation(result: SimResult) -> float:
    """Return the bits that left over what the link could carry in the run."""
    link = result.links[0]
    return int(link.departed_bytes[-1]) * 8 * S / (link.rate_bps * result.duration_ns)


def drops_between(result: SimResult, start_ns: int, end_ns: int) -> int:
    times = result.links[0].drop_t_ns
    return int(((times >= start_ns) & (times < end_ns)).sum())


def one_flow(path: str, congestion: str, seconds: int, more: str = "") -> str:
    flows = f"flows:\n  - {{name: f, congestion: {congestion}}}\n"
    return f"duration: {seconds} s\n{path}{flows}{more}"


def swap_at(at: str, to: str) -> str:
    return f"swaps:\n  - {{at: {at}, via: setsockopt, flows: [f], to: {to}}}\n"


# --- steady state ---


@pytest.mark.parametrize("congestion", ["cubic", "bbr"])
def test_a_single_flow_uses_more_than_97_percent_of_100_mbit_per_s(congestion: str) -> None:
    path = "path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"
    assert 0.97 < utilisation(run(one_flow(path, congestion, 60))) <= 1


def test_renos_sawtooth_has_the_recorded_height_and_period() -> None:
    # 33.3 packets in flight + 33 queued + 1 = 67; half a window at a packet a round: 2.19 s
    result = run(one_flow(A, "reno", 60))
    peaks = [e.t_ns for e in result.events if e.kind == "ca_state" and e.detail["to"] == 3]
    steady = np.array([t for t in peaks if t > 10 * S])
    assert len(steady) > 15
    period_s = float(np.diff(steady).mean()) / S
    assert period_s == pytest.approx(2.19, rel=0.03)
    flow = flow_of(result, "f")
    later = flow.t_ns > 10 * S
    assert abs(int(flow.snd_cwnd[later].max()) - 67) <= 1
    assert set(np.unique(flow.ssthresh[later]).tolist()) <= {33, 34}


def test_cubic_halves_nothing_but_falls_to_seven_tenths() -> None:
    # W_max 67: 0.7 * 67 = 46.9, and ssthresh was recorded as 46 to 47
    flow = flow_of(run(one_flow(A, "cubic", 30)), "f")
    later = flow.t_ns > 10 * S
    assert set(np.unique(flow.ssthresh[later]).tolist()) <= {46, 47}
    assert abs(int(flow.snd_cwnd[later].max()) - 67) <= 1


def test_bbr_keeps_about_two_bdp_in_its_window_and_four_packets_when_it_probes_the_rtt() -> None:
    flow = flow_of(run(one_flow(A, "bbr", 30)), "f")
    later = flow.t_ns > 5 * S
    assert abs(int(np.median(flow.snd_cwnd[later])) - 78) <= 2  # recorded: 78
    assert int(flow.snd_cwnd[later].min()) == 4


def test_random_loss_costs_cubic_half_the_link_and_bbr_nothing() -> None:
    path = "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 67 packets, loss: 0.1 %}\n"
    # recorded: cubic 11.9, bbr 19.45 Mbit/s; one recording of one loss pattern: 15 %
    assert utilisation(run(one_flow(path, "cubic", 60))) * 20 == pytest.approx(11.9, rel=0.15)
    assert utilisation(run(one_flow(path, "bbr", 30))) > 0.95


def test_two_reno_flows_of_equal_rtt_share_within_ten_percent() -> None:
    flows = "flows:\n  - {name: a, congestion: reno}\n  - {name: b, congestion: reno, start: 1 s}\n"
    result = run(f"duration: 120 s\n{A}{flows}")
    carried = [
        int(flow.delivered_bytes[-1] - flow.delivered_bytes[flow.t_ns.searchsorted(20 * S)])
        for flow in result.flows
    ]
    assert sum(carried) * 8 / 100 > 9e6  # they fill the link
    # Jain: 0.99 for two means shares of 0.45 and 0.55
    assert sum(carried) ** 2 / (2 * sum(x * x for x in carried)) > 0.99


# --- the beginning ---


def test_cubic_leaves_slow_start_at_the_recorded_window_without_a_loss() -> None:
    result = run(one_flow(A, "cubic", 2))
    flow = flow_of(result, "f")
    assert at(flow, "ssthresh", 500 * MS) == 38
    assert drops_between(result, 0, 500 * MS) == 0


def test_reno_overshoots_to_twice_what_path_and_buffer_hold() -> None:
    # recorded: about 1000 packets and 500 drops; 333 in flight + 333 queued, doubled a round late
    result = run(one_flow(C, "reno", 5))
    assert 950 < int(flow_of(result, "f").snd_cwnd.max()) < 1050
    assert 450 < drops_between(result, 0, 3 * S) < 550


def test_cubic_on_a_long_path_meets_its_first_loss_when_it_was_recorded() -> None:
    # recorded: slow start ends at 245, the first drop comes at 3.722 s, ssthresh is 366 after it
    result = run(one_flow(C, "cubic", 5))
    flow = flow_of(result, "f")
    assert at(flow, "ssthresh", 2 * S) == pytest.approx(245, abs=3)
    assert int(result.links[0].drop_t_ns[0]) == pytest.approx(3.722 * S, rel=0.02)
    assert at(flow, "ssthresh", int(4.5 * S)) == pytest.approx(366, abs=4)


# --- swaps by setsockopt ---


def test_cubic_to_bbr_keeps_the_window_forgets_ssthresh_and_overfills_the_pipe() -> None:
    result = run(one_flow(A, "cubic", 22, swap_at("20 s", "bbr")))
    swap = next(e for e in result.events if e.kind == "swap").detail
    assert swap["before"]["snd_cwnd"] == swap["after"]["snd_cwnd"]
    assert swap["before"]["ssthresh"] in (46, 47)
    assert swap["after"]["ssthresh"] == TCP_INFINITE_SSTHRESH
    # recorded: 76 to 78 drops in the first second, up to 90 with another phase of the sawtooth
    assert 70 <= drops_between(result, 20 * S, 21 * S) <= 90


def test_entering_bbr_paces_at_once_at_high_gain_times_window_over_rtt() -> None:
    # 2.885 * 0.99 * cwnd * MSS / srtt; recorded on A: 27.6 Mbit/s
    result = run(one_flow(A, "cubic", 21, swap_at("20 s", "bbr")))
    swap = next(e for e in result.events if e.kind == "swap").detail["after"]
    srtt_us = at(flow_of(result, "f"), "srtt_us", 20 * S)
    expected = 2.885 * 0.99 * swap["snd_cwnd"] * 1448 * 8e6 / srtt_us
    assert swap["pacing_rate"] * 8 == pytest.approx(expected, rel=0.01)


def test_cubic_to_reno_in_slow_start_loses_hystart_and_overshoots() -> None:
    # recorded on C at 0.35 s: 996 packets at most, 500 drops
    result = run(one_flow(C, "cubic", 4, swap_at("350 ms", "reno")))
    assert int(flow_of(result, "f").snd_cwnd.max()) == pytest.approx(996, rel=0.03)
    assert drops_between(result, 0, 4 * S) == pytest.approx(500, rel=0.03)
    assert drops_between(run(one_flow(C, "cubic", 3)), 0, 3 * S) == 0


def test_bbr_to_cubic_goes_on_pacing() -> None:
    # recorded on C: a gap of 173 packets is filled at 38 to 42 packets in 10 ms, not in a burst
    result = run(one_flow(C, "bbr", 12, swap_at("10 s", "cubic")))
    flow = flow_of(result, "f")
    first, later = 10 * S + 10 * MS, 10 * S + 50 * MS
    assert at(flow, "snd_cwnd", first) == at(flow, "snd_cwnd", 10 * S - 10 * MS)
    # 16.7 packets in 10 ms are acknowledged and replaced, so 14 to 25 more are under way
    gained = (at(flow, "in_flight", later) - at(flow, "in_flight", first)) / 4
    assert 14 < gained < 25
    rates = flow.pacing_rate_bps[flow.t_ns > first]
    assert int(rates.min()) > 0  # recomputed at every ACK, 1.2 * cwnd * MSS / srtt


def test_bbr_to_cubic_doubles_what_is_in_flight_and_the_queue_overflows() -> None:
    # recorded on A: cwnd stays 80, the queue goes from 6 to 33 packets, 18 to 19 drops
    result = run(one_flow(A, "bbr", 22, swap_at("20 s", "cubic")))
    flow = flow_of(result, "f")
    assert at(flow, "snd_cwnd", 20 * S + 30 * MS) == at(flow, "snd_cwnd", 20 * S - 10 * MS)
    assert at(flow, "ssthresh", 20 * S + 30 * MS) == 40
    assert at(flow, "in_flight", 20 * S + 60 * MS) >= 77
    assert 15 <= drops_between(result, 20 * S, 21 * S) <= 21


def test_bbr_to_cubic_after_drain_goes_on_in_congestion_avoidance() -> None:
    result = run(one_flow(C, "bbr", 11, swap_at("10 s", "cubic")))
    swap = next(e for e in result.events if e.kind == "swap").detail
    assert swap["before"]["snd_cwnd"] == swap["after"]["snd_cwnd"]
    assert swap["after"]["ssthresh"] == swap["before"]["ssthresh"] < swap["after"]["snd_cwnd"]


def test_a_swap_to_the_implementation_in_use_does_nothing() -> None:
    swapped = run(one_flow(A, "cubic", 20, swap_at("7 s", "cubic")))
    control = run(one_flow(A, "cubic", 20))
    for name in ("snd_cwnd", "ssthresh", "srtt_us", "in_flight", "delivered_bytes"):
        ours, theirs = (getattr(flow_of(r, "f"), name) for r in (swapped, control))
        assert ours.tolist() == theirs.tolist(), name
    assert swapped.swaps[0].errno == 0
    assert swapped.swaps[0].flows == ()


# --- swaps by link update ---

LINKED = f"""
duration: 12 s
{A}links: {{fleet: cubic}}
flows:
  - {{name: before, congestion: fleet}}
  - {{name: after, congestion: fleet, start: 7 s}}
swaps:
  - {{at: 6 s, via: link_update, link: fleet, to: bbr}}
"""


def test_a_link_update_leaves_the_running_flow_alone_and_reaches_the_next() -> None:
    result = run(LINKED)
    assert flow_of(result, "before").implementations == ("cubic",)
    assert flow_of(result, "after").implementations == ("bbr",)
    assert result.swaps[0].flows == ()
    assert result.swaps[0].errno == 0


def test_nothing_changes_until_a_flow_starts_under_the_updated_name() -> None:
    without = run(LINKED.split("swaps:", maxsplit=1)[0])
    updated = run(LINKED)
    for name in ("snd_cwnd", "srtt_us", "delivered_bytes"):
        ours, theirs = (getattr(flow_of(r, "before"), name)[:700] for r in (updated, without))
        assert ours.tolist() == theirs.tolist(), name


def test_the_running_flow_moves_when_it_names_its_own_name_again() -> None:
    text = LINKED.replace(
        "to: bbr}\n", "to: bbr}\n  - {at: 9 s, via: setsockopt, flows: [before], to: fleet}\n"
    )
    result = run(text)
    assert flow_of(result, "before").implementations == ("cubic", "bbr")
    assert result.swaps[1].flows == ("before",)
    swap = next(e for e in result.events if e.kind == "swap" and e.flow == "before").detail
    assert swap["before"]["snd_cwnd"] == swap["after"]["snd_cwnd"]
