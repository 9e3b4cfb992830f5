"""Whether the private areas of two sockets refer to one thing that can change."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ccsim.kernel.sock import Sock

__all__ = ["shared_parts"]

DEPTH = 6  # of containers within containers
CONTAINERS = (dict, list, set, tuple, deque, bytearray, np.ndarray)


def shared_parts(one: Any, other: Any) -> str | None:
    """Return the way to the first changeable thing that both refer to; None if there is none.

    The way reads as Python does: ``.rtts`` for an attribute, empty for the areas themselves.
    """
    if one is None or other is None:
        return None
    known = {id(part) for _, part in _parts(other, "", 0)}
    return next((way for way, part in _parts(one, "", 0) if id(part) in known), None)


def _parts(value: Any, way: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield what can change among the things that a private area refers to, and the way to it."""
    if depth > DEPTH or not _holds_state(value):
        return
    if not isinstance(value, tuple) and not _is_frozen(value):
        yield way, value
    for name, inner in _inside(value):
        yield from _parts(inner, way + name, depth + 1)


def _holds_state(value: Any) -> bool:
    """Report whether a value is a container or an object of a class of its own; sockets belong to
    the host.
    """
    if isinstance(value, CONTAINERS):
        return True
    return hasattr(type(value), "__dataclass_fields__") or (
        not isinstance(value, Sock | type | np.generic)
        and not callable(value)
        and type(value).__module__.startswith("_ccsim_object_")
    )


def _is_frozen(value: Any) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return bool(parameters is not None and parameters.frozen)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items())
    elif isinstance(value, list | tuple | deque):
        yield from ((f"[{k}]", inner) for k, inner in enumerate(value))
    elif is_dataclass(value):
        yield from ((f".{f.name}", getattr(value, f.name, None)) for f in fields(value))
    elif hasattr(value, "__dict__"):
        yield from ((f".{name}", inner) for name, inner in vars(value).items())
