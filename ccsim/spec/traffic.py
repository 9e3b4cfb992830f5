"""Datagrams beside the flows: senders that nothing slows down, and probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ccsim.spec.flow import Flow
from ccsim.spec.limits import NonNegativeNs, PositiveNs, Rate, Within
from ccsim.spec.workload import Distribution

__all__ = ["MAX_DATAGRAM_BYTES", "Traffic"]

MAX_DATAGRAM_BYTES = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Packets of ``size_bytes``, headers included: at ``rate_bps``, evenly or at random (poisson),
    or while it is on (``on_ns``, ``off_ns``); or those of a trace, as ``packets`` (time, bytes); or
    one each ``every_ns`` that is answered (probe).

    ``flow`` says by which route they go, between which hosts, from when until when.
    """

    flow: Flow
    kind: Literal["constant", "poisson", "on_off", "trace", "probe"]
    size_bytes: Annotated[int, Within(1, MAX_DATAGRAM_BYTES)] = 1
    rate_bps: Rate | None = None
    every_ns: PositiveNs | None = None
    on_ns: Distribution | None = None
    off_ns: Distribution | None = None
    packets: tuple[tuple[NonNegativeNs, Annotated[int, Within(1, MAX_DATAGRAM_BYTES)]], ...] = ()
