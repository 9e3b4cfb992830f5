"""What pydantic finds wrong, said in the scenario's own terms and placed on its lines."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ccsim.errors import Problem
from ccsim.scenario.document import Document, Location
from ccsim.scenario.names import unknown
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.vocabulary import MECHANISMS, did_you_mean, listed
from ccsim.units import show

__all__ = ["problems_of"]

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
    inside: list[Any] = [ScenarioSpec]
    for step in raw[:-1]:
        inside = [one for outer in inside for one in _inside(outer, step)]
    models = [one for outer in inside for one in _models(outer)]
    return models[0] if models else ScenarioSpec


def _inside(annotation: Any, step: str | int) -> list[Any]:
    """Return the types of what is at one step of pydantic's inside a value of a type."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _inside(parts[0], step)
    if origin in (Union, UnionType):
        return [one for part in parts for one in _inside(part, step)]
    if origin in (tuple, list):
        return [parts[0]]
    if origin is dict:
        return [parts[1]]
    if not _is_model(annotation):
        return []
    fields = annotation.model_fields
    if "via" in fields and step in get_args(fields["via"].annotation):
        return [annotation]  # a step that only chooses among the mechanisms
    return [fields[step].annotation] if step in fields else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _models(get_args(annotation)[0])
    return [one for part in get_args(annotation) for one in _models(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _in_document(raw: Location, document: Document) -> Location:
    """Drop the steps that pydantic adds: a swap's mechanism, "[key]", the name in a bare word."""
    location = tuple(step for step in raw if step != "[key]")
    if location[:1] == ("swaps",) and len(location) > 2:
        location = (*location[:2], *location[3:])
    if location[-1:] == ("name",) and isinstance(document.get(*location[:-1]), str):
        location = location[:-1]
    return location
