"""What lies between senders and receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ccsim.spec.limits import NonNegativeNs, Packets, Probability, Rate, Within
from ccsim.units import MAX_PACKETS

__all__ = ["Path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The bottleneck that all flows share.

    ``rtt_ns`` is the base RTT without queueing; ``buffer_packets`` counts packets of ``mss_bytes``
    plus 52 bytes of headers; ``loss_probability`` is per packet, before the queue. An ECN-capable
    packet is marked that finds more than ``ecn_mark_packets`` in the queue, or has to wait longer
    than ``ecn_mark_ns`` (both None: no marks). On the way back each ACK is lost with
    ``ack_loss_probability``, and sets out at the next multiple of ``ack_aggregation_ns`` (0: at
    once).
    """

    rate_bps: Rate
    rtt_ns: NonNegativeNs
    buffer_packets: Packets
    qdisc: Literal["fifo"] = "fifo"
    loss_probability: Probability = 0.0
    ecn_mark_packets: Annotated[int, Within(0, MAX_PACKETS)] | None = None
    ecn_mark_ns: NonNegativeNs | None = None
    ack_loss_probability: Probability = 0.0
    ack_aggregation_ns: NonNegativeNs = 0
