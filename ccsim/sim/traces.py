"""What one simulated run hands over: columns and events, nothing computed from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from ccsim.frames import Frame
from ccsim.notebook import plural
from ccsim.words import did_you_mean

__all__ = [
    "CA_STATE_NAMES",
    "Borders",
    "Completions",
    "Crowd",
    "Event",
    "FlowTrace",
    "Flows",
    "GroupTrace",
    "LinkMeter",
    "LinkTrace",
    "Meter",
    "RttSum",
    "SimResult",
    "SwapRecord",
    "TrafficTrace",
]

CA_STATE_NAMES = ("Open", "Disorder", "CWR", "Recovery", "Loss")
Column = NDArray[np.int64]
SAMPLES = (
    *("t_ns", "snd_cwnd", "ssthresh", "srtt_us", "in_flight", "pacing_rate_bps"),
    *("delivered_bytes", "throughput_bps", "retransmissions", "marks", "ca_state"),
    "implementation",
)
GROUP_SAMPLES = ("t_ns", "flows", "snd_cwnd", "in_flight", "srtt_us", "throughput_bps")
LINK_SAMPLES = (
    *("t_ns", "queue_packets", "drops", "losses", "marks", "departed_bytes"),
    "utilisation_ppm",
)
COMPLETION_COLUMNS = ("flow", "start_ns", "end_ns", "size_bytes", "ideal_ns")


@dataclass(frozen=True)
class Meter:
    """What the metrics of a flow are worked out from: samples every 10 ms, whatever the scenario
    records; int64 columns as those of `FlowTrace`."""

    t_ns: Column
    delivered_bytes: Column
    retransmissions: Column
    srtt_us: Column


@dataclass(frozen=True)
class Borders:
    """A flow's exact counts before certain instants: the first action of every swap, its own
    changes of implementation, its end (what happens then included) or that of the run."""

    t_ns: Column
    delivered_bytes: Column
    retransmissions: Column


@dataclass(frozen=True)
class FlowTrace(Frame):
    """One flow, sampled every recording interval from its start on; all columns int64 of one
    length.

    ``t_ns`` [ns]; ``snd_cwnd``, ``ssthresh`` (0x7fffffff: infinite), ``in_flight`` [packets];
    ``srtt_us`` [us]; ``pacing_rate_bps`` [bit/s], -1 for unlimited; ``delivered_bytes`` payload
    acknowledged in order so far [bytes]; ``throughput_bps`` payload delivered since the previous
    sample, in order or not, over the interval [bit/s]; ``retransmissions`` packets retransmitted so
    far; ``marks`` its packets that the queue has marked with CE so far; ``ca_state`` 0 to 4
    (`CA_STATE_NAMES`); ``implementation`` index into ``implementations``, the names of the
    struct_ops maps that served the flow.
    """

    name: str
    congestion: str
    start_ns: int
    end_ns: (
        int | None
    )  # when the last byte was acknowledged or the application stopped; None: still running
    mss_bytes: int
    t_ns: Column
    snd_cwnd: Column
    ssthresh: Column
    srtt_us: Column
    in_flight: Column
    pacing_rate_bps: Column
    delivered_bytes: Column
    throughput_bps: Column
    retransmissions: Column
    marks: Column
    ca_state: Column
    implementation: Column
    implementations: tuple[str, ...]
    counters: dict[str, int] = field(default_factory=dict)
    """Totals at the end: packets_sent, packets_delivered, packets_dropped, packets_in_flight,
    retransmissions, rtos, tlps, recoveries, undos."""
    workload: str = ""  # the workload that it is a connection of
    served: tuple[tuple[int, int], ...] = ()
    """(time [ns], index into ``implementations``): from when on which served the flow."""
    established_ns: int | None = None  # when the handshake was done: from then on it could send
    recorded: bool = True  # whether the scenario keeps its samples
    meter: Meter | None = None  # None: the samples are taken every 10 ms themselves, or are all
    borders: Borders | None = None  # None: not known, as of a stored run

    def __repr__(self) -> str:
        served = " → ".join(self.implementations) or "nobody"
        sent = f"{int(self.delivered_bytes[-1]) / 1e6:.3f} MB" if len(self.t_ns) else "0 MB"
        return f"<FlowTrace {self.name}: {served}, {plural(len(self.t_ns), 'sample')}, {sent}>"

    def columns(self) -> dict[str, Column]:
        """Return the samples by name: time, then the rest."""
        return {name: getattr(self, name) for name in SAMPLES}

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return what the indices in ``implementation`` mean."""
        return {"implementation": self.implementations}

    @property
    def metered(self) -> Meter:
        """The samples that metrics are worked out from."""
        if self.meter is not None:
            return self.meter
        return Meter(self.t_ns, self.delivered_bytes, self.retransmissions, self.srtt_us)


