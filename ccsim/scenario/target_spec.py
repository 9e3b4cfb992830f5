"""What a socket, a link or a swap chooses: a name, and beside it parameters of its own."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from ccsim.scenario import names
from ccsim.scenario.keys import key
from ccsim.spec.limits import Parameter
from ccsim.units import show

__all__ = ["Congestion", "CongestionSpec", "MapSpec", "MapTarget", "Target"]


class _Parametrised(BaseModel):
    """A name, and parameters of what bears it as further keys."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @property
    def params(self) -> dict[str, Parameter]:
        """The parameters by name."""
        return dict(self.model_extra or {})


class CongestionSpec(_Parametrised):
    """A registered name, and parameters of that implementation beside it."""

    name: names.Registered = key("Registered name of the implementation.")


class MapSpec(_Parametrised):
    """A map, and parameters of its table beside it."""

    name: names.MapName = key("The map's name.")


def _named(value: object) -> object:
    """Let a bare name stand for a mapping; each parameter must be one number, word or truth."""
    if isinstance(value, _Parametrised):
        return value
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise ValueError(f'expected a name such as "cubic", got {show(value)}')
    for name, parameter in value.items():
        if not isinstance(parameter, Parameter) or not _is_finite(parameter):
            raise ValueError(f"parameter {name!r}: expected a number, got {show(parameter)}")
    return value


def _named_if_any(value: object) -> object:
    return None if value is None else _named(value)


def _is_finite(parameter: Parameter) -> bool:
    """Refuse what JSON, and so a stored scenario, has no word for."""
    return not isinstance(parameter, float) or math.isfinite(parameter)


_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1}},
            "required": ["name"],
            "additionalProperties": {"type": ["number", "string", "boolean"]},
        },
    ],
    "examples": ["cubic", {"name": "cubic", "beta": 717}],
}
Congestion = Annotated[
    CongestionSpec | None, BeforeValidator(_named_if_any), WithJsonSchema(_SCHEMA)
]
Target = Annotated[CongestionSpec, BeforeValidator(_named), WithJsonSchema(_SCHEMA)]
MapTarget = Annotated[MapSpec, BeforeValidator(_named), WithJsonSchema(_SCHEMA)]
