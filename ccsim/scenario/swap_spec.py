"""Swaps as people write them: a time or a trigger, and one mechanism each."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictInt, model_validator

from ccsim.scenario import names
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.target_spec import MapTarget, Target
from ccsim.scenario.vocabulary import listed
from ccsim.spec.limits import INIT_NET

__all__ = [
    "GuardSpec",
    "LinkUpdateSpec",
    "ReregisterSpec",
    "SetsockoptSpec",
    "StagedSpec",
    "SwapSpec",
    "SweepSpec",
    "SysctlSpec",
    "WhenSpec",
]


class WhenSpec(Spec):
    """A trigger: the swap comes at the ACK or timer of a flow that makes a condition true."""

    flow: names.FlowRef = key("The flow that is watched.")
    state: names.TriggerState | None = key("A state of TCP, the application or BBR.", None)
    cwnd_above: q.PositivePackets | None = key("cwnd above this many packets.", None)
    loss: StrictInt | None = key("The k-th loss event: fast recovery or timeout.", None, ge=1)
    acked: q.PositiveSize | None = key("This much payload acknowledged in order.", None)
    after: q.Time = key("When it is first looked for.", "0 s")
    delay: q.PositiveTime | None = key(
        "How long after it the swap acts, where it reaches beyond that flow's socket; else the "
        "flow's base RTT.",
        None,
    )

    @model_validator(mode="after")
    def _waits_for_one_thing(self) -> WhenSpec:
        given = [name for name in WHEN_CONDITIONS if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"expected exactly one of {listed(WHEN_CONDITIONS)}, got {got}")
        return self


WHEN_CONDITIONS = ("state", "cwnd_above", "loss", "acked")


class GuardSpec(Spec):
    """What a staged roll-out is watched by, against the window before it began."""

    metric: names.GuardMetric = key("What is measured over the flows that were moved.")
    threshold: q.GuardThreshold = key('How much worse it may get: "20 %", of a stall "500 ms".')
    window: q.PositiveTime = key("The time over which it is measured.", "1 s")


class _SwapSpec(Spec):
    """A time, again and again if wanted, or a trigger."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["at"]}, {"required": ["when"]}]}
    )

    at: q.Time | None = key('When, such as "20 s".', None)
    every: q.PositiveTime | None = key("With at: again after each such time.", None)
    until: q.Time | None = key("With every: not later than this; else the end.", None)
    when: WhenSpec | None = key("A trigger, instead of a time.", None)

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

    via: Literal["setsockopt"] = key("The mechanism.")
    flows: names.FlowRefs | None = key("The flows to swap.", None)
    listeners: names.ListenerRefs | None = key(
        "The listeners to swap: what they accept from then on inherits it.", None
    )
    to: Target = key("The registered name to swap to.")
    state: names.State = key("What the new implementation starts from.", "linux")

    @model_validator(mode="after")
    def _swaps_something(self) -> SetsockoptSpec:
        if self.flows is None and self.listeners is None:
            raise ValueError("missing key 'flows' or 'listeners': the sockets to swap")
        return self


class LinkUpdateSpec(_SwapSpec):
    """BPF_LINK_UPDATE: from now on the link's name means another map."""

    via: Literal["link_update"] = key("The mechanism.")
    link: names.LinkRef = key("The link, one of those under links.")
    to: MapTarget = key("The map to put behind the link's name.")


class SweepSpec(_SwapSpec):
    """TCP_CONGESTION on every matching running socket: staggered, by cohorts, or at once."""

    via: Literal["sweep"] = key("The mechanism.")
    flows: names.FlowRefs = key("The flows to sweep.", "all")
    to: Target = key("The registered name to swap to.")
    over: q.Time | None = key("The time over which it is staggered.", None)
    cohort: q.CohortSize | None = key("How many flows at a time, or which share of them.", None)
    pause: q.PositiveTime | None = key("With a cohort: the time between two.", None)
    state: names.State = key("What the new implementation starts from.", "linux")

    @model_validator(mode="after")
    def _goes_one_way(self) -> SweepSpec:
        if self.over is not None and self.cohort is not None:
            raise ValueError("expected either 'over' or 'cohort', got both")
        if (self.cohort is None) != (self.pause is None):
            raise ValueError("expected 'cohort' and 'pause' together, got one of them")
        return self


class SysctlSpec(_SwapSpec):
    """net.ipv4.tcp_congestion_control: what new sockets of a namespace start with."""

    via: Literal["sysctl"] = key("The mechanism.")
    netns: names.NamespaceRef = key("The network namespace.", INIT_NET)
    to: Target = key("The registered name to write.")


class ReregisterSpec(_SwapSpec):
    """Unregister, wait, register under the same name: the way before links."""

    via: Literal["reregister"] = key("The mechanism.")
    link: names.LinkRef = key("The link whose name goes and comes back.")
    to: MapTarget = key("The map that is registered under the name.")
    gap: q.Time = key("How long the name is missing.", "100 ms")


class StagedSpec(_SwapSpec):
    """A link update, then setsockopt on growing fractions of the running flows, under a guard."""

    via: Literal["staged"] = key("The mechanism.")
    link: names.LinkRef = key("The link, one of those under links.")
    to: MapTarget = key("The map to put behind the link's name.")
    flows: names.FlowRefs = key("The running flows to move.", "all")
    steps: tuple[q.Share, ...] = key("The growing shares of them.", ["1 %", "10 %", "100 %"])
    pause: q.PositiveTime = key("The time between steps.", "1 s")
    guard: GuardSpec | None = key("What rolls it back.", None)
    state: names.State = key("What the new implementation starts from.", "linux")

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