@dataclass(frozen=True)
class GroupTrace(Frame):
    """All flows that one implementation serves, sampled every recording interval of the run; int64
    columns.

    ``flows`` how many there are; ``snd_cwnd``, ``in_flight`` sums [packets]; ``srtt_us`` mean over
    those that have measured an RTT, 0 if none has [us]; ``throughput_bps`` payload delivered since
    the previous sample over the interval, that of flows closed in between included [bit/s].
    """

    implementation: str
    t_ns: Column
    flows: Column
    snd_cwnd: Column
    in_flight: Column
    srtt_us: Column
    throughput_bps: Column

    def columns(self) -> dict[str, Column]:
        """Return the samples by name: time, then the rest."""
        return {name: getattr(self, name) for name in GROUP_SAMPLES}


@dataclass(frozen=True)
class RttSum:
    """The smoothed RTTs of all flows that one implementation serves, every 10 ms of the run; int64
    columns: ``flows`` that have measured one, and the sum of theirs [us]."""

    implementation: str
    flows: Column
    srtt_us: Column


@dataclass(frozen=True)
class Crowd:
    """The flows of one workload (empty: of none) whose samples are not kept, together, every 10 ms
    of the run; int64 columns: ``delivered_bytes`` payload acknowledged in order so far, ``flows``
    that have measured an RTT, and the sum of theirs [us]."""

    workload: str
    delivered_bytes: Column
    flows: Column
    srtt_us: Column


@dataclass(frozen=True)
class Completions(Frame):
    """What workloads carried: a row for each connection of given size and for each response; int64
    columns, in order of flow, then time.

    ``flow`` index of the flow; ``start_ns`` when the first packet of the connection left (that of
    its client, if a listener accepted it), or when the response was written; ``end_ns`` when the
    sender had the last byte's ACK, -1: not by the end of the run; ``size_bytes`` payload;
    ``ideal_ns`` how long it would take alone at line rate: handshake if any, one RTT, and the
    transmission of its packets.
    """

    flow: Column
    start_ns: Column
    end_ns: Column
    size_bytes: Column
    ideal_ns: Column

    def columns(self) -> dict[str, Column]:
        """Return the columns by name, as they are listed."""
        return {name: getattr(self, name) for name in COMPLETION_COLUMNS}


@dataclass(frozen=True)
class LinkMeter:
    """What the metrics of a link are worked out from: samples every 10 ms; int64 columns as those
    of `LinkTrace`."""

    t_ns: Column
    queue_packets: Column
    departed_bytes: Column


@dataclass(frozen=True)
class LinkTrace(Frame):
    """One link, sampled every recording interval; int64 columns.

    ``t_ns`` [ns]; ``queue_packets`` waiting and in service; ``drops`` packets dropped by the queue
    so far; ``losses`` packets lost at random so far; ``marks`` packets marked with CE so far;
    ``departed_bytes`` bytes that have left so far; ``utilisation_ppm`` bits that left since the
    previous sample over what the link could carry [parts per million].
    """

    name: str
    rate_bps: int
    buffer_packets: int
    t_ns: Column
    queue_packets: Column
    drops: Column
    losses: Column
    marks: Column
    departed_bytes: Column
    utilisation_ppm: Column
    drop_t_ns: Column  # every drop: its time,
    drop_flow: Column  # the flow's index,
    drop_reason: Column  # and why: its place in `ccsim.net.qdisc.base.REASONS`
    mark_t_ns: Column  # every CE mark: its time,
    mark_flow: Column  # and the flow's index
    meter: LinkMeter | None = None  # as of a flow
    rates: tuple[tuple[int, int], ...] = ()
    """Of a line that changes: from when on [ns] it has which rate [bit/s]."""
    gauges: tuple[tuple[str, Column], ...] = ()
    """Of a hop, what else was sampled, by name: ``sojourn_us``, how long the packet that left the
    queue last had waited, and what its qdisc shows of its state (`ccsim.net.qdisc.base`)."""

    def __repr__(self) -> str:
        drops = plural(len(self.drop_t_ns), "drop")
        return f"<LinkTrace {self.name}: {plural(len(self.t_ns), 'sample')}, {drops}>"

    def columns(self) -> dict[str, Column]:
        """Return the samples by name: time, then the rest; drops and marks one by one are not."""
        return {**{name: getattr(self, name) for name in LINK_SAMPLES}, **dict(self.gauges)}

    @property
    def metered(self) -> LinkMeter:
        """The samples that metrics are worked out from."""
        if self.meter is not None:
            return self.meter
        return LinkMeter(self.t_ns, self.queue_packets, self.departed_bytes)


