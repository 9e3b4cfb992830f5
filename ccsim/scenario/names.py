"""The types of a scenario's words and names: each is checked against what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from ccsim.scenario.objects import Known
from ccsim.scenario.path_presets import PATH_PRESETS
from ccsim.scenario.vocabulary import (
    GUARD_METRICS,
    LINK_NAME_BYTES,
    PROFILES,
    STATE_POLICIES,
    TRIGGER_STATES,
    did_you_mean,
    listed,
)
from ccsim.spec.limits import FLOW_NAME, INIT_NET, is_harmless
from ccsim.units import show

__all__ = [
    "FlowRef",
    "FlowRefs",
    "GuardMetric",
    "LinkName",
    "LinkRef",
    "ListenerRef",
    "ListenerRefs",
    "MapName",
    "Name",
    "NamespaceName",
    "NamespaceRef",
    "PathPreset",
    "Profile",
    "Recorded",
    "Registered",
    "State",
    "TriggerState",
    "unknown",
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
        article = "an" if what[0] in "aeiou" else "a"
        raise ValueError(f"expected the name of {article} {what}, got {show(value)}")
    words = sorted(known)
    some = f"; expected {listed(words)}" if words else f"; {none}"
    raise ValueError(f"no {what} {value!r}{did_you_mean(value, words) or some}")


PathPreset = Annotated[str, *_word("preset of a path", PATH_PRESETS)]
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
