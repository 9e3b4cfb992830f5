"""The scenario as people write it: every key, its type, its default and one line about it.

These models check each value by itself and each name against what exists; how values must agree
with one another is `ccsim.scenario.resolve`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ccsim.scenario import quantities as q
from ccsim.scenario.models import MAX_SEED, Parameter
from ccsim.scenario.objects import MAX_COUNT, flow_names
from ccsim.scenario.traffic import MAX_CONNECTIONS
from ccsim.scenario.traffic_spec import ArrivalsSpec, OnOffSpec, RequestsSpec, Sizes, Times
from ccsim.scenario.vocabulary import INIT_NET, is_harmless, listed
from ccsim.units import show

__all__ = [
    "CongestionSpec",
    "EcnSpec",
    "FlowSpec",
    "GuardSpec",
    "KernelSection",
    "LinkUpdateSpec",
    "ListenerSpec",
    "PathSpec",
    "ReceiverSpec",
    "RecordSpec",
    "ReregisterSpec",
    "ScenarioSpec",
    "SetsockoptSpec",
    "SourceSpec",
    "StagedSpec",
    "SweepSpec",
    "SysctlSpec",
    "TcpSpec",
    "WhenSpec",
    "WorkloadSpec",
]


class _Spec(BaseModel):
    # defaults are written with their units, so they are parsed like everything else
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _key(description: str, default: Any = ..., **limits: Any) -> Any:
    """Describe one key; its default is written as people write it."""
    return Field(default, description=description, **limits)


class EcnSpec(_Spec):
    """Marking of ECN-capable packets in place of drops."""

    mark_above: q.Threshold = _key(
        'Mark what finds more than this in the queue, such as "30 packets", "5 ms" or "0.2 BDP".'
    )


class PathSpec(_Spec):
    """The bottleneck that all flows share."""

    rate: q.Rate = _key('Rate of the bottleneck link, such as "100 Mbit/s".')
    rtt: q.Time = _key('Base RTT without queueing, such as "40 ms".')
    buffer: q.BufferSize = _key("Queue limit in BDP, packets or bytes.", "1 BDP")
    qdisc: q.Qdisc = _key("Queueing discipline.", "fifo")
    loss: q.Probability = _key("Random loss per packet, before the queue.", 0)
    ack_loss: q.Probability = _key("Random loss per ACK, on the way back.", 0)
    ack_aggregation: q.Time = _key("ACKs set out at multiples of this time; 0 s: at once.", "0 s")
    ecn: EcnSpec | None = _key("Marking at a threshold; without: no marks.", None)


class CongestionSpec(BaseModel):
    """A registered name, and parameters of that implementation beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: q.Registered = _key("Registered name of the implementation.")

    @property
    def params(self) -> dict[str, Parameter]:
        """The parameters by name."""
        return dict(self.model_extra or {})


def _named(value: object) -> object:
    """Let a bare name stand for a mapping; each parameter must be one number, word or truth."""
    if value is None:
        return None
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise ValueError(f'expected a name such as "cubic", got {show(value)}')
    for key, parameter in value.items():
        if not isinstance(parameter, Parameter) or not _is_finite(parameter):
            raise ValueError(f"parameter {key!r}: expected a number, got {show(parameter)}")
    return value


def _is_finite(parameter: Parameter) -> bool:
    """Refuse what JSON, and so a stored scenario, has no word for."""
    return not isinstance(parameter, float) or math.isfinite(parameter)


_CONGESTION: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1}},
            "required": ["name"],
            "additionalProperties": {"type": ["number", "string", "boolean"]},
        },
    ],
    "examples": ["cubic", {"name": "cubic", "beta": 717}],
}
Congestion = Annotated[CongestionSpec | None, BeforeValidator(_named), WithJsonSchema(_CONGESTION)]


