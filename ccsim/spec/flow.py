"""Connections, the sockets that they are accepted by, and their applications."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ccsim.spec.limits import (
    INIT_NET,
    MAX_GRO_PACKETS,
    Name,
    NonNegativeNs,
    Parameter,
    PositiveNs,
    Rate,
    Size,
    Within,
)
from ccsim.spec.plain import SPARSE
from ccsim.spec.tcp import Tcp

__all__ = ["Flow", "Listener", "Receiver", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An application that writes ``write_bytes`` at a time: so often that they make ``rate_bps`` of
    payload, or ``every_ns``; the other is None."""

    write_bytes: Size
    rate_bps: Rate | None = None
    every_ns: PositiveNs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The receiving host: ``rwnd_bytes`` is the window it advertises (None: never the limit).

    Up to ``gro_packets`` that come within ``gro_ns`` are merged and acknowledged as one.
    """

    rwnd_bytes: Size | None = None
    gro_packets: Annotated[int, Within(1, MAX_GRO_PACKETS)] = 1
    gro_ns: NonNegativeNs = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One connection: who serves it, when, and how much it sends.

    ``congestion`` is a registered name, or empty for the default of the network namespace
    ``netns``. With a ``listener`` the flow is a connection that is accepted there: the server
    sends, ``netns`` is the listener's, and ``congestion`` is empty, but in twin B may be what the
    connection has instead of what it would inherit. ``stop_ns`` is when the application stops
    writing (None: never) and ``size_bytes`` what it writes (None: without end). ``rtt_ns`` is the
    flow's own base RTT, of which ``access_delay_ns`` lies between sender and queue. ``source`` says
    when the application writes (None: all at the start), and ``sndbuf_bytes`` how much it may have
    written that is not acknowledged (None: never the limit of such a bulk writer). ``ecn`` says
    what ECN is negotiated (None: as `Tcp.ecn` of both has it, or as the first algorithm needs).
    ``max_pacing_rate_bps`` is what it sets by SO_MAX_PACING_RATE (None: nothing).
    It goes by a ``route`` (empty: the first) from one of ``hosts`` to the other (none: to itself);
    their TCP is ``sender_tcp`` and ``receiver_tcp`` (None: the scenario's).
    """

    name: Name
    congestion: str = ""
    congestion_params: dict[str, Parameter] = field(default_factory=dict)
    listener: str = ""
    netns: Name = INIT_NET
    start_ns: NonNegativeNs = 0
    stop_ns: PositiveNs | None = None
    size_bytes: Size | None = None
    rtt_ns: NonNegativeNs
    access_delay_ns: NonNegativeNs = 0
    source: Source | None = None
    sndbuf_bytes: Size | None = None
    receiver: Receiver = Receiver()
    ecn: bool | Literal["accecn"] | None = None
    max_pacing_rate_bps: Rate | None = field(default=None, metadata=SPARSE)
    route: str = field(default="", metadata=SPARSE)
    hosts: tuple[str, ...] = field(default=(), metadata=SPARSE)
    sender_tcp: Tcp | None = field(default=None, metadata=SPARSE)
    receiver_tcp: Tcp | None = field(default=None, metadata=SPARSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket that listens from the start of the run on; what it accepts inherits from it.

    ``congestion`` is what it chose by ``setsockopt``; empty: it did not, and its connections get
    the default that its namespace has when they are accepted.
    """

    name: Name
    congestion: str = ""
    congestion_params: dict[str, Parameter] = field(default_factory=dict)
    netns: Name = INIT_NET
