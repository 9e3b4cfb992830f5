"""The types of a scenario's fields: how each is parsed, and how an editor is told to spell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from ccsim.scenario.models import MAX_GRO_PACKETS, MAX_MSS_BYTES
from ccsim.scenario.objects import Known
from ccsim.scenario.vocabulary import (
    FLOW_NAME,
    GUARD_METRICS,
    INIT_NET,
    LINK_NAME_BYTES,
    PROFILES,
    QDISCS,
    STATE_POLICIES,
    TRIGGER_STATES,
    did_you_mean,
    is_harmless,
    listed,
)
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
    "FlowRef",
    "FlowRefs",
    "GuardMetric",
    "GuardThreshold",
    "LinkName",
    "LinkRef",
    "ListenerRef",
    "ListenerRefs",
    "MapName",
    "MergedPackets",
    "Name",
    "NamespaceName",
    "NamespaceRef",
    "PacketCount",
    "PositivePackets",
    "PositiveSize",
    "PositiveTime",
    "Probability",
    "Profile",
    "Qdisc",
    "Rate",
    "Recorded",
    "Registered",
    "SegmentSize",
    "Share",
    "State",
    "Threshold",
    "Time",
    "TriggerState",
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
        """Return how many of so many flows that is, rounded up."""
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


def _word(what: str, known: Mapping[str, str]) -> tuple[PlainValidator, WithJsonSchema]:
    """Return the annotations of a field that takes one word of a table."""

    def check(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        return unknown(what, value, known)

    return PlainValidator(check), WithJsonSchema({"type": "string", "enum": list(known)})


def unknown(what: str, value: object, known: Iterable[str], *, none: str = "there is none") -> str:
    """Raise the ValueError for a word that is not in a table, with the nearest or all that are."""
    if not isinstance(value, str):
        raise ValueError(f"expected the name of a {what}, got {show(value)}")
    words = sorted(known)
    some = f"; expected {listed(words)}" if words else f"; {none}"
    raise ValueError(f"no {what} {value!r}{did_you_mean(value, words) or some}")


Qdisc = Annotated[str, *_word("qdisc", QDISCS)]
TriggerState = Annotated[str, *_word("state", TRIGGER_STATES)]
GuardMetric = Annotated[str, *_word("guard metric", GUARD_METRICS)]
Profile = Annotated[str, *_word("kernel profile", PROFILES)]


def _check_name(value: object) -> str:
    """Accept what is harmless as a file name, a column and a legend."""
    if isinstance(value, str) and is_harmless(value):
        return value
    raise ValueError(f"expected a name of 1 to 64 of A-Z a-z 0-9 _ . -, got {show(value)}")


def _check_link_name(value: object) -> str:
    """Accept what the kernel accepts as a name (``bpf_obj_name_cpy``): at most 15 bytes."""
    text = value if isinstance(value, str) else ""
    if len(text.encode()) > LINK_NAME_BYTES:
        limit = f"at most {LINK_NAME_BYTES} bytes (the kernel's TCP_CA_NAME_MAX; EINVAL)"
        raise ValueError(f"expected a registered name of {limit}, got {len(text.encode())} bytes")
    if not FLOW_NAME.fullmatch(text) or "-" in text:
        allowed = "A-Z a-z 0-9 _ . (the kernel refuses others; EINVAL)"
        raise ValueError(f"expected a registered name of {allowed}, got {show(value)}")
    if text == "reno":
        raise ValueError("expected a name that is free, got 'reno', which is built in (EEXIST)")
    return text


def _known(info: ValidationInfo) -> Known:
    return info.context if isinstance(info.context, Known) else Known()


def _check_registered(value: object, info: ValidationInfo) -> str:
    known = _known(info)
    if isinstance(value, str) and value and (value in known.names or not known.complete):
        return value
    return unknown("algorithm", value, known.names)


def _check_state(value: object, info: ValidationInfo) -> str:
    known = {*STATE_POLICIES, *_known(info).policies}
    if isinstance(value, str) and value in known:
        return value
    return unknown("state policy", value, known)


def _check_flow(value: object, info: ValidationInfo) -> str:
    """Accept the name of exactly one flow."""
    known = _known(info).flows
    if not isinstance(value, str) or value not in known:
        return unknown("flow", value, known)
    if value in _known(info).workloads:
        raise ValueError(f"expected one flow, got {value!r}, which is a workload")
    if len(known[value]) != 1:
        raise ValueError(f"expected one flow, got {value!r}, which are {len(known[value])}")
    return value


def _check_map(value: object, info: ValidationInfo) -> str:
    known = _known(info)
    if isinstance(value, str) and value and (value in known.maps or not known.complete):
        return value
    return unknown("algorithm", value, known.maps)


def _check_link(value: object, info: ValidationInfo) -> str:
    known = _known(info)
    if isinstance(value, str) and value in known.links:
        return value
    return unknown("link", value, known.links, none="the scenario has no links")


def _check_namespace_name(value: object) -> str:
    """Accept the name of a namespace that the scenario may add."""
    if value == INIT_NET:
        raise ValueError(f"{INIT_NET!r} is the initial namespace; its default is kernel.default")
    return _check_name(value)


def _check_namespace(value: object, info: ValidationInfo) -> str:
    known = _known(info)
    if isinstance(value, str) and value in known.namespaces:
        return value
    return unknown("network namespace", value, known.namespaces)


def _check_listener(value: object, info: ValidationInfo) -> str:
    known = _known(info)
    if isinstance(value, str) and value in known.listeners:
        return value
    return unknown("listener", value, known.listeners, none="the scenario has no listeners")


def _check_listeners(value: object, info: ValidationInfo) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of listeners such as [web], got {show(value)}")
    return tuple(dict.fromkeys(_check_listener(name, info) for name in value))


def _check_flows(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Accept "all" (here the empty tuple) or a list; a name with a count means all its flows."""
    if value == "all":
        return ()
    if not isinstance(value, list) or not value:
        raise ValueError(f'expected "all" or a list of flows such as [bulk], got {show(value)}')
    known = _known(info).flows
    chosen: list[str] = []
    for name in value:
        if not isinstance(name, str) or name not in known:
            unknown("flow", name, known)
        chosen += known[name]
    return tuple(dict.fromkeys(chosen))


