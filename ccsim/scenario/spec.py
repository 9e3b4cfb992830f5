"""The scenario as people write it: every key, its type, its default and one line about it.

These models check each value by itself and each name against what exists; how values must agree
with one another is `ccsim.scenario.resolve`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from ccsim.scenario import names
from ccsim.scenario import quantities as q
from ccsim.scenario.cross_traffic_spec import TrafficSpec
from ccsim.scenario.flow_spec import FlowSpec, ListenerSpec, WorkloadSpec
from ccsim.scenario.hosts_spec import HostsSpec
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.path_spec import ChangeSpec, HopSpec, PathSpec, RouteSpec
from ccsim.scenario.swap_spec import SwapSpec
from ccsim.scenario.target_spec import MapTarget
from ccsim.scenario.tcp_spec import TcpSpec
from ccsim.spec.limits import MAX_SEED
from ccsim.units import show

__all__ = [
    "KernelSection",
    "ObjectSpec",
    "RecordSpec",
    "ScenarioSpec",
]


class RecordSpec(Spec):
    """How often traces are sampled."""

    interval: q.PositiveTime = key("The time between samples.", "10 ms")
    flows: names.Recorded = key(
        'Whose samples: "all", "none", flows by name, or "aggregate": sums by implementation.',
        "all",
    )


class KernelSection(Spec):
    """The emulated kernel."""

    profile: names.Profile = key("Whose rules it follows.", "linux")
    default: names.Registered = key(
        "net.ipv4.tcp_congestion_control: what a missing name means.", "cubic"
    )
    hz: Literal[100, 250, 300, 1000] = key("CONFIG_HZ: ticks a second.", 250)


def _not_empty(value: object) -> object:
    """Refuse an empty list here: a minimum length would also count out the flows in error."""
    if value == []:
        raise ValueError("expected at least one flow, got an empty list")
    return value


class ObjectSpec(Spec):
    """An algorithm file or a compiled BPF object."""

    file: StrictStr = key("The file, relative to the scenario's folder.")
    set: dict[str, Any] = key("Variables of a compiled object, set before it is loaded.", {})


def _file(value: object) -> object:
    """Let a bare file name stand for a mapping."""
    if isinstance(value, str):
        return {"file": value}
    if not isinstance(value, dict):
        raise ValueError(f'expected a file such as "my_cc.py", got {show(value)}')
    return value


_OBJECT: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}, "set": {"type": "object"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ],
    "examples": ["my_cc.py", {"file": "my_cc.bpf.o", "set": {"increase": 3}}],
}
ObjectEntry = Annotated[ObjectSpec, BeforeValidator(_file), WithJsonSchema(_OBJECT)]


class ScenarioSpec(Spec):
    """One simulated run."""

    name: names.Name = key("Name of the scenario: its folder under results.")
    description: StrictStr = key("What it is for.", "")
    duration: q.PositiveTime = key('How long it runs, such as "60 s".')
    seed: StrictInt = key("Seed of all randomness.", 1, ge=0, le=MAX_SEED)
    path: PathSpec = key("The bottleneck, such as {rate: 100 Mbit/s, rtt: 40 ms}.")
    hops: dict[names.Name, HopSpec] = key("Instead of a path: directed hops by name.", {})
    routes: dict[names.Name, RouteSpec] = key(
        "Ways over the hops by name; flows that name none go by the first.", {}
    )
    changes: tuple[ChangeSpec, ...] = key("What becomes of the path or of hops, and when.", ())
    workloads: tuple[WorkloadSpec, ...] = key("Connections that come and go.", ())
    flows: Annotated[tuple[FlowSpec, ...], BeforeValidator(_not_empty)] = key(
        "The connections.", (), json_schema_extra={"minItems": 1}
    )
    listeners: tuple[ListenerSpec, ...] = key("Servers' listening sockets.", ())
    namespaces: dict[names.NamespaceName, names.Registered] = key(
        "Network namespaces beside the initial one, by name: each one's default.", {}
    )
    objects: tuple[ObjectEntry, ...] = key(
        "Algorithm files and compiled BPF objects, relative to the scenario's folder; with `set`, "
        "an object's variables before it is loaded.",
        (),
    )
    links: dict[names.LinkName, MapTarget] = key("Registered name: map, for each bpf_link.", {})
    swaps: tuple[SwapSpec, ...] = key("The replacements.", ())
    record: RecordSpec = key("Sampling of traces.", {})
    kernel: KernelSection = key("The emulated kernel.", {})
    tcp: TcpSpec = key("The hosts' TCP.", {})
    traffic: tuple[TrafficSpec, ...] = key("Datagrams and probes beside the flows.", ())
    hosts: HostsSpec = key("The flows' hosts: how late they are; without: never.", {})
    twins: StrictBool = key("Run both twins too, to measure against.", True)

    @field_validator("flows")
    @classmethod
    def _has_traffic(
        cls, flows: tuple[FlowSpec, ...], info: ValidationInfo
    ) -> tuple[FlowSpec, ...]:
        if not flows and not info.data.get("workloads", True):
            raise ValueError("missing key 'flows': the connections")
        return flows

    @field_validator("objects")
    @classmethod
    def _no_file_twice(cls, objects: tuple[ObjectSpec, ...]) -> tuple[ObjectSpec, ...]:
        files = [entry.file for entry in objects]
        twice = [file for i, file in enumerate(files) if file in files[:i]]
        if twice:
            raise ValueError(f"file {twice[0]!r} is given twice")
        return objects
