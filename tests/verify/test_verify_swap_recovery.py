"""What swaps between cubic and bbr cost on the recorded paths: drops in the second after, and how
long in-order goodput takes to come back, within 20 % of the recordings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from ccsim.sim.traces import SimResult
from ccsim.verify.trace import Trace, load_trace
from ccsim.verify.trace_simulation import simulate_trace

TRACES = Path(__file__).parent / "data" / "traces"
A = "A_10M_40ms_1bdp"
S = 1_000_000_000
STEP = 10_000_000  # the recordings' grid
BIN_STEPS = 5  # goodput over 50 ms
DIP_STEPS = 50  # the first dip is over within half a second

Curve = tuple[np.ndarray, np.ndarray]


@lru_cache
def both(name: str) -> tuple[Trace, SimResult]:
    trace = load_trace(TRACES / f"{name}.json")
    return trace, simulate_trace(trace)


def drops_in_second(times: np.ndarray, at_ns: int) -> int:
    return int(((times >= at_ns) & (times < at_ns + S)).sum())


def back_after_ms(curve: Curve, at_ns: int) -> int:
    """Return when, after the worst 50 ms, the first 50 ms begin that carry 95 % of the 2 s before
    the swap [ms after the swap]."""
    t, delivered = curve
    steps = at_ns + STEP * np.arange(-200, 2 * DIP_STEPS)
    at = delivered[np.searchsorted(t, steps, side="right") - 1].astype(float)
    before = (at[200] - at[0]) / 200 * BIN_STEPS
    bins = (at[200 + BIN_STEPS :] - at[200:-BIN_STEPS]) / before
    worst = int(bins[:DIP_STEPS].argmin())
    return int(np.flatnonzero(bins[worst:] >= 0.95)[0] + worst) * 10


def curves(name: str) -> tuple[Curve, Curve]:
    trace, result = both(name)
    recorded, simulated = trace.flows[0], result.flows[0]
    return (recorded.t_ns, recorded.acked_bytes), (simulated.t_ns, simulated.delivered_bytes)


@pytest.mark.parametrize(
    ("name", "recorded"), [(f"swap_cubic_to_bbr_{A}", 76), (f"swap_bbr_to_cubic_{A}", 18)]
)
def test_as_many_packets_are_dropped_in_the_second_after(name: str, recorded: int) -> None:
    trace, result = both(name)
    at = trace.swaps[0].t_ns
    assert drops_in_second(trace.drops, at) == recorded
    simulated = drops_in_second(result.links[0].drop_t_ns, at)
    assert simulated == pytest.approx(recorded, rel=0.2)


@pytest.mark.parametrize("name", [f"swap_cubic_to_bbr_{A}", f"swap_bbr_to_cubic_{A}"])
def test_goodput_comes_back_as_soon_as_recorded(name: str) -> None:
    at = both(name)[0].swaps[0].t_ns
    recorded, simulated = (back_after_ms(curve, at) for curve in curves(name))
    assert recorded in range(100, 190)  # 0.1 to 0.15 s, on another grid of bins
    assert simulated == pytest.approx(recorded, rel=0.2)


def test_on_a_deep_queue_the_swap_to_bbr_costs_next_to_nothing() -> None:
    """Recorded: 2 drops, and a hole of 0.2 s as one of them is repaired. What fills the queue up to
    its last packet there is one bandwidth sample above the line rate, made by a stall of the host;
    the simulated window stays 2 to 6 packets smaller."""
    trace, result = both("swap_cubic_to_bbr_C_20M_100ms_2bdp")
    at = trace.swaps[0].t_ns
    assert drops_in_second(trace.drops, at) == 2
    assert drops_in_second(result.links[0].drop_t_ns, at) <= 2
    row = np.searchsorted(result.flows[0].t_ns, at)
    peak = int(result.flows[0].snd_cwnd[row : row + 100].max())
    recorded = trace.flows[0]
    there = int(recorded.snd_cwnd[np.searchsorted(recorded.t_ns, at) :][:100].max())
    assert (there, peak) == (500, pytest.approx(496, abs=2))