class SourceSpec(_Spec):
    """An application that writes now and then: at a rate, or so much every so often."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["rate"]}, {"required": ["write", "every"]}]}
    )

    rate: q.Rate | None = _key('Payload written on average, such as "20 Mbit/s".', None)
    write: q.PositiveSize | None = _key("Bytes of each write; with a rate: one full packet.", None)
    every: q.PositiveTime | None = _key("The time between writes, in place of a rate.", None)

    @model_validator(mode="after")
    def _one_pace(self) -> SourceSpec:
        if (self.rate is None) == (self.every is None):
            raise ValueError("expected either 'rate', or 'write' and 'every'")
        if self.every is not None and self.write is None:
            raise ValueError("missing key 'write': the bytes of each write")
        return self


class ReceiverSpec(_Spec):
    """The host that a flow sends to."""

    rwnd: q.PositiveSize | None = _key(
        "Receive window that it advertises, fixed; else it never is the limit.", None
    )
    gro: q.MergedPackets = _key("Merge so many packets on arrival, which get one ACK.", 1)
    gro_time: q.Time = _key("How long the first of them waits for the others.", "1 ms")


class FlowSpec(_Spec):
    """One connection, or with a count several alike."""

    name: q.Name | None = _key("Name; flow-1, flow-2, … without one.", None)
    congestion: Congestion = _key(
        'Registered name of its implementation, such as "cubic"; else its namespace\'s default.',
        None,
    )
    listener: q.ListenerRef | None = _key(
        "The listener that accepts it: the server sends, and inherits from there.", None
    )
    netns: q.NamespaceRef | None = _key("The network namespace of its socket.", None)
    start: q.Time = _key("When it connects.", "0 s")
    stop: q.PositiveTime | None = _key("When it stops writing.", None)
    size: q.PositiveSize | None = _key("How much it writes in all.", None)
    rtt: q.Time | None = _key("Its own base RTT; else the path's.", None)
    access_delay: q.Time = _key("The part of its RTT between sender and queue.", "0 s")
    source: SourceSpec | None = _key("When it writes; without: all at once.", None)
    sndbuf: q.PositiveSize | None = _key("Payload that fits into its send buffer.", None)
    receiver: ReceiverSpec = _key("The host that it sends to.", {})
    ecn: StrictBool | None = _key(
        "Negotiate ECN; without: as under tcp, or if its algorithm needs it.", None
    )
    count: StrictInt | None = _key("Make so many: name-1, name-2, …", None, ge=1, le=MAX_COUNT)
    start_every: q.Time | None = _key("With a count: the time between starts.", None)

    @model_validator(mode="after")
    def _names_fit(self) -> FlowSpec:
        longest = flow_names(self.name or "flow", self.count)[-1]
        if not is_harmless(longest):
            message = f"expected names of at most 64 characters, got {len(longest)}: {longest}"
            raise ValueError(message)
        return self


class WorkloadSpec(_Spec):
    """Connections that come and go; each carries a size, writes on and off, or answers requests."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["sizes"]}, {"required": ["on_off"]}, {"required": ["requests"]}]
        }
    )

    name: q.Name = _key("Name; its connections are name-1, name-2, …")
    arrivals: ArrivalsSpec = _key("When they arrive, such as {poisson: 20 /s}.")
    sizes: Sizes | None = _key(
        "What each carries: web_search, data_mining, a size, a distribution, a list of points.",
        None,
    )
    on_off: OnOffSpec | None = _key("Writes for a time, is silent for a time.", None)
    requests: RequestsSpec | None = _key("Responses to a client that asks again and again.", None)
    life: Times | None = _key("How long an on_off or requests connection goes on.", None)
    congestion: Congestion = _key(
        "Registered name of their implementation; else their namespace's default.", None
    )
    listener: q.ListenerRef | None = _key(
        "The listener that accepts them: the server sends, and inherits from there.", None
    )
    netns: q.NamespaceRef | None = _key("The network namespace of their sockets.", None)
    start: q.Time = _key("When arrivals begin.", "0 s")
    until: q.PositiveTime | None = _key("When arrivals end; else with the run.", None)
    max: StrictInt | None = _key("At most so many.", None, ge=1, le=MAX_CONNECTIONS)
    rtt: q.Time | None = _key("Their base RTT; else the path's.", None)
    access_delay: q.Time = _key("The part of their RTT between sender and queue.", "0 s")

    @model_validator(mode="after")
    def _does_one_thing(self) -> WorkloadSpec:
        given = [n for n in ("sizes", "on_off", "requests") if getattr(self, n) is not None]
        if len(given) != 1:
            got = " and ".join(map(repr, given)) or "none"
            raise ValueError(f"expected one of 'sizes', 'on_off' or 'requests', got {got}")
        if self.life is not None and self.sizes is not None:
            raise ValueError("expected a life beside on_off or requests, got it beside sizes")
        if self.arrivals.load is not None and self.sizes is None:
            raise ValueError("expected sizes, of which arrivals.load is a share, got none")
        if not is_harmless(f"{self.name}-{MAX_CONNECTIONS}"):
            raise ValueError(f"expected a name that leaves room for a number, got {self.name!r}")
        return self


