"""Linux's queueing disciplines, integer-exact: one file each, all with the protocol of `Qdisc`."""

from __future__ import annotations

from ccsim.net.qdisc.base import CONGESTION, DROPPED, QUEUED, STOLEN, Packet, Qdisc
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.kinds import KINDS, create, create_raw
from ccsim.net.qdisc.parameters import Parameter, QdiscError

__all__ = [
    "CONGESTION",
    "DROPPED",
    "KINDS",
    "QUEUED",
    "STOLEN",
    "Draws",
    "Packet",
    "Parameter",
    "Qdisc",
    "QdiscError",
    "create",
    "create_raw",
]
