"""The queueing disciplines there are, by tc's names, and how one is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ccsim.net.qdisc.base import HZ, PSCHED_MTU, Qdisc
from ccsim.net.qdisc.cake import Cake
from ccsim.net.qdisc.codel import Codel
from ccsim.net.qdisc.draws import Draws
from ccsim.net.qdisc.dualpi2 import DualPi2
from ccsim.net.qdisc.fifo import Bfifo, Pfifo, PfifoHeadDrop
from ccsim.net.qdisc.fq import Fq
from ccsim.net.qdisc.fq_codel import FqCodel
from ccsim.net.qdisc.mahimahi import DropHead, DropTail
from ccsim.net.qdisc.netem import Netem
from ccsim.net.qdisc.parameters import QdiscError, check, parse
from ccsim.net.qdisc.pie import Pie
from ccsim.net.qdisc.police import Police
from ccsim.net.qdisc.red import Red
from ccsim.net.qdisc.sfq import Sfq
from ccsim.net.qdisc.tbf import Tbf
from ccsim.units import show

__all__ = ["KINDS", "create", "create_raw", "kind_of"]

_CLASSES: tuple[type[Qdisc], ...] = (
    *(Pfifo, Bfifo, PfifoHeadDrop, Codel, FqCodel, Pie, DualPi2, Red, Sfq, Fq, Tbf, Police),
    *(Cake, Netem, DropTail, DropHead),
)
KINDS: Mapping[str, type[Qdisc]] = {qdisc.kind: qdisc for qdisc in _CLASSES}
"""The classes of qdiscs by kind."""


def create(kind: str, values: Mapping[str, Any], now: int, draws: Draws) -> Qdisc:
    """Make a qdisc of parameters in a person's spelling (``target: 5 ms``). QdiscError tells what
    is wrong."""
    qdisc = kind_of(kind)
    return qdisc(parse(kind, qdisc.PARAMETERS, values), now, draws)


def create_raw(
    kind: str,
    values: Mapping[str, Any],
    now: int,
    draws: Draws,
    *,
    hz: int = HZ,
    mtu: int = PSCHED_MTU,
) -> Qdisc:
    """Make a qdisc of parameters as the kernel takes them (``target_us: 5000``) on a host with
    ``hz`` ticks a second whose device has an MTU of ``mtu`` [bytes]."""
    qdisc = kind_of(kind)
    return qdisc(check(kind, qdisc.PARAMETERS, values), now, draws, hz=hz, mtu=mtu)


def kind_of(name: str) -> type[Qdisc]:
    """Return the class of a kind; QdiscError if there is none."""
    found = KINDS.get(name)
    if found is None:
        near = difflib.get_close_matches(str(name), KINDS, 1)
        mend = f'did you mean "{near[0]}"?' if near else ""
        raise QdiscError(
            f"expected a queueing discipline ({', '.join(KINDS)}), got {show(name)}"
            + (f"; {mend}" if mend else "")
        )
    return found
