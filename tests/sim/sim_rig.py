"""Scenarios for the tests of the simulator, and planted bugs."""

from __future__ import annotations

import inspect
import sys
import textwrap
from functools import cache
from typing import Any

import pytest

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


def plant(monkeypatch: pytest.MonkeyPatch, function: Any, old: str, new: str) -> None:
    """Replace a piece of a function's source, wherever the function is known in ccsim.

    A planted bug must be planted: the piece must occur exactly once.
    """
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__qualname__}: expected {old!r} once"
    namespace: dict[str, Any] = {}
    code = compile(source.replace(old, new), f"<planted in {function.__qualname__}>", "exec")
    exec(code, function.__globals__, namespace)
    planted = namespace[function.__name__]
    for owner in _owners(function):
        monkeypatch.setattr(owner, function.__name__, planted)


def _owners(function: Any) -> list[Any]:
    """Return the class or the modules that hold a function under its name."""
    if "." in function.__qualname__:
        module = sys.modules[function.__module__]
        return [getattr(module, function.__qualname__.split(".")[0])]
    name = function.__name__
    modules = [m for key, m in list(sys.modules.items()) if key.startswith("ccsim.")]
    return [module for module in modules if vars(module).get(name) is function]