def _check_recorded(value: object, info: ValidationInfo) -> object:
    """Accept whose traces are kept: a word for all flows, or a list of flows and workloads."""
    if isinstance(value, str) and value in ("all", "none", "aggregate"):
        return value
    if not isinstance(value, list) or not value:
        words = "'all', 'none', 'aggregate' or a list of flows"
        raise ValueError(f"expected {words}, got {show(value)}")
    return _check_flows(value, info)


_WORD = WithJsonSchema({"type": "string", "minLength": 1})
_NAME_PATTERN = "^[A-Za-z0-9_.-]{1,64}$"
Name = Annotated[
    str,
    PlainValidator(_check_name),
    WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN, "examples": ["bulk"]}),
]
LinkName = Annotated[
    str,
    PlainValidator(_check_link_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_.]{1,15}$"}),
]
LinkRef = Annotated[str, PlainValidator(_check_link), _WORD]
MapName = Annotated[str, PlainValidator(_check_map), _WORD]
Registered = Annotated[str, PlainValidator(_check_registered), _WORD]
NamespaceName = Annotated[
    str,
    PlainValidator(_check_namespace_name),
    WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN}),
]
NamespaceRef = Annotated[str, PlainValidator(_check_namespace), _WORD]
ListenerRef = Annotated[str, PlainValidator(_check_listener), _WORD]
ListenerRefs = Annotated[
    tuple[str, ...],
    PlainValidator(_check_listeners),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "examples": [["web"]],
        }
    ),
]
FlowRef = Annotated[str, PlainValidator(_check_flow), _WORD]
State = Annotated[
    str,
    PlainValidator(_check_state),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": list(STATE_POLICIES)}),
]
Recorded = Annotated[
    Literal["all", "none", "aggregate"] | tuple[str, ...],
    PlainValidator(_check_recorded),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["all", "none", "aggregate"]},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
        }
    ),
]
FlowRefs = Annotated[
    tuple[str, ...],
    PlainValidator(_check_flows),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "all"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": [["bulk"], "all"],
        }
    ),
]
