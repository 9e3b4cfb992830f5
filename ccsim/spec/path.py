"""What lies between senders and receivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ccsim.spec.limits import Name, NonNegativeNs, Packets, PositiveNs, Probability, Rate, Within
from ccsim.spec.plain import SPARSE
from ccsim.units import MAX_PACKETS, MAX_RATE_BPS, MAX_TIME_NS

__all__ = ["Hop", "HopChange", "Path", "Qdisc", "Route", "Trace"]

Marks = Annotated[int, Within(0, MAX_PACKETS)] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Qdisc:
    """A queueing discipline and the parameters that are given, as the kernel takes them
    (`ccsim.net.qdisc`)."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Opportunities to send: a preset's, or those of a file called ``name``, which read ``text``
    (`ccsim.net.delivery_trace`)."""

    preset: str = ""
    name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One directed hop of several: as a `Path`, with the delay behind its line."""

    rate_bps: Rate
    delay_ns: NonNegativeNs
    buffer_packets: Packets
    qdisc: Literal["fifo"] | Qdisc = "fifo"
    loss_probability: Probability = 0.0
    ecn_mark_packets: Marks = None
    ecn_mark_ns: NonNegativeNs | None = None
    netem: dict[str, Any] = field(default_factory=dict, metadata=SPARSE)
    trace: Trace | None = field(default=None, metadata=SPARSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The hops that data passes, and those that ACKs pass (none: they only take time)."""

    out: tuple[str, ...]
    back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HopChange:
    """What becomes of a ``hop`` at ``at_ns``, and ``every_ns`` after it (0: once): its rate or
    delay becomes another, for ``for_ns`` (0: for good) or as the first of a walk by up to ``step``
    up or down ``step_every_ns`` between ``low`` and ``high``; it is silent for ``outage_ns``; or
    its qdisc's parameters ``values`` are set."""

    hop: Name
    at_ns: NonNegativeNs
    every_ns: NonNegativeNs = 0
    for_ns: NonNegativeNs = 0
    rate_bps: Annotated[int, Within(0, MAX_RATE_BPS)] | None = None
    delay_ns: NonNegativeNs | None = None
    outage_ns: PositiveNs | None = None
    values: dict[str, Any] = field(default_factory=dict)
    step: Annotated[int, Within(0, MAX_TIME_NS)] = 0
    low: Annotated[int, Within(0)] = 0
    high: Annotated[int, Within(0)] = 0
    step_every_ns: NonNegativeNs = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The bottleneck that all flows share.

    ``rtt_ns`` is the base RTT without queueing; ``buffer_packets`` counts packets of ``mss_bytes``
    plus 52 bytes of headers; ``loss_probability`` is per packet, before the queue. An ECN-capable
    packet is marked that finds more than ``ecn_mark_packets`` in the queue, or has to wait longer
    than ``ecn_mark_ns`` (both None: no marks). On the way back each ACK is lost with
    ``ack_loss_probability``, and sets out at the next multiple of ``ack_aggregation_ns`` (0: at
    once). Of ``rtt_ns``, ``delay_ns`` lies behind the line and may change. Where a run is a
    kernel's, ``qdisc_of`` says whether the queue is, too.
    """

    rate_bps: Rate
    rtt_ns: NonNegativeNs
    buffer_packets: Packets
    qdisc: Literal["fifo"] | Qdisc = "fifo"
    loss_probability: Probability = 0.0
    ecn_mark_packets: Marks = None
    ecn_mark_ns: NonNegativeNs | None = None
    ack_loss_probability: Probability = 0.0
    ack_aggregation_ns: NonNegativeNs = 0
    netem: dict[str, Any] = field(default_factory=dict, metadata=SPARSE)
    trace: Trace | None = field(default=None, metadata=SPARSE)
    delay_ns: NonNegativeNs = field(default=0, metadata=SPARSE)
    qdisc_of: Literal["", "kernel"] = field(default="", metadata=SPARSE)
