"""Objects that only call the kernel's own functions are the shipped algorithms, byte for byte."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from ccsim.catalog import scenario_files
from ccsim.scenario import load_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import FlowTrace, SimResult
from ccsim.spec import Scenario
from tests.bpf.bpf_rig import DATA

SINGLE = (
    *("steady_cubic", "cubic_to_bbr", "bbr_to_cubic", "cubic_to_reno_slow_start"),
    *("policies", "dctcp"),
)
"""Shipped scenarios with one flow; their paths and random streams are what counts here."""
DIFFERENT = {"congestion", "implementations", "implementation"}


def ran(name: str, congestion: str, objects: list[str]) -> SimResult:
    """Run a shipped scenario without its swaps, its one flow on another algorithm."""
    plain = load_scenario(scenario_files()[name], ["duration=6 s", "swaps=[]"]).resolved()
    plain["flows"][0]["congestion"] = congestion
    plain["objects"] = objects
    return simulate(Scenario.from_resolved(plain))


def assert_equal(one: FlowTrace, other: FlowTrace) -> None:
    """Compare all that a flow's trace holds but names."""
    for field in fields(one):
        if field.name in DIFFERENT:
            continue
        a: Any = getattr(one, field.name)
        b: Any = getattr(other, field.name)
        assert_same(a, b, field.name)


def assert_same(a: Any, b: Any, name: str) -> None:
    """Compare arrays, what holds arrays, and plain values."""
    if isinstance(a, np.ndarray):
        assert np.array_equal(a, b), name
    elif is_dataclass(a):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{name}.{field.name}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), name
        for one, other in zip(a, b, strict=True):
            assert_same(one, other, name)
    else:
        assert a == b, name


def test_the_single_flow_scenarios_are_those_that_are_shipped() -> None:
    found = set()
    for name, path in scenario_files().items():
        scenario = load_scenario(path)
        if len(scenario.flows) == 1 and not scenario.workloads and not scenario.links:
            found.add(name)
    assert found == set(SINGLE)


@pytest.mark.parametrize(
    ("wrapper", "shipped", "file"),
    [
        ("borrow", "reno", "borrow"),
        ("spy_cubic", "cubic", "spy"),
        ("spy_bbr", "bbr", "spy"),
        ("echoes", "dctcp", "echoes"),
    ],
)
@pytest.mark.parametrize("name", SINGLE)
def test_a_wrapper_has_the_traces_of_what_it_wraps(
    name: str, wrapper: str, shipped: str, file: str
) -> None:
    objects = [str(DATA / "objects" / f"{file}.bpf.o")]
    wrapped, plain = ran(name, wrapper, objects), ran(name, shipped, [])
    assert len(plain.flows[0].t_ns) > 500
    assert_equal(wrapped.flows[0], plain.flows[0])
    for one, other in zip(wrapped.links, plain.links, strict=True):
        assert np.array_equal(one.drop_t_ns, other.drop_t_ns)
        assert np.array_equal(one.queue_packets, other.queue_packets)
