"""Flows that share something act in the order of time, however windows are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.in_turn import advance_in_turn
from tests.bpf.bpf_rig import DATA

HEAD = "name: t\nduration: 3 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"
SHARED = {
    "two flows": "flows: [{name: a, congestion: aimd}, {name: b, congestion: aimd, rtt: 55 ms}]\n",
    "a listener and a swap": """
listeners: [{name: web, congestion: aimd}]
flows: [{name: a, congestion: cubic, rtt: 47 ms}, {name: b, listener: web, start: 300 ms}]
swaps: [{at: 1 s, via: setsockopt, flows: [a], to: aimd}]
""",
    "a workload": """
workloads:
  - {name: web, arrivals: {poisson: 8 /s}, sizes: {exponential: 60 kB}, congestion: aimd}
""",
}


class Waiting:
    """A flow with events at known times, which it writes down."""

    def __init__(self, index: int, times: list[int], log: list[tuple[int, int]]) -> None:
        self.index, self.times, self.log = index, times, log
        self.closed_ns: int | None = None

    def next_event_ns(self) -> int:
        return self.times[0] if self.times else 1 << 62

    def advance(self, horizon_ns: int) -> None:
        while self.times and self.times[0] < horizon_ns:
            self.log.append((self.times.pop(0), self.index))
        if not self.times:
            self.closed_ns = self.log[-1][0]


def test_the_earliest_acts_first_and_of_one_instant_the_lowest_index() -> None:
    log: list[tuple[int, int]] = []
    flows = [Waiting(0, [10, 30, 90], log), Waiting(1, [20, 25], log), Waiting(2, [10, 20], log)]
    advance_in_turn(reversed(flows), 90)
    assert log == [(10, 0), (10, 2), (20, 1), (20, 2), (25, 1), (30, 0)]


@pytest.mark.parametrize("flows", SHARED)
def test_what_connections_share_does_not_depend_on_where_windows_are_cut(flows: str) -> None:
    """The object keeps the RTT of whichever connection was told last."""
    text = f"{HEAD}objects: [aimd.bpf.o]\n{SHARED[flows]}"
    scenario = parse_scenario(text, "t.yaml", DATA / "objects")
    found: list[tuple[Any, ...]] = []
    for cut in (None, 1_000_000, 130_000):
        result = simulate(scenario, lookahead_ns=cut)
        held = next(event.detail for event in result.events if event.kind == "objects")
        windows = [flow.snd_cwnd.tolist() for flow in result.flows]
        found.append((json.dumps(held), windows, [str(event) for event in result.events]))
    assert found[0] == found[1] == found[2]
    assert held["aimd"]["bss"]["one"]["last_rtt_us"] > 40_000
