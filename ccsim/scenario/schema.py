"""The JSON schema of a scenario file as people write it, for editors."""

from __future__ import annotations

from typing import Any

from ccsim.scenario.spec import ScenarioSpec

__all__ = ["scenario_schema"]


def scenario_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12): units as patterns with examples, words as enumerations."""
    schema = ScenarioSpec.model_json_schema(by_alias=True, mode="validation")
    schema["required"].remove("path")  # hops may stand instead of it
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "anyOf": [{"required": ["path"]}, {"required": ["hops"]}],
        "title": "ccsim scenario",
    }
