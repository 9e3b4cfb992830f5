"""The scenario as the simulator reads it: frozen, every default filled in, every unit resolved.

Times are nanoseconds, rates bit/s, sizes bytes or packets, all ``int``; the unit is in the name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from ccsim.catalog import labelled
from ccsim.errors import Problem, ScenarioError
from ccsim.notebook import html_table, plural
from ccsim.scenario.traffic import Arrivals, Distribution, OnOff, Requests
from ccsim.scenario.vocabulary import INIT_NET, is_harmless
from ccsim.units import (
    MAX_PACKETS,
    MAX_RATE_BPS,
    MAX_SIZE_BYTES,
    MAX_TIME_NS,
    format_rate,
    format_time,
    show,
)

__all__ = [
    "Flow",
    "Guard",
    "KernelSpec",
    "LinkSpec",
    "Listener",
    "Namespace",
    "Parameter",
    "Path",
    "Receiver",
    "Record",
    "Scenario",
    "Source",
    "Swap",
    "Sysctl",
    "Tcp",
    "Trigger",
    "Workload",
]

NonNegativeNs = Annotated[int, Field(ge=0, le=MAX_TIME_NS)]
PositiveNs = Annotated[int, Field(ge=1, le=MAX_TIME_NS)]
Packets = Annotated[int, Field(ge=1, le=MAX_PACKETS)]
Parameter = bool | int | float | str
Chosen = tuple[str, dict[str, Parameter]]
MAX_SEED = 2**63 - 1
MAX_GRO_PACKETS = 64  # 64 KiB hold no more of the smallest packets that are merged
HEADER_BYTES = 52  # IPv4 (20), TCP (20) and its timestamps (12): 1448 bytes of payload make 1500
MAX_MSS_BYTES = 65_535 - HEADER_BYTES


def _harmless(name: str) -> str:
    """Refuse a name that could leave the results folder."""
    if not is_harmless(name):
        raise ValueError(f"expected 1 to 64 of A-Z a-z 0-9 _ . -, got {name!r}")
    return name


Name = Annotated[str, AfterValidator(_harmless)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Path(_Frozen):
    """The bottleneck that all flows share.

    ``rtt_ns`` is the base RTT without queueing; ``buffer_packets`` counts packets of ``mss_bytes``
    plus 52 bytes of headers; ``loss_probability`` is per packet, before the queue. An ECN-capable
    packet is marked that finds more than ``ecn_mark_packets`` in the queue, or has to wait longer
    than ``ecn_mark_ns`` (both None: no marks). On the way back each ACK is lost with
    ``ack_loss_probability``, and sets out at the next multiple of ``ack_aggregation_ns`` (0: at
    once).
    """

    rate_bps: int = Field(ge=1, le=MAX_RATE_BPS)
    rtt_ns: NonNegativeNs
    buffer_packets: Packets
    qdisc: Literal["fifo"] = "fifo"
    loss_probability: float = Field(default=0.0, ge=0, le=1)
    ecn_mark_packets: int | None = Field(default=None, ge=0, le=MAX_PACKETS)
    ecn_mark_ns: NonNegativeNs | None = None
    ack_loss_probability: float = Field(default=0.0, ge=0, le=1)
    ack_aggregation_ns: NonNegativeNs = 0


class Source(_Frozen):
    """An application that writes ``write_bytes`` at a time: so often that they make ``rate_bps`` of
    payload, or ``every_ns``; the other is None."""

    write_bytes: int = Field(ge=1, le=MAX_SIZE_BYTES)
    rate_bps: int | None = Field(default=None, ge=1, le=MAX_RATE_BPS)
    every_ns: PositiveNs | None = None


class Receiver(_Frozen):
    """The receiving host: ``rwnd_bytes`` is the window it advertises (None: never the limit).

    Up to ``gro_packets`` that come within ``gro_ns`` are merged and acknowledged as one.
    """

    rwnd_bytes: int | None = Field(default=None, ge=1, le=MAX_SIZE_BYTES)
    gro_packets: int = Field(default=1, ge=1, le=MAX_GRO_PACKETS)
    gro_ns: NonNegativeNs = 0


class Flow(_Frozen):
    """One connection: who serves it, when, and how much it sends.

    ``congestion`` is a registered name, or empty for the default of the network namespace
    ``netns``. With a ``listener`` the flow is a connection that is accepted there: the server
    sends, ``netns`` is the listener's, and ``congestion`` is empty, but in twin B may be what the
    connection has in place of what it would inherit. ``stop_ns`` is when the application stops
    writing (None: never) and ``size_bytes`` what it writes (None: without end). ``rtt_ns`` is the
    flow's own base RTT, of which ``access_delay_ns`` lies between sender and queue. ``source`` says
    when the application writes (None: all at the start), and ``sndbuf_bytes`` how much it may have
    written that is not acknowledged (None: never the limit of such a bulk writer). ``ecn`` says
    whether ECN is negotiated (None: if `Tcp.ecn` does, or the algorithm it starts with needs it).
    """

    name: Name
    congestion: str = ""
    congestion_params: dict[str, Parameter] = Field(default_factory=dict)
    listener: str = ""
    netns: Name = INIT_NET
    start_ns: NonNegativeNs = 0
    stop_ns: PositiveNs | None = None
    size_bytes: int | None = Field(default=None, ge=1, le=MAX_SIZE_BYTES)
    rtt_ns: NonNegativeNs
    access_delay_ns: NonNegativeNs = 0
    source: Source | None = None
    sndbuf_bytes: int | None = Field(default=None, ge=1, le=MAX_SIZE_BYTES)
    receiver: Receiver = Receiver()
    ecn: bool | None = None


class Workload(_Frozen):
    """Connections that come and go: ``flow`` is what each of them is but for its name (this one,
    a hyphen and its number), its start and its size.

    They arrive from ``flow.start_ns`` on and before ``until_ns``, at most ``most`` of them, and do
    one of three things: carry ``size_bytes`` and close, or write now and then (``on_off``), or
    answer ``requests``; the latter two for ``life_ns`` (None: to the end of the run).
    """

    name: Name
    arrivals: Arrivals
    size_bytes: Distribution | None = None
    on_off: OnOff | None = None
    requests: Requests | None = None
    life_ns: Distribution | None = None
    until_ns: PositiveNs
    most: int = Field(ge=1)
    flow: Flow


class Listener(_Frozen):
    """A socket that listens from the start of the run on; what it accepts inherits from it.

    ``congestion`` is what it chose by ``setsockopt``; empty: it did not, and its connections get
    the default that its namespace has when they are accepted.
    """

    name: Name
    congestion: str = ""
    congestion_params: dict[str, Parameter] = Field(default_factory=dict)
    netns: Name = INIT_NET


class Namespace(_Frozen):
    """A network namespace beside the initial one, and its ``net.ipv4.tcp_congestion_control``."""

    name: Name
    default: str


class Sysctl(_Frozen):
    """A write of ``to`` to the ``net.ipv4.tcp_congestion_control`` of a namespace."""

    netns: Name
    to: str
    to_params: dict[str, Parameter] = Field(default_factory=dict)


class LinkSpec(_Frozen):
    """A bpf_link made before the run: the struct_ops map ``map`` is registered as ``name``; its
    table has the parameters ``params`` where these are given.
    """

    name: str
    map: str
    params: dict[str, Parameter] = Field(default_factory=dict)


class Trigger(_Frozen):
    """What a swap waits for, of one flow: exactly one of ``state``, ``cwnd_above`` [packets],
    ``loss`` (so many loss events) and ``acked_bytes`` is not empty.

    What reaches further than that flow's own socket acts ``delay_ns`` after it.
    """

    flow: Name
    state: str = ""
    cwnd_above: int = Field(default=0, ge=0)
    loss: int = Field(default=0, ge=0)
    acked_bytes: int = Field(default=0, ge=0, le=MAX_SIZE_BYTES)
    delay_ns: PositiveNs


class Guard(_Frozen):
    """What a staged roll-out is watched by; ``threshold`` is in parts per million, of a stall in
    nanoseconds.
    """

    metric: str
    threshold: int = Field(ge=0)
    window_ns: PositiveNs


class Swap(_Frozen):
    """One replacement: of ``flows`` and ``listeners``, of a ``link``, or of the default of
    ``netns``; what does not belong to its mechanism is empty.

    ``to`` is a map for what has a ``link``, and a registered name for the others; ``to_params`` are
    parameters of its own, which make it another table entry. ``over_ns`` is the time over which a
    sweep is staggered (0: at once); or it takes ``cohort`` flows at a time. ``pause_ns`` lies
    between cohorts, and between the ``steps_ppm`` of a staged roll-out; ``gap_ns`` between
    unregistering and registering. With a ``trigger`` ``at_ns`` is when it is first looked for.
    """

    at_ns: NonNegativeNs
    via: Literal["setsockopt", "link_update", "sweep", "sysctl", "reregister", "staged"]
    to: str
    to_params: dict[str, Parameter] = Field(default_factory=dict)
    flows: tuple[Name, ...] = ()
    listeners: tuple[Name, ...] = ()
    link: str = ""
    netns: str = ""
    over_ns: NonNegativeNs = 0
    cohort: int = Field(default=0, ge=0)
    pause_ns: NonNegativeNs = 0
    gap_ns: NonNegativeNs = 0
    steps_ppm: tuple[int, ...] = ()
    guard: Guard | None = None
    state: str = "linux"
    trigger: Trigger | None = None

    @property
    def chosen(self) -> Chosen:
        """What a socket that is swapped asks for: a registered name and parameters."""
        return (self.link, {}) if self.link else (self.to, self.to_params)


class Record(_Frozen):
    """How often traces are sampled, and of what: every flow, none, those named (flows or
    workloads), or in place of flows the sums over those that one implementation serves
    ("aggregate").
    """

    interval_ns: PositiveNs = 10_000_000
    flows: Literal["all", "none", "aggregate"] | tuple[Name, ...] = "all"


class KernelSpec(_Frozen):
    """The emulated kernel: its profile, ``net.ipv4.tcp_congestion_control``, and CONFIG_HZ."""

    profile: Literal["linux", "linux-6.9", "v2"] = "linux"
    default: str = "cubic"
    hz: Literal[100, 250, 300, 1000] = 250


class Tcp(_Frozen):
    """The hosts' TCP: ``quickack_packets`` are acknowledged one by one before ACKs are delayed."""

    initial_window: Packets = 10
    mss_bytes: int = Field(default=1448, ge=1, le=MAX_MSS_BYTES)
    quickack_packets: int = Field(default=1465, ge=0, le=MAX_PACKETS)
    min_rto_ns: PositiveNs = 200_000_000
    delayed_ack: bool = True
    ecn: bool = False
    tso: bool = False


