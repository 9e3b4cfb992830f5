"""Scenarios: YAML in, frozen and validated models out; all validation happens before a run."""

from ccsim.scenario.hosts_spec import LATENESS_PRESETS, WOKEN
from ccsim.scenario.load import load_scenario, parse_scenario
from ccsim.scenario.schema import scenario_schema
from ccsim.scenario.vocabulary import MECHANISMS, PROFILES, QDISCS, STATE_POLICIES
from ccsim.spec import (
    Flow,
    KernelSpec,
    LinkSpec,
    Listener,
    Namespace,
    Path,
    Record,
    Scenario,
    Swap,
    Sysctl,
    Tcp,
    Workload,
)

__all__ = [
    "LATENESS_PRESETS",
    "MECHANISMS",
    "PROFILES",
    "QDISCS",
    "STATE_POLICIES",
    "WOKEN",
    "Flow",
    "KernelSpec",
    "LinkSpec",
    "Listener",
    "Namespace",
    "Path",
    "Record",
    "Scenario",
    "Swap",
    "Sysctl",
    "Tcp",
    "Workload",
    "load_scenario",
    "parse_scenario",
    "scenario_schema",
]
