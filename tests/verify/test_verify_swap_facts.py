"""Ten facts about swaps by setsockopt, measured on Linux 6.18: the simulator shows each of them.

Paths: A 10 Mbit/s, 40 ms, 33 packets; C 20 Mbit/s, 100 ms, 333. The tenth is that of a recording,
whose random losses are drawn again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import SimResult
from ccsim.verify.trace import load_trace
from ccsim.verify.trace_simulation import simulate_trace

TRACES = Path(__file__).parent / "data" / "traces"
INFINITE = 0x7FFFFFFF
S = 1_000_000_000
PATHS = {
    "A": "{rate: 10 Mbit/s, rtt: 40050 us, buffer: 33 packets}",
    "C": "{rate: 20 Mbit/s, rtt: 100050 us, buffer: 333 packets}",
}


@lru_cache
def run(path: str, old: str, new: str, at_ms: int = 20_000, seconds: int = 24) -> SimResult:
    text = f"""
name: swap
duration: {seconds} s
path: {PATHS[path]}
flows:
  - {{name: f, congestion: {old}}}
swaps:
  - {{at: {at_ms} ms, via: setsockopt, flows: [f], to: {new}}}
"""
    return simulate(parse_scenario(text, "swap.yaml"))


def swap_of(result: SimResult) -> dict[str, Any]:
    return next(event.detail for event in result.events if event.kind == "swap")


def at(result: SimResult, column: str, t_s: float) -> int:
    flow = result.flows[0]
    return int(getattr(flow, column)[np.searchsorted(flow.t_ns, round(t_s * S), "right") - 1])


def mean_srtt_ms(result: SimResult, since_s: float, until_s: float) -> float:
    flow = result.flows[0]
    rows = (flow.t_ns >= since_s * S) & (flow.t_ns < until_s * S)
    return float(flow.srtt_us[rows].mean()) / 1000


def drops(result: SimResult, since_s: float, until_s: float) -> int:
    link = result.links[0]
    t = link.drop_t_ns[link.drop_reason == 0]
    return int(((t >= since_s * S) & (t < until_s * S)).sum())


def utilisation(result: SimResult, since_s: float, until_s: float) -> float:
    link = result.links[0]
    rows = np.searchsorted(link.t_ns, [round(since_s * S), round(until_s * S)])
    sent = int(link.departed_bytes[rows[1]] - link.departed_bytes[rows[0]])
    return sent * 8 / (until_s - since_s) / link.rate_bps


@pytest.mark.parametrize(
    ("path", "old", "new", "recorded"),
    [
        ("A", "cubic", "bbr", 64),
        ("C", "cubic", "bbr", 486),
        ("A", "bbr", "cubic", 80),
        ("C", "bbr", "cubic", 348),
    ],
)
def test_fact_1_the_window_stays_in_the_call(path: str, old: str, new: str, recorded: int) -> None:
    swap = swap_of(run(path, old, new))
    assert swap["before"]["snd_cwnd"] == swap["after"]["snd_cwnd"]
    assert swap["after"]["snd_cwnd"] == pytest.approx(recorded, abs=2)


def test_fact_2_entering_bbr_makes_ssthresh_infinite_and_leaving_keeps_one_bdp() -> None:
    into, out = swap_of(run("A", "cubic", "bbr")), swap_of(run("A", "bbr", "cubic"))
    assert (into["before"]["ssthresh"], into["after"]["ssthresh"]) == (46, INFINITE)
    assert (out["before"]["ssthresh"], out["after"]["ssthresh"]) == (40, 40)
    assert swap_of(run("C", "bbr", "cubic"))["after"]["ssthresh"] == 180


def test_fact_2_cubic_goes_on_where_bbr_left_it() -> None:
    """After Drain in congestion avoidance, which adds at most a packet for each 20 acknowledged;
    in Startup in slow start."""
    late = run("C", "bbr", "cubic")
    grown = at(late, "snd_cwnd", 20.5) - at(late, "snd_cwnd", 20)
    round_trips = 0.5 / 0.1
    assert 0 < grown <= round_trips * 346 / 20
    early = run("C", "bbr", "cubic", 350, 2)
    assert swap_of(early)["after"]["ssthresh"] == INFINITE
    assert at(early, "snd_cwnd", 0.45) >= 1.5 * at(early, "snd_cwnd", 0.35)


def test_fact_3_a_running_recovery_ends_with_the_old_ssthresh() -> None:
    result = run("A", "cubic", "reno", 970, 3)
    assert at(result, "ca_state", 0.97) == 3
    ssthresh = swap_of(result)["before"]["ssthresh"]
    flow = result.flows[0]
    end = next(k for k in range(97, len(flow.t_ns)) if flow.ca_state[k] == 0)
    assert swap_of(result)["after"]["ssthresh"] == ssthresh
    assert ssthresh <= flow.snd_cwnd[end] <= ssthresh + 1


@pytest.mark.parametrize(
    ("path", "before_mbps", "after_mbps"), [("A", 11.6, 27.6), ("C", 23.6, 56.2)]
)
def test_fact_4_bbr_paces_at_once(path: str, before_mbps: float, after_mbps: float) -> None:
    swap = swap_of(run(path, "cubic", "bbr"))
    assert swap["before"]["pacing_rate"] * 8e-6 == pytest.approx(before_mbps, rel=0.02)
    assert swap["after"]["pacing_rate"] * 8e-6 == pytest.approx(after_mbps, rel=0.02)
    srtt_s = at(run(path, "cubic", "bbr"), "srtt_us", 19.99) / 1e6
    rate = 2.885 * 0.99 * swap["before"]["snd_cwnd"] * 1448 / srtt_s
    assert swap["after"]["pacing_rate"] == pytest.approx(rate, rel=0.005)


def test_fact_4_pacing_stays_when_bbr_leaves() -> None:
    """On C 173 packets more may be in flight: they go out at 38 to 42 per 10 ms, 1.2 windows a
    round trip; the link takes 16.7 of them."""
    result = run("C", "bbr", "cubic")
    swap = swap_of(result)
    assert swap["before"]["pacing_rate"] == swap["after"]["pacing_rate"]
    rate_bps = 1.2 * at(result, "snd_cwnd", 20.02) * 1448 * 8 / at(result, "srtt_us", 20.02) * 1e6
    assert at(result, "pacing_rate_bps", 20.02) == pytest.approx(rate_bps, rel=0.001)
    k = int(np.searchsorted(result.flows[0].t_ns, 20 * S))
    sent = np.diff(result.flows[0].in_flight[k + 1 : k + 7]) + 16.7
    assert sent.min() > 36
    assert sent.max() < 43


def test_fact_5_bbr_starts_on_a_full_pipe() -> None:
    on_a, on_c = run("A", "cubic", "bbr"), run("C", "cubic", "bbr")
    assert drops(on_a, 20, 21) in (76, 77, 78)
    assert drops(on_c, 20, 21) <= 2
    assert mean_srtt_ms(on_a, 18, 20) == pytest.approx(71, abs=1)
    assert mean_srtt_ms(on_a, 22, 24) == pytest.approx(48, abs=1)
    assert mean_srtt_ms(on_c, 18, 20) == pytest.approx(273, abs=1)
    assert mean_srtt_ms(on_c, 22, 24) == pytest.approx(106, abs=1)


def test_fact_6_leaving_bbr_fills_the_queue_within_a_round_trip() -> None:
    result, on_c = run("A", "bbr", "cubic"), run("C", "bbr", "cubic")
    queue = result.links[0].queue_packets
    k = int(np.searchsorted(result.links[0].t_ns, 20 * S))
    assert queue[k] <= 6
    assert queue[k : k + 6].max() >= 32
    assert drops(result, 20, 21) in (17, 18, 19)
    assert mean_srtt_ms(result, 18, 20) == pytest.approx(50, abs=1)
    assert mean_srtt_ms(result, 20, 21) == pytest.approx(71, abs=1)
    assert mean_srtt_ms(on_c, 18, 20) == pytest.approx(106, abs=1)
    first = int(on_c.links[0].drop_t_ns.min()) / S
    assert first - 20 == pytest.approx(2.2, rel=0.15)


def worst_200_ms(result: SimResult) -> float:
    """Return the least goodput over 200 ms in the second after, over the mean of 2 s before."""
    flow = result.flows[0]
    steps = 20 * S + 10_000_000 * np.arange(-200, 121)
    bytes_by = flow.delivered_bytes[np.searchsorted(flow.t_ns, steps, "right") - 1].astype(float)
    before = (bytes_by[200] - bytes_by[0]) / 10
    return float((bytes_by[220:] - bytes_by[200:-20]).min() / before)


def test_fact_7_the_link_does_not_starve_but_goodput_dips() -> None:
    """The recordings' worst 200 ms: 0.72 to 0.81 into bbr, 0.59 to 0.62 out of it."""
    into, out = run("A", "cubic", "bbr"), run("A", "bbr", "cubic")
    for result in (into, out, run("C", "cubic", "bbr"), run("C", "bbr", "cubic")):
        assert utilisation(result, 20, 22) == pytest.approx(1, abs=0.003)
    assert 0.72 <= worst_200_ms(into) <= 0.81
    assert 0.59 <= worst_200_ms(out) <= 0.64


