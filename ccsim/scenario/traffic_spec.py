"""How a workload's arrivals, sizes and silences are written: `ccsim.scenario.traffic` from YAML."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    PlainValidator,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from ccsim.scenario import quantities as q
from ccsim.scenario.keys import Spec, key
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.sim.flow_sizes import TABLES
from ccsim.spec import Distribution
from ccsim.spec.limits import MAX_CONNECTIONS
from ccsim.units import parse_gap_ns, parse_size_bytes, parse_time_ns, show

__all__ = [
    "ArrivalsSpec",
    "Gap",
    "OnOffSpec",
    "RequestsSpec",
    "Sizes",
    "Times",
    "parse_points",
    "parse_times",
]

_KINDS = ("exponential", "pareto")
Parse = Callable[[object], int]


def _distribution(value: object, parse: Parse, example: str) -> Distribution:
    """Return a distribution of what ``parse`` reads; ValueError says how to write it."""
    if isinstance(value, Mapping):
        if len(value) != 1 or next(iter(value)) not in _KINDS:
            got = listed(map(str, value)) if value else "an empty mapping"
            raise ValueError(f"expected one of 'exponential' or 'pareto', got {got}")
        (kind, inner), *_ = value.items()
        if kind == "exponential":
            return Distribution(kind="exponential", value=parse(inner))
        return _pareto(inner, parse, example)
    return Distribution(kind="fixed", value=parse(value))


def _pareto(value: object, parse: Parse, example: str) -> Distribution:
    expected = f"expected {{min: {example}, shape: 1.2, max: …}}"
    if not isinstance(value, Mapping) or set(value) != {"min", "shape", "max"}:
        got = listed(map(str, value)) if isinstance(value, Mapping) else show(value)
        raise ValueError(f"{expected}, got {got}")
    low, top, shape = parse(value["min"]), parse(value["max"]), value["shape"]
    if isinstance(shape, bool) or not isinstance(shape, int | float) or not 0 < shape <= 100:
        raise ValueError(f"expected a shape above 0 and up to 100, got {show(shape)}")
    if not 0 < low < top:
        raise ValueError(f"expected a min above 0 and below max, got {show(value['min'])}")
    return Distribution(kind="pareto", value=low, shape=float(shape), top=top)


def parse_times(value: object) -> Distribution:
    """Return a distribution of times [ns]."""
    return _distribution(value, lambda v: parse_time_ns(v), "10 ms")


def _parse_sizes(value: object) -> Distribution:
    if isinstance(value, str) and value in TABLES:
        return Distribution(kind="table", points=TABLES[value])
    if isinstance(value, list):
        return parse_points(value, "bytes", _bytes, "10 kB")
    if isinstance(value, str) and not value.strip()[:1].isdigit():
        known = f'; expected {listed(TABLES)}, or a size such as "64 KiB"'
        raise ValueError(f"no table of sizes {value!r}{did_you_mean(value, TABLES) or known}")
    return _distribution(value, lambda v: parse_size_bytes(v, minimum=1), "1 KiB")


def parse_points(rows: list[object], key: str, parse: Parse, example: str) -> Distribution:
    """Return the distribution that a list of points is: what ``parse`` reads of each ``key`` grows,
    shares end in 1."""
    points = [_point(row, key, parse, example) for row in rows]
    if len(points) < 2:
        raise ValueError(f"expected two points or more, got {len(points)}")
    for (low, before), (high, share) in pairwise(points):
        if high < low or share < before:
            what = {"bytes": "sizes"}.get(key, f"{key}s")
            message = f"expected {what} and shares that do not fall"
            raise ValueError(f"{message}, got {high} at {share:g}")
    if points[-1][1] != 1:
        raise ValueError(f"expected cdf 1 at the last point, got {points[-1][1]:g}")
    return Distribution(kind="table", points=tuple(points))


def _bytes(size: object) -> int:
    bare = isinstance(size, int) and not isinstance(size, bool)
    return parse_size_bytes(f"{size} B" if bare else size, minimum=1)


def _point(row: object, key: str, parse: Parse, example: str) -> tuple[int, float]:
    if not isinstance(row, Mapping) or set(row) != {key, "cdf"}:
        such = f"{{{key}: {example}, cdf: 0.5}}"
        raise ValueError(f"expected points such as {such}, got {show(row)}")
    number, share = parse(row[key]), row["cdf"]
    good = isinstance(share, int | float) and not isinstance(share, bool)
    if not good or not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"expected a cdf from 0 to 1, got {show(share)}")
    return number, float(share)


def _schema(text: dict[str, Any], *more: dict[str, Any]) -> WithJsonSchema:
    pareto = {
        "type": "object",
        "properties": {"min": text, "shape": {"type": "number"}, "max": text},
        "required": ["min", "shape", "max"],
        "additionalProperties": False,
    }
    drawn = {
        "type": "object",
        "properties": {"exponential": text, "pareto": pareto},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    return WithJsonSchema({"anyOf": [*more, text, drawn]})


_POINT = {
    "type": "object",
    "properties": {"bytes": {"type": ["string", "integer"]}, "cdf": {"type": "number"}},
    "required": ["bytes", "cdf"],
    "additionalProperties": False,
}
_TABLE = {"type": "array", "minItems": 2, "items": _POINT}
Sizes = Annotated[
    Distribution,
    PlainValidator(_parse_sizes),
    _schema(q.SIZE_SCHEMA, {"enum": list(TABLES)}, _TABLE),
]
Times = Annotated[Distribution, PlainValidator(parse_times), _schema(q.TIME_SCHEMA)]
Gap = Annotated[
    int,
    PlainValidator(lambda v: parse_gap_ns(v)),
    WithJsonSchema({"type": "string", "pattern": r"^ *[0-9.eE+-]+ */ *(s|min|h) *$"}),
]


class ArrivalsSpec(Spec):
    """When connections arrive; exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    poisson: Gap | None = key('At random, this many on average, such as "20 /s".', None)
    load: q.Probability | None = key(
        "At random, so many that their sizes make this share of the bottleneck's rate.", None
    )
    every: q.PositiveTime | None = key("One after another, so far apart.", None)
    at_once: StrictInt | None = key("This many at the start.", None, ge=1, le=MAX_CONNECTIONS)

    @model_validator(mode="after")
    def _exactly_one(self) -> ArrivalsSpec:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            got = listed(given) if given else "none"
            words = listed(type(self).model_fields)
            raise ValueError(f"expected one of {words}, got {got}")
        return self


class OnOffSpec(Spec):
    """An application that writes for a time and is silent for a time."""

    on: Times = key('How long it writes, such as "1 s" or {exponential: 1 s}.')
    off: Times = key("How long it is silent.")
    rate: q.Rate = key("Payload that it writes while it does.")

    @model_validator(mode="after")
    def _takes_time(self) -> OnOffSpec:
        if self.on == self.off == Distribution(kind="fixed", value=0):
            raise ValueError("expected on or off above 0 s, got 0 s for both: its turns never end")
        return self


class RequestsSpec(Spec):
    """A client that asks for responses, one after the other."""

    think: Times = key("Time between a response's end and the next request.", "0 s")
    request: Sizes = key("Size of a request.", "500 B")
    response: Sizes = key("Size of a response: a table's name, a size, or a distribution.")
    count: StrictInt | None = key("Requests a connection.", None, ge=1, le=MAX_CONNECTIONS)
