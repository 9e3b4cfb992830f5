"""Tests of the JSON schema for editors: it accepts what loads, and refuses common slips."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ccsim import catalog
from ccsim.net.qdisc import KINDS
from ccsim.scenario import MECHANISMS, QDISCS, scenario_schema
from ccsim.scenario.document import parse_document

SCHEMA = scenario_schema()
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def has_type(value: object, names: str | list[str]) -> bool:
    several = [names] if isinstance(names, str) else names
    return any(isinstance(value, TYPES[n]) for n in several) and not (
        isinstance(value, bool) and "boolean" not in several
    )


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Judge a value by the keywords of JSON schema that ours uses."""
    return not any(faults(schema, value))


def faults(schema: dict[str, Any], value: Any) -> Iterator[bool]:
    if "$ref" in schema:
        yield not accepts(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
    if "type" in schema:
        yield not has_type(value, schema["type"])
    if "anyOf" in schema:
        yield not any(accepts(option, value) for option in schema["anyOf"])
    if "oneOf" in schema:
        yield sum(accepts(option, value) for option in schema["oneOf"]) != 1
    if "const" in schema:
        yield value != schema["const"]
    if "enum" in schema:
        yield value not in schema["enum"]
    if isinstance(value, str) and "pattern" in schema:
        yield re.search(schema["pattern"], value) is None
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value < schema.get("minimum", value) or value > schema.get("maximum", value)
    if isinstance(value, list):
        yield len(value) < schema.get("minItems", 0)
        yield any(not accepts(schema.get("items", {}), item) for item in value)
    if isinstance(value, dict):
        yield from mapping_faults(schema, value)


def mapping_faults(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[bool]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield any(key not in value for key in schema.get("required", []))
    yield not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 99)
    for key, item in value.items():
        if key in properties:
            yield not accepts(properties[key], item)
        elif isinstance(others, dict):
            yield not accepts(others, item)
        else:
            yield not others


def base(**changes: Any) -> dict[str, Any]:
    return {
        "name": "x",
        "duration": "60 s",
        "path": {"rate": "100 Mbit/s", "rtt": "40 ms"},
        "flows": [{"congestion": "cubic"}],
        **changes,
    }


def test_the_schema_is_json_and_describes_every_key() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["properties"]["duration"]["examples"] == ["40 ms", "1.5 s", "200 us"]
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    for model in models:
        for key, schema in model["properties"].items():
            section = SCHEMA["$defs"].get(schema.get("$ref", "").rpartition("/")[2], {})
            assert schema.get("description") or section.get("description"), key
        assert model["additionalProperties"] is False


def test_defaults_are_shown_as_people_write_them() -> None:
    assert SCHEMA["$defs"]["PathSpec"]["properties"]["buffer"]["default"] == "1 BDP"
    assert SCHEMA["$defs"]["RecordSpec"]["properties"]["interval"]["default"] == "10 ms"


def test_words_are_enumerated() -> None:
    word, mapping = SCHEMA["$defs"]["PathSpec"]["properties"]["qdisc"]["anyOf"]
    assert word["enum"] == mapping["properties"]["kind"]["enum"] == [*QDISCS, *KINDS]
    assert set(SCHEMA["properties"]["swaps"]["items"]["discriminator"]["mapping"]) == set(
        MECHANISMS
    )


@pytest.mark.parametrize("name", sorted(catalog.scenario_files()))
def test_every_shipped_scenario_satisfies_the_schema(name: str) -> None:
    file = catalog.scenario_files()[name]
    assert accepts(SCHEMA, parse_document(file.read_bytes(), file.name).data)


@pytest.mark.parametrize(
    "good",
    [
        base(),
        base(path={"rate": "100mbit", "rtt": ".5 s", "buffer": "256 KiB", "loss": 0.001}),
        base(path={"rate": "2.5 Gbps", "rtt": "200 µs", "buffer": "100 packets", "loss": "1 %"}),
        base(flows=[{"congestion": {"name": "cubic", "beta": 717}, "size": "10 MB", "count": 3}]),
        base(swaps=[{"at": "1 s", "via": "sweep", "to": "bbr", "flows": "all", "over": "5 s"}]),
        base(flows=[{}], namespaces={"edge": "cubic"}, listeners=[{"name": "w", "netns": "edge"}]),
        base(swaps=[{"at": "1 s", "via": "setsockopt", "to": "bbr", "listeners": ["w"]}]),
        base(swaps=[{"at": "1 s", "via": "sysctl", "to": "bbr", "netns": "edge"}]),
        base(tcp={"initial_window": "10 packets", "quickacks": 0}, kernel={"hz": 1000}),
    ],
)
def test_what_loads_satisfies_the_schema(good: dict[str, Any]) -> None:
    assert accepts(SCHEMA, good)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        base(duration=60),
        base(duration="60"),
        base(duration="60 MS"),
        base(sede=1),
        base(seed=-1),
        base(flows=[]),
        base(flows=[{"name": "a/b", "congestion": "cubic"}]),
        base(flows=[7]),
        base(listeners=[{"congestion": "cubic"}]),
        base(swaps=[{"at": "1 s", "via": "sysctl"}]),
        base(path={"rate": "100 Mbit/s"}),
        base(path={"rate": "100 mbps", "rtt": "40 ms"}),
        base(path={"rate": "100 Mbit/s", "rtt": "40 ms", "qdisc": "blue"}),
        base(path={"rate": "100 Mbit/s", "rtt": "40 ms", "loss": 2}),
        base(swaps=[{"at": "1 s", "via": "setsockopt", "to": "bbr"}]),
        base(swaps=[{"at": "1 s", "via": "telepathy", "to": "bbr", "flows": ["a"]}]),
        base(kernel={"hz": 99}),
        base(tcp={"delayed_ack": 1}),
        base(twins="maybe"),
    ],
)
def test_what_does_not_load_fails_the_schema(bad: dict[str, Any]) -> None:
    assert not accepts(SCHEMA, bad)
