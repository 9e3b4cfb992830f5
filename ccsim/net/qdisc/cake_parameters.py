"""CAKE's parameters."""

from __future__ import annotations

from typing import Any

from ccsim.net.qdisc.cake_tins import MODES
from ccsim.net.qdisc.parameters import Parameter
from ccsim.units import show

__all__ = ["CAKE_PARAMETERS"]

FLOW_MODES = (
    *("flowblind", "srchost", "dsthost", "hosts", "flows", "dual-srchost", "dual-dsthost"),
    "triple-isolate",
)
ATM_MODES = ("noatm", "atm", "ptm")
ACK_FILTERS = ("no-ack-filter", "ack-filter", "ack-filter-aggressive")
TRIPLE_ISOLATE = 7
OVERHEADS = -64, 256  # bytes, as tc allows


def _raw(value: Any) -> int:
    if value is not True:
        raise ValueError(f"expected true (leave it out otherwise), got {show(value)}")
    return 1


def _named(name: str, default: int, text: str, names: tuple[str, ...]) -> Parameter:
    return Parameter(name, "name", default, text, maximum=len(names) - 1, names=names)


CAKE_PARAMETERS = (
    Parameter("bandwidth", "byte/s", 0, "the rate to shape to; 0: unlimited", 0, 1 << 40),
    _named("diffserv", 0, f"how DSCPs become tins: {', '.join(MODES)}", MODES),
    _named("flow_mode", TRIPLE_ISOLATE, f"what is kept apart: {', '.join(FLOW_MODES)}", FLOW_MODES),
    Parameter("rtt", "us", 100_000, "COBALT's interval", minimum=1),
    Parameter("target", "us", 5000, "COBALT's target", minimum=1),
    Parameter("overhead", "bytes", None, "count IP packets and this", *OVERHEADS),
    Parameter("mpu", "bytes", 0, "count at least this", 0, 256),
    _named("atm", 0, f"cells of the line: {', '.join(ATM_MODES)}", ATM_MODES),
    Parameter("raw", "flag", None, "count what the device counts; undoes overhead", reader=_raw),
    Parameter("memlimit", "bytes", None, "of truesize; default: rate * rtt * 4, at least 4 MiB"),
    Parameter("ingress", "flag", 0, "charge what is dropped too"),
    Parameter("autorate_ingress", "flag", 0, "estimate the bandwidth"),
    Parameter("wash", "flag", 0, "clear the DSCP"),
    _named(
        "ack_filter", 0, f"drop ACKs that newer ones repeat: {', '.join(ACK_FILTERS)}", ACK_FILTERS
    ),
)