class ListenerSpec(_Spec):
    """A server's listening socket, open from the start of the run on."""

    name: q.Name = _key("Its name.")
    congestion: Congestion = _key(
        "What it chooses by setsockopt, and its connections inherit; else their namespace's "
        "default.",
        None,
    )
    netns: q.NamespaceRef = _key("The network namespace of its socket.", INIT_NET)


class WhenSpec(_Spec):
    """A trigger: the swap comes at the ACK or timer of a flow that makes a condition true."""

    flow: q.FlowRef = _key("The flow that is watched.")
    state: q.TriggerState | None = _key("A state of TCP, the application or BBR.", None)
    cwnd_above: q.PositivePackets | None = _key("cwnd above so many packets.", None)
    loss: StrictInt | None = _key("The k-th loss event: fast recovery or timeout.", None, ge=1)
    acked: q.PositiveSize | None = _key("So much payload acknowledged in order.", None)
    after: q.Time = _key("When it is first looked for.", "0 s")
    delay: q.PositiveTime | None = _key(
        "How long after it the swap acts, where it reaches beyond that flow's socket; else the "
        "flow's base RTT.",
        None,
    )

    @model_validator(mode="after")
    def _waits_for_one_thing(self) -> WhenSpec:
        given = [key for key in WHEN_CONDITIONS if getattr(self, key) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"expected exactly one of {listed(WHEN_CONDITIONS)}, got {got}")
        return self


WHEN_CONDITIONS = ("state", "cwnd_above", "loss", "acked")


class GuardSpec(_Spec):
    """What a staged roll-out is watched by, against the window before it began."""

    metric: q.GuardMetric = _key("What is measured over the flows that were moved.")
    threshold: q.GuardThreshold = _key('How much worse it may get: "20 %", of a stall "500 ms".')
    window: q.PositiveTime = _key("The time over which it is measured.", "1 s")


