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
from ccsim.verify.simulation import simulate_trace
from ccsim.verify.trace import load_trace

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
    return simulate(parse_scenario(text, "swap.yaml").resolved())


def swap_of(result: SimResult) -> dict[str, Any]:
    return next(event.detail for event in result.events if event.kind == "swap")


def at(result: SimResult, column: str, t_s: float) -> int:
    flow = result.flows[0]
    return int(getattr(flow, column)[np.searchsorted(flow.t_ns, round(t_s * S), "right") - 1])


def drops(result: SimResult, since_s: float, until_s: float) -> int:
    link = result.links[0]
    t = link.drop_t_ns[link.drop_random == 0]
    return int(((t >= since_s * S) & (t < until_s * S)).sum())


def utilisation(result: SimResult, since_s: float, until_s: float) -> float:
    link = result.links[0]
    rows = np.searchsorted(link.t_ns, [round(since_s * S), round(until_s * S)])
    sent = int(link.departed_bytes[rows[1]] - link.departed_bytes[rows[0]])
    return sent * 8 / (until_s - since_s) / link.rate_bps


@pytest.mark.parametrize(
    ("path", "old", "new"), [("A", "cubic", "bbr"), ("C", "cubic", "bbr"), ("A", "bbr", "cubic")]
)
def test_fact_1_the_window_stays_in_the_call(path: str, old: str, new: str) -> None:
    swap = swap_of(run(path, old, new))
    assert swap["before"]["snd_cwnd"] == swap["after"]["snd_cwnd"] > 4


def test_fact_2_entering_bbr_makes_ssthresh_infinite_and_leaving_keeps_one_bdp() -> None:
    into, out = swap_of(run("A", "cubic", "bbr")), swap_of(run("A", "bbr", "cubic"))
    assert (into["before"]["ssthresh"], into["after"]["ssthresh"]) == (46, INFINITE)
    assert (out["before"]["ssthresh"], out["after"]["ssthresh"]) == (40, 40)
    startup = swap_of(run("C", "bbr", "cubic", 350, 2))
    assert startup["after"]["ssthresh"] == INFINITE


def test_fact_3_a_running_recovery_ends_with_the_old_ssthresh() -> None:
    result = run("A", "cubic", "reno", 970, 3)
    assert at(result, "ca_state", 0.97) == 3
    ssthresh = swap_of(result)["before"]["ssthresh"]
    flow = result.flows[0]
    end = next(k for k in range(97, len(flow.t_ns)) if flow.ca_state[k] == 0)
    assert swap_of(result)["after"]["ssthresh"] == ssthresh
    assert ssthresh <= flow.snd_cwnd[end] <= ssthresh + 1


def test_fact_4_bbr_paces_at_once_and_pacing_stays_when_it_leaves() -> None:
    swap = swap_of(run("A", "cubic", "bbr"))
    srtt_s = at(run("A", "cubic", "bbr"), "srtt_us", 19.99) / 1e6
    rate = 2.885 * 0.99 * swap["before"]["snd_cwnd"] * 1448 / srtt_s
    assert swap["after"]["pacing_rate"] == pytest.approx(rate, rel=0.02)
    result = run("C", "bbr", "cubic")
    flight = result.flows[0].in_flight
    k = int(np.searchsorted(result.flows[0].t_ns, 20 * S))
    delivered_in_10_ms = 16.7
    steps = np.diff(flight[k : k + 6]) + delivered_in_10_ms
    assert steps.max() < 50  # not the whole gap in one burst


def test_fact_5_bbr_starts_on_a_full_pipe() -> None:
    assert drops(run("A", "cubic", "bbr"), 20, 21) in range(74, 81)
    assert drops(run("C", "cubic", "bbr"), 20, 21) <= 4
    assert at(run("A", "cubic", "bbr"), "srtt_us", 19.9) == pytest.approx(71_000, rel=0.12)
    assert at(run("A", "cubic", "bbr"), "srtt_us", 21.5) == pytest.approx(48_000, rel=0.12)


def test_fact_6_leaving_bbr_fills_the_queue_within_a_round_trip() -> None:
    result = run("A", "bbr", "cubic")
    queue = result.links[0].queue_packets
    k = int(np.searchsorted(result.links[0].t_ns, 20 * S))
    assert queue[k - 5 : k + 1].min() <= 12
    assert queue[k : k + 12].max() >= 32
    assert drops(result, 20, 21) in range(14, 23)
    assert drops(run("C", "bbr", "cubic"), 20, 21) == 0


@pytest.mark.parametrize(("old", "new"), [("cubic", "bbr"), ("bbr", "cubic")])
def test_fact_7_the_link_does_not_starve(old: str, new: str) -> None:
    assert utilisation(run("A", old, new), 20, 22) > 0.99


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
    result = simulate_trace(load_trace(TRACES / name))
    assert utilisation(result, 5, 10) == pytest.approx(0.54, abs=0.01)
    assert utilisation(result, 11, 13) > 0.95
    assert drops(result, 10, 11) == pytest.approx(182, rel=0.25)
