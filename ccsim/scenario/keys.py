"""What every mapping of a scenario has in common, and how one of its keys is described."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Spec", "key"]


class Spec(BaseModel):
    """A mapping of a scenario as written: no other keys than these."""

    # defaults are written with their units, so they are parsed like everything else
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


def key(description: str, default: Any = ..., **limits: Any) -> Any:
    """Describe one key; its default is written as people write it."""
    return Field(default, description=description, **limits)
