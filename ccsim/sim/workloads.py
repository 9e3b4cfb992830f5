"""Workloads: the connections of a scenario that come and go, made from their random streams.

Each workload has streams of its own for gaps, sizes and lifetimes, so that twins meet the same
connections, and no workload's change another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ccsim.sim.distributions import Uniform, draw
from ccsim.sim.streams import stream_seed

__all__ = ["arrivals_ns", "connections"]

Plain = Mapping[str, Any]


def connections(scenario: Plain) -> list[dict[str, Any]]:
    """Return the flows that the workloads of a resolved scenario make, each a resolved flow with
    ``workload`` (its name), ``number`` (from 0), ``talk`` (its ``on_off`` or ``requests``, or None)
    and ``life_ns`` beside, in order of workload and arrival."""
    made: list[dict[str, Any]] = []
    for workload in scenario.get("workloads", ()):
        made += _connections_of(workload, scenario["seed"])
    return made


def _connections_of(workload: Plain, seed: int) -> Iterator[dict[str, Any]]:
    name, size, life = workload["name"], workload["size_bytes"], workload["life_ns"]
    sizes, lives = _stream(seed, name, "sizes"), _stream(seed, name, "lives")
    for number, start_ns in enumerate(arrivals_ns(workload, seed)):
        yield {
            **workload["flow"],
            "name": f"{name}-{number + 1}",
            "start_ns": start_ns,
            "size_bytes": None if size is None else draw(size, sizes()),
            "workload": name,
            "number": number,
            "talk": workload["on_off"] or workload["requests"],
            "life_ns": None if life is None else draw(life, lives()),
        }


def arrivals_ns(workload: Plain, seed: int) -> Iterator[int]:
    """Yield when the connections of a workload arrive [ns], in order."""
    start_ns, until_ns = workload["flow"]["start_ns"], workload["until_ns"]
    for t_ns in islice(_arrivals(workload, start_ns, seed), workload["most"]):
        if t_ns >= until_ns:
            return
        yield t_ns


def _arrivals(workload: Plain, start_ns: int, seed: int) -> Iterator[int]:
    arrivals = workload["arrivals"]
    if arrivals["kind"] == "at_once":
        yield from [start_ns] * arrivals["count"]
        return
    poisson = arrivals["kind"] == "poisson"
    gap = {"kind": "exponential" if poisson else "fixed", "value": arrivals["gap_ns"]}
    uniform = _stream(seed, workload["name"], "gaps")
    t_ns = start_ns + (draw(gap, uniform()) if poisson else 0)
    while True:
        yield t_ns
        t_ns += draw(gap, uniform())


def _stream(seed: int, workload: str, what: str) -> Uniform:
    return Uniform(stream_seed(seed, f"workload/{workload}/{what}"))
