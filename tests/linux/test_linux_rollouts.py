"""Staged roll-outs on a kernel under a guard: what it reads of samples, by hand; both outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.linux.connection import SAMPLED, LinuxConnection
from ccsim.linux.host import missing_for
from ccsim.linux.rollouts import span_of
from ccsim.linux.run import run_on_linux
from ccsim.scenario import parse_scenario
from ccsim.sim.swap.guard import judge
from ccsim.spec import Guard

MS = 1_000_000
OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "data" / "objects" / "aimd.bpf.o"
MISSING = missing_for(["reno"], bpf=True)
needs_bpf = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))


def connection(packets_each: list[int]) -> LinuxConnection:
    """Return a flow that had so many packets acknowledged by each sample, 10 ms apart."""
    one = LinuxConnection({"mss_bytes": 1000})
    for k, packets in enumerate(packets_each):
        info = dict.fromkeys(SAMPLED, 0)
        info |= {"bytes_acked": packets * 1000 + 1, "delivered": packets + 1, "rtt": 20_000 + k}
        one.samples.append([k * 10 * MS, 0, *(info[name] for name in SAMPLED)])
    return one


def test_a_guard_reads_goodput_of_samples() -> None:
    """10 packets of 1000 bytes in 10 ms are 8 Mbit/s; then half of it."""
    one = connection([0, 10, 20, 30, 35, 40, 45])
    then, now = span_of(one, 0, 30 * MS), span_of(one, 40 * MS, 70 * MS)
    assert then is not None
    assert now is not None
    guard = Guard(metric="goodput", threshold=400_000, window_ns=30 * MS)
    verdict = judge(guard, [(then, now)])
    assert (verdict.before, verdict.now, verdict.trips) == (8_000_000, 4_000_000, True)


@pytest.mark.parametrize("window", [(50, 90), (60, 70), (-40, 10)])
def test_a_flow_that_does_not_live_through_a_window_is_not_counted(window: tuple[int, int]) -> None:
    one = connection([0, 1, 2, 3, 4, 5, 6])
    assert span_of(one, window[0] * MS, window[1] * MS) is None


def rollout(guard: str, more: str = "") -> Any:
    text = (
        "name: live\nduration: 3 s\npath: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}\n"
        f"kernel: {{default: reno}}\nobjects: ['{OBJECT}']\nlinks: {{fleet: aimd_one}}\n"
        "flows: [{name: a, congestion: fleet}, {name: b, congestion: fleet}]\n"
        "swaps:\n  - {at: 1 s, via: staged, link: fleet, to: aimd_two, flows: [a, b],\n"
        "     steps: [50 %, 100 %], pause: 600 ms,\n"
        f"     guard: {{{guard}, window: 300 ms}}}}\n{more}"
    )
    return run_on_linux(parse_scenario(text, "live.yaml")).result


@needs_bpf
def test_a_roll_out_that_does_no_harm_is_completed() -> None:
    result = rollout("metric: rtt_p99, threshold: 500 %")
    (swap,) = result.swaps
    assert (swap.outcome, swap.outcome_ns) == ("complete", None)
    assert [flow.implementations for flow in result.flows] == [("aimd_one", "aimd_two")] * 2
    guards = [event for event in result.events if event.kind == "guard"]
    assert len(guards) == 4  # two windows of 300 ms in each pause of 600 ms
    assert not any(event.detail["tripped"] for event in guards)


@needs_bpf
def test_a_guard_that_trips_takes_everything_back() -> None:
    """The path's rate falls to a fifth with the roll-out: b is never moved."""
    falls = "changes: [{at: 1 s, rate: 2 Mbit/s}]\n"
    result = rollout("metric: goodput, threshold: 30 %", falls)
    (swap,) = result.swaps
    (tripped,) = [one for one in result.events if one.kind == "guard" and one.detail["tripped"]]
    assert swap.outcome.startswith("rolled back: goodput ")
    assert swap.outcome_ns == tripped.t_ns
    served = [flow.implementations[flow.served[-1][1]] for flow in result.flows]
    assert served == ["aimd_one", "aimd_one"]
    assert result.flows[1].implementations == ("aimd_one",)
    assert [event.kind for event in result.events].count("rollback") == 1
