"""Scenarios for the tests of the simulator, and planted bugs."""

from __future__ import annotations

from functools import cache
from typing import Any

from ccsim.scenario import Scenario, parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import FlowTrace, SimResult
from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML

MS = 1_000_000
S = 1_000_000_000


@cache
def template() -> dict[str, Any]:
    """Return what generated scenarios take their defaults from."""
    return parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()


def resolved(text: str) -> dict[str, Any]:
    """Return a scenario's text as plain values."""
    return scenario_of(text).resolved()


def scenario_of(text: str) -> Scenario:
    """Return a scenario's text read; its name may be left out."""
    if not text.lstrip().startswith("name:"):
        text = "name: test\n" + text
    return parse_scenario(text, "test.yaml")


def run(text: str, **options: Any) -> SimResult:
    """Simulate a scenario given as text."""
    return simulate(scenario_of(text), **options)


def flow_of(result: SimResult, name: str) -> FlowTrace:
    """Return one flow's trace."""
    return next(flow for flow in result.flows if flow.name == name)


def at(flow: FlowTrace, column: str, t_ns: int) -> int:
    """Return the sample of a column at a recording instant."""
    return int(getattr(flow, column)[flow.t_ns.searchsorted(t_ns)])