class _SwapSpec(_Spec):
    """A time, again and again if wanted, or a trigger."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["at"]}, {"required": ["when"]}]}
    )

    at: q.Time | None = _key('When, such as "20 s".', None)
    every: q.PositiveTime | None = _key("With at: again after each such time.", None)
    until: q.Time | None = _key("With every: not later than this; else the end.", None)
    when: WhenSpec | None = _key("A trigger, in place of a time.", None)

    @property
    def start(self) -> int:
        """When it acts first, or is first looked for [ns]."""
        if self.when is not None:
            return self.when.after
        return self.at or 0

    @model_validator(mode="after")
    def _knows_when(self) -> _SwapSpec:
        if self.at is None and self.when is None:
            raise ValueError("missing key 'at': when, such as \"20 s\"; or 'when': a trigger")
        if self.at is not None and self.when is not None:
            raise ValueError("expected either 'at' or 'when', got both")
        if self.every is not None and self.at is None:
            raise ValueError("expected 'every' beside 'at', got it beside 'when'")
        if self.until is not None and self.every is None:
            raise ValueError("expected 'until' beside 'every', got no 'every'")
        return self


class SetsockoptSpec(_SwapSpec):
    """TCP_CONGESTION on the sockets of the named flows and listeners."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["flows"]}, {"required": ["listeners"]}],
            "oneOf": [{"required": ["at"]}, {"required": ["when"]}],
        }
    )

    via: Literal["setsockopt"] = _key("The mechanism.")
    flows: q.FlowRefs | None = _key("The flows to swap.", None)
    listeners: q.ListenerRefs | None = _key(
        "The listeners to swap: what they accept from then on inherits it.", None
    )
    to: q.Registered = _key("The registered name to swap to.")
    state: q.State = _key("What the new implementation starts from.", "linux")

    @model_validator(mode="after")
    def _swaps_something(self) -> SetsockoptSpec:
        if self.flows is None and self.listeners is None:
            raise ValueError("missing key 'flows' or 'listeners': the sockets to swap")
        return self


class LinkUpdateSpec(_SwapSpec):
    """BPF_LINK_UPDATE: from now on the link's name means another map."""

    via: Literal["link_update"] = _key("The mechanism.")
    link: q.LinkRef = _key("The link, one of those under links.")
    to: q.MapName = _key("The map to put behind the link's name.")


class SweepSpec(_SwapSpec):
    """TCP_CONGESTION on every matching running socket: staggered, by cohorts, or at once."""

    via: Literal["sweep"] = _key("The mechanism.")
    flows: q.FlowRefs = _key("The flows to sweep.", "all")
    to: q.Registered = _key("The registered name to swap to.")
    over: q.Time | None = _key("The time over which it is staggered.", None)
    cohort: q.CohortSize | None = _key("So many flows at a time, or such a share.", None)
    pause: q.PositiveTime | None = _key("With a cohort: the time between two.", None)
    state: q.State = _key("What the new implementation starts from.", "linux")

    @model_validator(mode="after")
    def _goes_one_way(self) -> SweepSpec:
        if self.over is not None and self.cohort is not None:
            raise ValueError("expected either 'over' or 'cohort', got both")
        if (self.cohort is None) != (self.pause is None):
            raise ValueError("expected 'cohort' and 'pause' together, got one of them")
        return self


class SysctlSpec(_SwapSpec):
    """net.ipv4.tcp_congestion_control: what new sockets of a namespace start with."""

    via: Literal["sysctl"] = _key("The mechanism.")
    netns: q.NamespaceRef = _key("The network namespace.", INIT_NET)
    to: q.Registered = _key("The registered name to write.")


class ReregisterSpec(_SwapSpec):
    """Unregister, wait, register under the same name: the way before links."""

    via: Literal["reregister"] = _key("The mechanism.")
    link: q.LinkRef = _key("The link whose name goes and comes back.")
    to: q.MapName = _key("The map that is registered under the name.")
    gap: q.Time = _key("How long the name is missing.", "100 ms")


class StagedSpec(_SwapSpec):
    """A link update, then setsockopt on growing fractions of the running flows, under a guard."""

    via: Literal["staged"] = _key("The mechanism.")
    link: q.LinkRef = _key("The link, one of those under links.")
    to: q.MapName = _key("The map to put behind the link's name.")
    flows: q.FlowRefs = _key("The running flows to move.", "all")
    steps: tuple[q.Share, ...] = _key("The growing shares of them.", ["1 %", "10 %", "100 %"])
    pause: q.PositiveTime = _key("The time between steps.", "1 s")
    guard: GuardSpec | None = _key("What rolls it back.", None)
    state: q.State = _key("What the new implementation starts from.", "linux")

    @model_validator(mode="after")
    def _grows(self) -> StagedSpec:
        if not self.steps or any(b <= a for a, b in pairwise(self.steps)):
            shares = ", ".join(f"{step / 10_000:g} %" for step in self.steps) or "none"
            raise ValueError(f"expected growing steps, got {shares}")
        return self


