"""What pydantic finds wrong, said in the scenario's own terms and placed on its lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ccsim.errors import Problem
from ccsim.scenario import (
    cross_traffic_spec,
    flow_spec,
    hosts_spec,
    path_spec,
    spec,
    swap_spec,
    tcp_spec,
)
from ccsim.scenario.document import Document, Location
from ccsim.scenario.names import unknown
from ccsim.scenario.target_spec import CongestionSpec, MapSpec
from ccsim.scenario.traffic_spec import ArrivalsSpec, OnOffSpec, RequestsSpec
from ccsim.scenario.vocabulary import MECHANISMS, did_you_mean, listed
from ccsim.units import show

__all__ = ["problems_of"]

_SWAPS: Mapping[str, type[BaseModel]] = {
    "setsockopt": swap_spec.SetsockoptSpec,
    "link_update": swap_spec.LinkUpdateSpec,
    "sweep": swap_spec.SweepSpec,
    "sysctl": swap_spec.SysctlSpec,
    "reregister": swap_spec.ReregisterSpec,
    "staged": swap_spec.StagedSpec,
}
_IN_SWAPS: Mapping[str, type[BaseModel]] = {
    "when": swap_spec.WhenSpec,
    "guard": swap_spec.GuardSpec,
}
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "path": path_spec.PathSpec,
    "changes": path_spec.ChangeSpec,
    "flows": flow_spec.FlowSpec,
    "workloads": flow_spec.WorkloadSpec,
    "listeners": flow_spec.ListenerSpec,
    "record": spec.RecordSpec,
    "kernel": spec.KernelSection,
    "tcp": tcp_spec.TcpSpec,
    "hosts": hosts_spec.HostsSpec,
    "traffic": cross_traffic_spec.TrafficSpec,
}
_IN_HOSTS: Mapping[str, type[BaseModel]] = {
    "hosts": hosts_spec.HostsSpec,
    "sender": hosts_spec.HostSpec,
    "receiver": hosts_spec.HostSpec,
    "lateness": hosts_spec.LatenessSpec,
    "stalls": hosts_spec.StallsSpec,
}
_NESTED: Mapping[str, type[BaseModel]] = {
    "source": flow_spec.SourceSpec,
    "receiver": flow_spec.ReceiverSpec,
    "ecn": path_spec.EcnSpec,
    "walk": path_spec.WalkSpec,
    "arrivals": ArrivalsSpec,
    "on_off": OnOffSpec,
    "requests": RequestsSpec,
}
_EXPECTED = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
}


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """Return one problem for each error that pydantic reports."""
    return [_problem(details, document) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, document: Document) -> Problem:
    kind, raw = details["type"], details["loc"]
    model = _model_at(raw)
    location = _in_document(raw, document)
    if kind == "extra_forbidden":
        message = _unknown_key(str(raw[-1]), model)
    elif kind == "missing":
        message = _missing(str(raw[-1]), model)
    elif kind == "union_tag_invalid":
        location = (*location, "via")
        message = _said(lambda: unknown("mechanism", document.get(*location), MECHANISMS))
    elif kind == "union_tag_not_found":
        location = (*location, "via")
        message = f"missing key 'via'; expected {listed(MECHANISMS)}"
    else:
        message = _message(details)
    at_key = kind == "extra_forbidden" or raw[-1:] == ("[key]",)
    return document.problem(location, message, at_key=at_key)


def _message(details: ErrorDetails) -> str:
    """Return what is wrong with one value."""
    kind, context, got = details["type"], details.get("ctx", {}), show(details["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {got}"
    if kind == "literal_error":
        return f"expected {context['expected']}, got {got}"
    if kind == "greater_than_equal":
        return f"expected at least {context['ge']}, got {got}"
    if kind == "less_than_equal":
        return f"expected at most {context['le']}, got {got}"
    return f"{details['msg'][:1].lower()}{details['msg'][1:]}, got {got}"


def _unknown_key(key: str, model: type[BaseModel]) -> str:
    keys = list(model.model_fields)
    return f"unknown key {key!r}{did_you_mean(key, keys) or f'; expected {listed(keys)}'}"


def _missing(key: str, model: type[BaseModel]) -> str:
    description = (model.model_fields[key].description or "").rstrip(".")
    return f"missing key {key!r}: {description[:1].lower()}{description[1:]}"


def _said(check: Callable[[], object]) -> str:
    """Return what a check says when it raises."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return ""


def _model_at(raw: Location) -> type[BaseModel]:
    """Return the model whose key pydantic speaks of: the one at all but the last step."""
    enclosing = raw[:-1]
    if not enclosing:
        return spec.ScenarioSpec
    if enclosing[0] == "swaps" and enclosing[-1] in _IN_SWAPS:
        return _IN_SWAPS[str(enclosing[-1])]
    if enclosing[0] == "traffic" and enclosing[-1] == "on_off":
        return cross_traffic_spec.OnOffTimes
    if enclosing[0] == "hosts":
        return _IN_HOSTS[str(enclosing[-1])]
    if enclosing[-1] in ("congestion", "to"):
        return CongestionSpec
    if enclosing[0] == "links":
        return MapSpec
    if enclosing[0] == "swaps" and len(enclosing) > 2:
        return _SWAPS[str(enclosing[2])]
    if str(enclosing[-1]) in _NESTED:
        return _NESTED[str(enclosing[-1])]
    if enclosing[0] in ("hops", "routes"):
        return path_spec.HopSpec if enclosing[0] == "hops" else path_spec.RouteSpec
    return _SECTIONS.get(str(enclosing[0]), spec.ScenarioSpec)


def _in_document(raw: Location, document: Document) -> Location:
    """Drop the steps that pydantic adds: a swap's mechanism, "[key]", the name in a bare word."""
    location = tuple(step for step in raw if step != "[key]")
    if location[:1] == ("swaps",) and len(location) > 2:
        location = (*location[:2], *location[3:])
    if location[-1:] == ("name",) and isinstance(document.get(*location[:-1]), str):
        location = location[:-1]
    return location
