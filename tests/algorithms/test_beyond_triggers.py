"""Swaps that wait for a phase of an algorithm beyond Linux's, and hand over its model."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, flow_of, resolved, run

TEXT = """
duration: 7 s
path: {{rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP}}
flows:
  - {{name: a, congestion: {congestion}}}
swaps:
  - {{when: {{flow: a, state: {state}}}, via: setsockopt, flows: [a], to: {to}, state: {policy}}}
"""


def swapped_at(congestion: str, state: str, to: str = "cubic", policy: str = "linux") -> list[int]:
    """Return when the swap was done [ns]; nothing if it never was."""
    result = run(TEXT.format(congestion=congestion, state=state, to=to, policy=policy))
    assert result.failed == ""
    return [event.t_ns for event in result.events if event.kind == "swap"]


@pytest.mark.parametrize(
    ("congestion", "state", "after_ns", "before_ns"),
    [
        ("bbr3", "Drain", 100 * MS, S),
        ("bbr3", "ProbeBW", 100 * MS, S),
        ("bbr3", "ProbeBW_UP", 500 * MS, 4 * S),
        ("bbr3", "ProbeRTT", 5 * S, 6 * S),
        ("copa", "Competitive", 100 * MS, 2 * S),  # with the queue of its own slow start
        ("{name: ledbatpp, target_ms: 15}", "Slowdown", 50 * MS, 3 * S),
    ],
)
def test_a_swap_waits_for_the_phase(
    congestion: str, state: str, after_ns: int, before_ns: int
) -> None:
    (t_ns,) = swapped_at(congestion, state)
    assert after_ns < t_ns < before_ns


def test_a_phase_that_no_algorithm_has_is_refused() -> None:
    with pytest.raises(ScenarioError, match="ProbeBW_DOWNN"):
        swapped_at("bbr3", "ProbeBW_DOWNN")


@pytest.mark.parametrize(("one", "other"), [("bbr", "bbr3"), ("bbr3", "bbr")])
def test_a_model_handed_over_spares_the_other_bbr_its_startup(one: str, other: str) -> None:
    drops = {}
    for policy in ("linux", "model"):
        text = TEXT.format(congestion=one, state="ProbeBW", to=other, policy=policy)
        result = run(text.replace("state: ProbeBW}", "state: ProbeBW, after: 2 s}"))
        (event,) = (event for event in result.events if event.kind == "swap")
        link = result.links[0]
        drops[policy] = int((link.drop_t_ns > event.t_ns).sum())
        flow = flow_of(result, "a")
        after = flow.t_ns > event.t_ns + S
        assert float(flow.throughput_bps[after].mean()) > 0.9 * 20e6 * 1448 / 1500
    assert drops["linux"] > drops["model"] + 10


def test_neither_cuts_nor_vector_paths_show_when_a_model_is_handed_over() -> None:
    text = TEXT.format(congestion="bbr", state="ProbeBW", to="bbr3", policy="model")
    scenario = resolved(text.replace("7 s", "1500 ms"))
    assert check(Example(scenario, (7 * MS,)), scenario) == ""