SwapSpec = Annotated[
    SetsockoptSpec | LinkUpdateSpec | SweepSpec | SysctlSpec | ReregisterSpec | StagedSpec,
    Field(discriminator="via"),
]


class RecordSpec(_Spec):
    """How often traces are sampled."""

    interval: q.PositiveTime = _key("The time between samples.", "10 ms")
    flows: q.Recorded = _key(
        'Whose samples: "all", "none", flows by name, or "aggregate": sums by implementation.',
        "all",
    )


class KernelSection(_Spec):
    """The emulated kernel."""

    profile: q.Profile = _key("Whose rules it follows.", "linux")
    default: q.Registered = _key(
        "net.ipv4.tcp_congestion_control: what a missing name means.", "cubic"
    )
    hz: Literal[100, 250, 300, 1000] = _key("CONFIG_HZ: ticks a second.", 250)


class TcpSpec(_Spec):
    """The hosts' TCP."""

    initial_window: q.PositivePackets = _key("Initial cwnd in packets.", 10)
    mss: q.SegmentSize = _key("Payload of a packet.", "1448 B")
    quickacks: q.PacketCount = _key("Packets acknowledged one by one before delayed ACKs.", 1465)
    min_rto: q.PositiveTime = _key("The shortest RTO.", "200 ms")
    delayed_ack: StrictBool = _key("Acknowledge every other packet.", True)
    tso: StrictBool = _key("Paced data leaves in bursts (segmentation offload).", False)
    ecn: StrictBool = _key("Flows negotiate ECN (net.ipv4.tcp_ecn = 1).", False)


def _not_empty(value: object) -> object:
    """Refuse an empty list here: a minimum length would also count out the flows in error."""
    if value == []:
        raise ValueError("expected at least one flow, got an empty list")
    return value


class ScenarioSpec(_Spec):
    """One simulated run."""

    name: q.Name = _key("Name of the scenario: its folder under results.")
    description: StrictStr = _key("What it is for.", "")
    duration: q.PositiveTime = _key('How long it runs, such as "60 s".')
    seed: StrictInt = _key("Seed of all randomness.", 1, ge=0, le=MAX_SEED)
    path: PathSpec = _key("The bottleneck, such as {rate: 100 Mbit/s, rtt: 40 ms}.")
    workloads: tuple[WorkloadSpec, ...] = _key("Connections that come and go.", ())
    flows: Annotated[tuple[FlowSpec, ...], BeforeValidator(_not_empty)] = _key(
        "The connections.", (), json_schema_extra={"minItems": 1}
    )
    listeners: tuple[ListenerSpec, ...] = _key("Servers' listening sockets.", ())
    namespaces: dict[q.NamespaceName, q.Registered] = _key(
        "Network namespaces beside the initial one, by name: each one's default.", {}
    )
    objects: tuple[StrictStr, ...] = _key("Algorithm files, relative to the scenario's folder.", ())
    links: dict[q.LinkName, q.MapName] = _key("Registered name: map, for each bpf_link.", {})
    swaps: tuple[SwapSpec, ...] = _key("The replacements.", ())
    record: RecordSpec = _key("Sampling of traces.", {})
    kernel: KernelSection = _key("The emulated kernel.", {})
    tcp: TcpSpec = _key("The hosts' TCP.", {})
    twins: StrictBool = _key("Run both twins too, to measure against.", True)

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
    def _no_file_twice(cls, objects: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for i, name in enumerate(objects) if name in objects[:i]]
        if twice:
            raise ValueError(f"file {twice[0]!r} is given twice")
        return objects
