"""Connections as people write them: flows, workloads, listeners, and what each begins with."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, StrictBool, StrictInt, StrictStr, model_validator

from ccsim.scenario import names
from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.objects import MAX_COUNT, flow_names
from ccsim.scenario.target_spec import Congestion
from ccsim.scenario.tcp_spec import HostTcpSpec
from ccsim.scenario.traffic_spec import ArrivalsSpec, OnOffSpec, RequestsSpec, Sizes, Times
from ccsim.spec.limits import INIT_NET, MAX_CONNECTIONS, is_harmless

__all__ = [
    "FlowSpec",
    "ListenerSpec",
    "ReceiverSpec",
    "SourceSpec",
    "WorkloadSpec",
]


class SourceSpec(Spec):
    """An application that writes now and then: at a rate, or a given amount at intervals."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["rate"]}, {"required": ["write", "every"]}]}
    )

    rate: q.Rate | None = key('Payload written on average, such as "20 Mbit/s".', None)
    write: q.PositiveSize | None = key("Bytes of each write; with a rate: one full packet.", None)
    every: q.PositiveTime | None = key("The time between writes, instead of a rate.", None)

    @model_validator(mode="after")
    def _one_pace(self) -> SourceSpec:
        if (self.rate is None) == (self.every is None):
            raise ValueError("expected either 'rate', or 'write' and 'every'")
        if self.every is not None and self.write is None:
            raise ValueError("missing key 'write': the bytes of each write")
        return self


class ReceiverSpec(Spec):
    """The host that a flow sends to."""

    rwnd: q.PositiveSize | None = key(
        "Receive window that it advertises, fixed; else it never is the limit.", None
    )
    gro: q.MergedPackets = key("Merge this many packets on arrival; they get one ACK.", 1)
    gro_time: q.Time = key("How long the first of them waits for the others.", "1 ms")


class FlowSpec(Spec):
    """One connection, or with a count several alike."""

    name: names.Name | None = key("Name; flow-1, flow-2, … without one.", None)
    congestion: Congestion = key(
        'Registered name of its implementation, such as "cubic"; else its namespace\'s default.',
        None,
    )
    listener: names.ListenerRef | None = key(
        "The listener that accepts it: the server sends, and inherits from there.", None
    )
    netns: names.NamespaceRef | None = key("The network namespace of its socket.", None)
    start: q.Time = key("When it connects.", "0 s")
    stop: q.PositiveTime | None = key("When it stops writing.", None)
    size: q.PositiveSize | None = key("How much it writes in all.", None)
    rtt: q.Time | None = key("Its own base RTT; else the path's.", None)
    access_delay: q.Time = key("The part of its RTT between sender and queue.", "0 s")
    source: SourceSpec | None = key("When it writes; without: all at once.", None)
    sndbuf: q.PositiveSize | None = key("Payload that fits into its send buffer.", None)
    receiver: ReceiverSpec = key("The host that it sends to.", {})
    ecn: StrictBool | Literal["accecn"] | None = key(
        "Negotiate ECN, or Accurate ECN; without: as under tcp, or if its algorithm needs it.", None
    )
    max_pacing_rate: q.Rate | None = key("SO_MAX_PACING_RATE; without: not set.", None)
    tcp: HostTcpSpec | None = key("What the TCP of its hosts has otherwise than all.", None)
    route: StrictStr | None = key("Its route over hops; else the first.", None)
    hosts: tuple[StrictStr, ...] = key(
        "Names of the hosts that it goes between; else it has both to itself.", ()
    )
    count: StrictInt | None = key("Make this many: name-1, name-2, …", None, ge=1, le=MAX_COUNT)
    start_every: q.Time | None = key("With a count: the time between starts.", None)

    @model_validator(mode="after")
    def _names_fit(self) -> FlowSpec:
        longest = flow_names(self.name or "flow", self.count)[-1]
        if not is_harmless(longest):
            message = f"expected names of at most 64 characters, got {len(longest)}: {longest}"
            raise ValueError(message)
        if self.hosts and len(self.hosts) != 2:
            raise ValueError(f"expected two hosts, got {len(self.hosts)}")
        return self


class WorkloadSpec(Spec):
    """Connections that come and go; each carries a size, writes on and off, or answers requests."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["sizes"]}, {"required": ["on_off"]}, {"required": ["requests"]}]
        }
    )

    name: names.Name = key("Name; its connections are name-1, name-2, …")
    arrivals: ArrivalsSpec = key("When they arrive, such as {poisson: 20 /s}.")
    sizes: Sizes | None = key(
        "What each carries: web_search, data_mining, a size, a distribution, a list of points.",
        None,
    )
    on_off: OnOffSpec | None = key("Writes for a time, is silent for a time.", None)
    requests: RequestsSpec | None = key("Responses to a client that asks again and again.", None)
    life: Times | None = key("How long an on_off or requests connection goes on.", None)
    congestion: Congestion = key(
        "Registered name of their implementation; else their namespace's default.", None
    )
    listener: names.ListenerRef | None = key(
        "The listener that accepts them: the server sends, and inherits from there.", None
    )
    netns: names.NamespaceRef | None = key("The network namespace of their sockets.", None)
    start: q.Time = key("When arrivals begin.", "0 s")
    until: q.PositiveTime | None = key("When arrivals end; else with the run.", None)
    max: StrictInt | None = key("At most this many.", None, ge=1, le=MAX_CONNECTIONS)
    rtt: q.Time | None = key("Their base RTT; else the path's.", None)
    access_delay: q.Time = key("The part of their RTT between sender and queue.", "0 s")
    route: StrictStr | None = key("Their route over hops; else the first.", None)
    tcp: HostTcpSpec | None = key("What the TCP of their hosts has otherwise than all.", None)

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


class ListenerSpec(Spec):
    """A server's listening socket, open from the start of the run on."""

    name: names.Name = key("Its name.")
    congestion: Congestion = key(
        "What it chooses by setsockopt, and its connections inherit; else their namespace's "
        "default.",
        None,
    )
    netns: names.NamespaceRef = key("The network namespace of its socket.", INIT_NET)
