"""netem's parameters, and how a person says the loss models, the distributions and slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsim.net.qdisc.netem_tables import DISTRIBUTIONS, distribution
from ccsim.net.qdisc.parameters import U32, Parameter, fraction32
from ccsim.units import parse_packets, parse_size_bytes, parse_time_ns, show

__all__ = ["NETEM_PARAMETERS"]

S16 = 32_768
MAX_NS = 1 << 62
GEMODEL = ("p", "r", "1-h", "1-k")
GIMODEL = ("p13", "p31", "p32", "p14", "p23")
SLOT = ("min", "max", "distribution", "delay", "jitter", "packets", "bytes")


def _mapping(value: Any, names: tuple[str, ...], required: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not set(required) <= set(value) <= set(names):
        got = f"a mapping of {', '.join(map(str, value))}" if isinstance(value, Mapping) else ""
        raise ValueError(
            f"expected a mapping of {', '.join(names)} ({', '.join(required)} at least), "
            f"got {got or show(value)}"
        )
    return value


def _gemodel(value: Any) -> tuple[int, ...]:
    """Return p, r, h and 1-k; as tc, 1-h defaults to 100 %, r to 1-p and 1-k to 0."""
    given = _mapping(value, GEMODEL, ("p",))
    part = {name: fraction32(given[name]) for name in given}
    r = part.get("r", U32 - part["p"])
    return part["p"], r, U32 - part.get("1-h", U32), part.get("1-k", 0)


def _gimodel(value: Any) -> tuple[int, ...]:
    """Return the five probabilities; as tc, p31 defaults to 1-p13, p32 to 0, p23 to 100 %, p14 to
    0."""
    given = _mapping(value, GIMODEL, ("p13",))
    part = {name: fraction32(given[name]) for name in given}
    p31 = part.get("p31", U32 - part["p13"])
    return part["p13"], p31, part.get("p32", 0), part.get("p14", 0), part.get("p23", U32)


def _slot(value: Any) -> tuple[int, ...]:
    """Return min, max, packets, bytes, delay and jitter; max defaults to min."""
    given = _mapping(value, SLOT, ())
    by_table = "distribution" in given
    for name in ("min", "max") if by_table else ("delay", "jitter"):
        if name in given:
            raise ValueError(f"expected min and max, or distribution with delay and jitter; {name}")
    times = {name: parse_time_ns(given[name]) for name in _TIMES if name in given}
    least = times.get("min", 0)
    most = times.get("max", least)
    if most < least:
        raise ValueError(f"expected max of at least min, got {show(given['max'])}")
    packets = parse_packets(given["packets"]) if "packets" in given else 0
    size = parse_size_bytes(given["bytes"]) if "bytes" in given else 0
    return least, most, packets, size, times.get("delay", 0), times.get("jitter", 0)


_TIMES = ("min", "max", "delay", "jitter")


def _slot_distribution(value: Any) -> tuple[int, ...]:
    return distribution(value["distribution"]) if "distribution" in value else ()


def _probability(name: str, text: str) -> Parameter:
    return Parameter(name, "probability", None, text)


NETEM_PARAMETERS = (
    Parameter("limit", "packets", 1000, "how many packets fit"),
    Parameter("delay", "ns", 0, "how long each packet stays", maximum=MAX_NS),
    Parameter("jitter", "ns", 0, "how much that varies", maximum=MAX_NS),
    _probability("delay_corr", "correlation of successive delays"),
    Parameter(
        *("distribution", "name", None, f"of the jitter: {', '.join(DISTRIBUTIONS)}"),
        minimum=-S16,
        maximum=S16 - 1,
        length=(0, 16_384),
        reader=distribution,
        raw="dist",
    ),
    Parameter("loss", "probability", 0, "packets lost at random"),
    _probability("loss_corr", "correlation of successive losses"),
    Parameter(
        *("gemodel", "mapping", None, f"Gilbert-Elliott losses: {', '.join(GEMODEL)}"),
        length=(4, 4),
        reader=_gemodel,
    ),
    Parameter(
        *("gimodel", "mapping", None, f"losses by four states: {', '.join(GIMODEL)}"),
        length=(5, 5),
        reader=_gimodel,
    ),
    Parameter("ecn", "flag", None, "mark what would be lost, where possible"),
    Parameter("duplicate", "probability", 0, "packets doubled"),
    _probability("dup_corr", "correlation of successive doublings"),
    _probability("corrupt", "packets in which a bit flips"),
    _probability("corrupt_corr", "correlation of successive corruptions"),
    _probability("reorder", "every gap-th packet leaves at once with it"),
    _probability("reorder_corr", "correlation of successive overtakings"),
    Parameter("gap", "packets", 0, "which packets may overtake; 1 if reorder is given alone"),
    Parameter("rate", "byte/s", None, "a packet takes its length over it", 0, 1 << 62),
    Parameter("packet_overhead", "bytes", None, "added to each packet's length", -(1 << 31)),
    Parameter("cell_size", "bytes", None, "lengths in whole cells of this payload"),
    Parameter("cell_overhead", "bytes", None, "added to each cell", -(1 << 31)),
    Parameter(
        *("slot", "mapping", None, f"release in batches: {', '.join(SLOT)}"),
        maximum=MAX_NS,
        length=(6, 6),
        reader=_slot,
        also=("slot_dist", _slot_distribution),
    ),
    Parameter(
        *("slot_dist", "name", None, "the table of slot's distribution"),
        minimum=-S16,
        maximum=S16 - 1,
        length=(0, 16_384),
        internal=True,
    ),
)