@dataclass(frozen=True)
class Event:
    """Something that happened at one instant: ``kind`` is one of swap, accept, ca_state, loss, rto,
    tlp, hystart, start, end, undo; of swaps too are trigger, policy, unregister, fallback (a name
    that was missing), guard, rollback, rollout; ``flow`` is empty for what concerns no single flow;
    ``detail`` holds plain JSON values."""

    t_ns: int
    kind: str
    flow: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class SwapRecord:
    """One swap as it was carried out; ``flows`` are the running flows whose implementation it
    changed.

    ``state`` is the state policy, ``trigger`` what the swap waited for (empty: its time) and
    ``outcome``, of a staged roll-out, "complete" or why it was rolled back, at ``outcome_ns``.
    """

    index: int
    t_ns: int
    via: str
    label: str  # "cubic → bbr, setsockopt"
    old: str
    new: str
    flows: tuple[str, ...]
    errno: int = 0
    state: str = "linux"
    trigger: str = ""
    outcome: str = ""
    outcome_ns: int | None = None

    def owns(self, event: Event) -> bool:
        """Report whether an event of kind ``swap`` is one of this swap's steps."""
        detail = event.detail
        numbered = detail.get("swap", self.index) == self.index and detail.get("via") == self.via
        takes_time = self.via in ("sweep", "staged", "reregister")
        in_time = event.t_ns >= self.t_ns if takes_time else event.t_ns == self.t_ns
        return event.kind == "swap" and numbered and in_time


class Flows(tuple[FlowTrace, ...]):
    """The flows of a run by place, or by name: ``flows[0]``, ``flows["bulk"]``."""

    __slots__ = ()

    @overload
    def __getitem__(self, which: SupportsIndex | str) -> FlowTrace: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[FlowTrace, ...]: ...

    def __getitem__(self, which: Any) -> Any:
        """Return a flow; KeyError for a name that there is not."""
        if not isinstance(which, str):
            return super().__getitem__(which)
        found = next((flow for flow in self if flow.name == which), None)
        if found is None:
            near = did_you_mean(which, [flow.name for flow in self])
            raise KeyError(f"expected a flow's name, got {which!r}{near}")
        return found


@dataclass(frozen=True)
class TrafficTrace:
    """What became of one source of cross traffic.

    ``delays_ns`` are the median, the 95th and 99th percentile and the greatest of how long packets
    took [ns]: one way, or of a probe there and back (-1: none arrived); ``rtts_ns`` has of a probe
    each that came back: (when it left, how long it took).
    """

    name: str
    kind: str
    packets_sent: int
    packets_arrived: int
    packets_dropped: int
    bytes_arrived: int
    delays_ns: tuple[int, ...]
    rtts_ns: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class SimResult:
    """Everything that a run measured; ``flows`` by place or by name."""

    duration_ns: int
    flows: Flows
    links: tuple[LinkTrace, ...]
    events: tuple[Event, ...]
    swaps: tuple[SwapRecord, ...]
    failed: str = ""  # why the run ended early; empty: it did not
    groups: tuple[GroupTrace, ...] = ()  # with workloads, or where not every flow is sampled
    rtts: tuple[RttSum, ...] = ()  # by implementation, where there are groups
    crowds: tuple[Crowd, ...] = ()  # of flows that are sampled, but not kept
    completions: Completions | None = None  # of workloads
    traffic: tuple[TrafficTrace, ...] = ()
    trains: tuple[tuple[str, int, int], ...] = ()  # if asked: by which way ACKs went, times, ACKs
    drew: tuple[str, ...] = ()  # what was drawn from the seed; empty: another gives the same

    def __repr__(self) -> str:
        flows, swaps = plural(len(self.flows), "flow"), plural(len(self.swaps), "swap")
        return f"<SimResult: {self.duration_ns / 1e9:g} s, {flows}, {swaps}>"
