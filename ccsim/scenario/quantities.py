"""The types of a scenario's quantities: how each is parsed, and how an editor must spell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from ccsim.spec.limits import MAX_GRO_PACKETS, MAX_MSS_BYTES
from ccsim.units import (
    RATE_UNITS,
    SIZE_UNITS,
    TIME_UNITS,
    Buffer,
    parse_buffer,
    parse_packets,
    parse_probability,
    parse_rate_bps,
    parse_share_ppm,
    parse_size_bytes,
    parse_threshold,
    parse_time_ns,
    show,
)

__all__ = [
    "SIZE_SCHEMA",
    "TIME_SCHEMA",
    "BufferSize",
    "Cohort",
    "CohortSize",
    "GuardThreshold",
    "MergedPackets",
    "PacketCount",
    "PositivePackets",
    "PositiveSize",
    "PositiveTime",
    "Probability",
    "Rate",
    "SegmentSize",
    "Share",
    "Threshold",
    "Time",
]

_NUMBER = r"[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"


def _text(units: Iterable[str], *examples: str) -> dict[str, Any]:
    """Return the JSON schema of a number with a unit."""
    pattern = f"^ *{_NUMBER} *({'|'.join(units)}) *$"
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


def _packets(minimum: int) -> dict[str, Any]:
    counted = {"type": "string", "pattern": "^ *[0-9]+ *packets? *$", "examples": ["10 packets"]}
    return {"anyOf": [{"type": "integer", "minimum": minimum}, counted]}


def _positive(parse: Callable[..., int]) -> Callable[[object], int]:
    return lambda value: parse(value, minimum=1)


def _parse_merged(value: object) -> int:
    """Return how many packets are merged on arrival."""
    packets = parse_packets(value, minimum=1)
    if packets > MAX_GRO_PACKETS:
        raise ValueError(f"expected at most {MAX_GRO_PACKETS} packets, got {show(value)}")
    return packets


def _parse_segment(value: object) -> int:
    """Return a segment's payload in bytes; headers and payload fit into an IPv4 packet."""
    size_bytes = parse_size_bytes(value, minimum=1)
    if size_bytes > MAX_MSS_BYTES:
        raise ValueError(f"expected at most {MAX_MSS_BYTES} B, got {show(value)}")
    return size_bytes


TIME_SCHEMA = _TIME = _text(TIME_UNITS, "40 ms", "1.5 s", "200 us")
SIZE_SCHEMA = _SIZE = _text(SIZE_UNITS, "10 MB", "64 KiB", "1500 B")
_PERCENT = {"type": "string", "pattern": f"^ *{_NUMBER} *% *$", "examples": ["0.1 %"]}

# parse_… take keyword arguments too; pydantic must see a function of one value
Time = Annotated[int, PlainValidator(lambda v: parse_time_ns(v)), WithJsonSchema(_TIME)]
PositiveTime = Annotated[int, PlainValidator(_positive(parse_time_ns)), WithJsonSchema(_TIME)]
Rate = Annotated[
    int,
    PlainValidator(lambda v: parse_rate_bps(v)),
    WithJsonSchema(
        _text(("[kKmMgGtT]?bit(/s)?", *RATE_UNITS), "100 Mbit/s", "2.5 Gbps", "10 MB/s")
    ),
]
PositiveSize = Annotated[int, PlainValidator(_positive(parse_size_bytes)), WithJsonSchema(_SIZE)]
SegmentSize = Annotated[int, PlainValidator(_parse_segment), WithJsonSchema(_SIZE)]
BufferSize = Annotated[
    Buffer,
    PlainValidator(parse_buffer),
    WithJsonSchema(
        _text(("BDP", "bdp", "packets?", *SIZE_UNITS), "1.5 BDP", "100 packets", "256 KiB")
    ),
]
Threshold = Annotated[
    Buffer | int,
    PlainValidator(lambda v: parse_threshold(v)),
    WithJsonSchema(
        _text(("BDP", "bdp", "packets?", *SIZE_UNITS, *TIME_UNITS), "30 packets", "5 ms", "0.2 BDP")
    ),
]
"""A length of the queue, as a `Buffer` or as the time [ns] that a packet has to wait."""
PacketCount = Annotated[
    int, PlainValidator(lambda v: parse_packets(v)), WithJsonSchema(_packets(0))
]
MergedPackets = Annotated[int, PlainValidator(_parse_merged), WithJsonSchema(_packets(1))]
PositivePackets = Annotated[
    int, PlainValidator(_positive(parse_packets)), WithJsonSchema(_packets(1))
]
_SHARE = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _PERCENT]}
Share = Annotated[int, PlainValidator(lambda v: parse_share_ppm(v)), WithJsonSchema(_SHARE)]


@dataclass(frozen=True, slots=True)
class Cohort:
    """A number of flows, or a share of them all [ppm]; the other is 0."""

    flows: int = 0
    share_ppm: int = 0

    def size(self, flows: int) -> int:
        """Return how many of that many flows that is, rounded up."""
        return self.flows or -(-flows * self.share_ppm // 1_000_000)


def _parse_cohort(value: object) -> Cohort:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"expected at least one flow, got {value}")
        return Cohort(flows=value)
    try:
        return Cohort(share_ppm=parse_share_ppm(value))
    except ValueError as error:
        message = str(error).removeprefix("expected ")
        raise ValueError(f"expected a number of flows such as 10, or {message}") from None


_COHORT = {"anyOf": [{"type": "integer", "minimum": 1}, _PERCENT]}
CohortSize = Annotated[Cohort, PlainValidator(_parse_cohort), WithJsonSchema(_COHORT)]


@dataclass(frozen=True, slots=True)
class GuardLimit:
    """A share [ppm] or a time [ns]; the other is None."""

    share_ppm: int | None = None
    time_ns: int | None = None


def _parse_threshold(value: object) -> GuardLimit:
    """Return a share of up to 100 times, or a time."""
    text = value.strip() if isinstance(value, str) else ""
    if text.endswith(tuple(TIME_UNITS)):
        return GuardLimit(time_ns=parse_time_ns(value))
    return GuardLimit(share_ppm=parse_share_ppm(value, maximum=100))


GuardThreshold = Annotated[
    GuardLimit,
    PlainValidator(_parse_threshold),
    WithJsonSchema({"anyOf": [*_SHARE["anyOf"], _TIME]}),
]
Probability = Annotated[
    float,
    PlainValidator(parse_probability),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _PERCENT]}),
]
