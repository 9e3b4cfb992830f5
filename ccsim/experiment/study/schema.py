"""The JSON schema of a study's file as people write it, for editors."""

from __future__ import annotations

from typing import Any

from ccsim.experiment.study.read import BACKENDS, KEEP, MAX_POINTS
from ccsim.scenario import scenario_schema
from ccsim.spec.limits import MAX_SEED

__all__ = ["study_schema"]

_SEED = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
_COUNT = {"type": "integer", "minimum": 1, "maximum": MAX_POINTS}
_SCALAR = {"type": ["string", "integer", "number"]}
_SAMPLED = {"$ref": "#/$defs/Sampled"}
_DESIGN = {
    "description": "Which keys get which values; several forms are crossed.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "grid": {
            "description": "Every combination of the factors' values.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/Factor"},
        },
        "list": {
            "description": "The points as they stand.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "object"},
        },
        "random": {"description": "A Latin hypercube.", **_SAMPLED},
        "sobol": {"description": "Sobol's sequence, shifted digitally.", **_SAMPLED},
    },
}
_FACTOR = {
    "description": "Values of a key, or of several keys that move together.",
    "anyOf": [
        {"type": "array", "minItems": 1},
        {"$ref": "#/$defs/KeyedFactor"},
        {"$ref": "#/$defs/LabelledValues"},
    ],
}
_KEYED_FACTOR = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "key": {"description": "The key that it sets.", "type": "string"},
        "keys": {
            "description": "The keys that it sets together.",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
        },
        "values": {
            "description": "A list, or label: value.",
            "anyOf": [{"type": "array", "minItems": 1}, {"type": "object"}],
        },
        "ordered_pairs": {
            "description": "All pairs of two different ones, in both orders.",
            "type": "array",
            "minItems": 2,
        },
    },
}
_POINTS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["points", "over"],
    "properties": {
        "points": {"description": "How many.", **_COUNT},
        "seed": {"description": "Of the design itself.", **_SEED},
        "over": {
            "description": "What each key is drawn from.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/Range"},
        },
    },
}
_RANGE = {
    "description": "From low to high, or one of some.",
    "anyOf": [
        {"type": "array", "items": _SCALAR, "minItems": 2, "maxItems": 2},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["low", "high"],
            "properties": {
                "low": _SCALAR,
                "high": _SCALAR,
                "scale": {"enum": ["linear", "log"]},
            },
        },
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["choice"],
            "properties": {"choice": {"type": "array", "minItems": 1}},
        },
    ],
}
_PARTS = {
    "Design": _DESIGN,
    "Factor": _FACTOR,
    "KeyedFactor": _KEYED_FACTOR,
    "LabelledValues": {"description": "label: value", "type": "object"},
    "Sampled": _POINTS,
    "Range": _RANGE,
}
_KEYS = {
    "name": {
        "description": "Its folder below results; else the file's name.",
        "type": "string",
        "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$",
    },
    "description": {"description": "What it asks, in a sentence.", "type": "string"},
    "base": {
        "description": "A shipped scenario, a file beside this one, or a scenario.",
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/Scenario"}],
    },
    "design": {"$ref": "#/$defs/Design"},
    "seeds": {
        "description": "How many from 1 on, a list, or how many from a first one on.",
        "anyOf": [
            _COUNT,
            {"type": "array", "items": _SEED, "minItems": 1},
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {"first": _SEED, "count": _COUNT},
            },
        ],
    },
    "jitter": {
        "description": "Keys drawn anew for each seed, the same for all points.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Range"},
    },
    "keep": {"description": "Numbers alone, or run folders.", "enum": list(KEEP)},
    "backend": {
        "description": "What runs it: the simulator, or this machine's kernel.",
        "enum": list(BACKENDS),
    },
    "publish": {
        "description": "What --publish stores: a row a run, and cells with intervals.",
        "type": "object",
        "additionalProperties": False,
        "required": ["select", "by"],
        "properties": {
            "select": {"description": "SQL over the study's tables.", "type": "string"},
            "by": {
                "description": "Columns that make cells, level by level.",
                "type": "array",
                "minItems": 1,
                "items": {"type": "array", "items": {"type": "string"}},
            },
            "variance": {
                "description": "The factors of a complete grid, for Sobol's indices.",
                "type": "array",
                "items": {"type": "string"},
            },
        },
    },
    "quick": {
        "description": "What --quick sets instead: dotted keys of the study.",
        "type": "object",
        "minProperties": 1,
    },
}


def study_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of studies.

    A scenario under ``base`` may lack what the design sets; keys and values of the design are those
    of a scenario, which `ccsim check` holds them against.
    """
    scenario = scenario_schema()
    own = {
        key: value for key, value in scenario.items() if key not in ("$schema", "$defs", "title")
    }
    own.pop("required", None)
    return {
        "$schema": scenario["$schema"],
        "$defs": {**scenario["$defs"], "Scenario": own, **_PARTS},
        "title": "ccsim study",
        "description": "One scenario over a design and seeds, run once each, stored as one table.",
        "type": "object",
        "additionalProperties": False,
        "required": ["base"],
        "properties": _KEYS,
    }