def test_fact_8_a_swap_to_the_same_does_nothing() -> None:
    result = run("A", "cubic", "cubic")
    swap = swap_of(result)
    assert swap["before"] == swap["after"]
    other = run("A", "cubic", "cubic", 10_000)
    assert np.array_equal(result.flows[0].snd_cwnd, other.flows[0].snd_cwnd)


def test_fact_9_without_hystart_slow_start_overshoots() -> None:
    result = run("C", "cubic", "reno", 350, 3)
    assert int(result.flows[0].snd_cwnd.max()) == pytest.approx(996, rel=0.01)
    assert drops(result, 0, 2) == pytest.approx(500, abs=5)


def test_fact_10_bbr_does_not_mind_random_losses() -> None:
    name = "swaploss_cubic_to_bbr_E_20M_40ms_1bdp_loss0.1pct.json"
    trace = load_trace(TRACES / name)
    results = [simulate_trace(trace, seed) for seed in (1, 2, 3, 4)]
    result = results[0]
    at_s = next(event.t_ns for event in result.events if event.kind == "swap") / S
    shares = [utilisation(one, 5, 10) for one in results]  # hosts are late otherwise in each
    assert sum(shares) / len(shares) == pytest.approx(0.54, abs=0.01)
    assert utilisation(result, 11, 13) > 0.98
    link = result.links[0]
    second = (link.drop_t_ns >= at_s * S) & (link.drop_t_ns < (at_s + 1) * S)
    assert int(second.sum()) == pytest.approx(182, abs=4)