class Scenario(_Frozen):
    """One run, complete: the same scenario and version of ccsim give the same bytes of output.

    ``objects`` are absolute paths of algorithm files and ``objects_sha256`` what they held when the
    scenario was loaded. ``sysctls`` are written before the run, once the namespaces have their
    defaults, and may fail: twin B has them where the run has swaps. ``source`` is the file that
    the scenario was read from, or empty.
    """

    name: Name
    description: str = ""
    duration_ns: PositiveNs
    seed: int = Field(default=1, ge=0, le=MAX_SEED)
    path: Path
    flows: tuple[Flow, ...]
    workloads: tuple[Workload, ...] = ()
    listeners: tuple[Listener, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    objects: tuple[str, ...] = ()
    objects_sha256: tuple[str, ...] = ()
    objects_set: dict[str, dict[str, Any]] = Field(default_factory=dict)
    links: tuple[LinkSpec, ...] = ()
    swaps: tuple[Swap, ...] = ()
    record: Record = Record()
    kernel: KernelSpec = KernelSpec()
    tcp: Tcp = Tcp()
    twins: bool = True
    source: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _has_traffic(self) -> Scenario:
        if not self.flows and not self.workloads:
            raise ValueError("expected at least one flow or workload")
        return self

    def __repr__(self) -> str:
        parts = [format_time(self.duration_ns)]
        parts += [plural(len(self.flows), "flow")] if self.flows else []
        parts += [plural(len(self.workloads), "workload")] if self.workloads else []
        parts += [plural(len(self.swaps), "swap"), f"seed {self.seed}"]
        path = f"{format_rate(self.path.rate_bps)}, {format_time(self.path.rtt_ns)}"
        return f"<Scenario {self.name}: {', '.join(parts)}; {path}>"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        """Return the flows and the swaps, as a notebook shows them."""
        flows = [
            (
                f.name,
                labelled(f.congestion, f.congestion_params) or f.listener or "default",
                format_time(f.start_ns),
            )
            for f in self.flows
        ]
        swaps = [
            (format_time(s.at_ns), s.via, labelled(s.to, s.to_params), " ".join(s.flows) or s.link)
            for s in self.swaps
        ]
        shown = html_table(repr(self), ["flow", "congestion", "start"], flows)
        return shown + (html_table("swaps", ["at", "via", "to", "of"], swaps) if swaps else "")

    def resolved(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; `from_resolved` reads it back."""
        return self.model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """Return `resolved` without what cannot change a result: for hashing.

        Left out are the description and the folders of the object files, whose contents count by
        their SHA-256.
        """
        plain = self.resolved()
        del plain["description"]
        plain["objects"] = [PurePath(file).name for file in self.objects]
        plain["objects_set"] = {PurePath(f).name: made for f, made in self.objects_set.items()}
        return plain

    @classmethod
    def from_resolved(cls, plain: dict[str, Any]) -> Scenario:
        """Return the scenario that `resolved` gave; ScenarioError for anything else."""
        try:
            # as JSON, since there a list may stand for a tuple while all else stays strict
            return cls.model_validate_json(json.dumps(plain))
        except ValidationError as error:
            raise ScenarioError(*map(_problem, error.errors())) from error

    def replace_swaps(self, swaps: Sequence[Swap]) -> Scenario:
        """Return the scenario with other swaps."""
        return self.model_copy(update={"swaps": tuple(swaps)})

    def without_swaps(self) -> Scenario:
        """Return twin A: the same run, never swapped."""
        return self.replace_swaps(())

    def with_b_twin(self) -> Scenario:
        """Return twin B: what the swaps end in runs from the start, and nothing is swapped.

        A flow, workload or listener that a setsockopt or sweep reaches starts on the last such
        swap's ``to`` (of a staged one: its link), with the parameters that go with it and not those
        it had; a link that is updated or registered anew starts on the last such map; what swaps
        write to sysctls
        is written before the run, in their order. A triggered swap counts from when it is looked
        for.
        """
        swaps = sorted(self.swaps, key=lambda swap: swap.at_ns)
        flow_to = {name: swap.chosen for swap in swaps for name in swap.flows}
        listener_to = {name: swap.chosen for swap in swaps for name in swap.listeners}
        link_to = {swap.link: swap for swap in swaps if swap.link}
        changes = {
            "swaps": (),
            "flows": tuple(_started_on(flow, flow_to.get(flow.name)) for flow in self.flows),
            "workloads": tuple(
                load.model_copy(update={"flow": _started_on(load.flow, flow_to.get(load.name))})
                for load in self.workloads
            ),
            "listeners": tuple(
                _started_on(each, listener_to.get(each.name)) for each in self.listeners
            ),
            "links": tuple(
                _behind(link, link_to[link.name]) if link.name in link_to else link
                for link in self.links
            ),
            "sysctls": tuple(
                Sysctl(netns=s.netns, to=s.to, to_params=s.to_params)
                for s in swaps
                if s.via == "sysctl"
            ),
        }
        return self.model_copy(update=changes)


def _problem(details: ErrorDetails) -> Problem:
    """Return one finding about a resolved scenario, which has no lines to point at."""
    path = ".".join(map(str, details["loc"]))
    message = f"{details['msg']}, got {show(details['input'])}"
    return Problem("resolved scenario", 0, 0, path, message)


_Started = TypeVar("_Started", Flow, Listener)


def _started_on(socket: _Started, chosen: Chosen | None) -> _Started:
    """Return a flow or listener with another implementation; its parameters belonged to the old
    one.
    """
    if chosen is None:
        return socket
    congestion, params = chosen
    return socket.model_copy(update={"congestion": congestion, "congestion_params": params})


def _behind(link: LinkSpec, swap: Swap) -> LinkSpec:
    """Return a link with the map that a swap puts behind it."""
    return link.model_copy(update={"map": swap.to, "params": swap.to_params})
