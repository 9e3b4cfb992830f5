"""Workloads: the connections of a scenario that come and go, made from their random streams.

Each workload has streams of its own for gaps, sizes and lifetimes, so that twins meet the same
connections, and no workload changes another's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ccsim.sim.distributions import Uniform, draw
from ccsim.sim.streams import stream_seed
from ccsim.spec import Distribution, Flow, OnOff, Requests, Scenario, Workload

__all__ = ["PlannedFlow", "arrivals_ns", "planned_flows"]


@dataclass(frozen=True, slots=True)
class PlannedFlow:
    """One flow of a run: of the scenario's own, or number ``number`` (from 0) of those of a
    ``workload``, which may ``talk`` for ``life_ns`` (None: to the end of the run)."""

    spec: Flow
    workload: str = ""
    number: int = 0
    talk: OnOff | Requests | None = None
    life_ns: int | None = None


def planned_flows(scenario: Scenario) -> list[PlannedFlow]:
    """Return all flows of a run: the scenario's own, then those that its workloads make, in order
    of workload and arrival."""
    made = [PlannedFlow(flow) for flow in scenario.flows]
    for workload in scenario.workloads:
        made += _connections_of(workload, scenario.seed)
    return made


def _connections_of(workload: Workload, seed: int) -> Iterator[PlannedFlow]:
    name, size, life = workload.name, workload.size_bytes, workload.life_ns
    sizes, lives = _stream(seed, name, "sizes"), _stream(seed, name, "lives")
    for number, start_ns in enumerate(arrivals_ns(workload, seed)):
        flow = replace(
            workload.flow,
            name=f"{name}-{number + 1}",
            start_ns=start_ns,
            size_bytes=None if size is None else draw(size, sizes()),
        )
        talk = workload.on_off or workload.requests
        life_ns = None if life is None else draw(life, lives())
        yield PlannedFlow(flow, name, number, talk, life_ns)


def arrivals_ns(workload: Workload, seed: int) -> Iterator[int]:
    """Yield when the connections of a workload arrive [ns], in order."""
    start_ns, until_ns = workload.flow.start_ns, workload.until_ns
    for t_ns in islice(_arrivals(workload, start_ns, seed), workload.most):
        if t_ns >= until_ns:
            return
        yield t_ns


def _arrivals(workload: Workload, start_ns: int, seed: int) -> Iterator[int]:
    arrivals = workload.arrivals
    if arrivals.kind == "at_once":
        yield from [start_ns] * arrivals.count
        return
    poisson = arrivals.kind == "poisson"
    gap = Distribution(kind="exponential" if poisson else "fixed", value=arrivals.gap_ns)
    uniform = _stream(seed, workload.name, "gaps")
    t_ns = start_ns + (draw(gap, uniform()) if poisson else 0)
    while True:
        yield t_ns
        t_ns += draw(gap, uniform())


def _stream(seed: int, workload: str, what: str) -> Uniform:
    return Uniform(stream_seed(seed, f"workload/{workload}/{what}"))
