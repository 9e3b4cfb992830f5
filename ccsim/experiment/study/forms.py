"""Forms of a study: quick, as its key ``quick`` says, and published, as ``publish`` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ccsim.errors import ScenarioError
from ccsim.scenario.document import Document, Location
from ccsim.units import show

__all__ = ["Publication", "quickened", "read_publication"]

QUICK = "quick"
NAME = "-quick"
_OWN = ("name", QUICK, "publish")


def quickened(document: Document, name: str) -> None:
    """Set in a study's document what its ``quick`` holds, dotted keys to values, and its name.

    ScenarioError says where a key leads nowhere, or that the study has no quick form.
    """
    given = document.get(QUICK)
    if not isinstance(given, Mapping) or not given:
        message = f"expected a quick form, such as quick: {{seeds: 2}}, got {show(given)}"
        raise ScenarioError(document.problem((QUICK,), message))
    for key, value in given.items():
        _set(document, str(key), value)
    document.data["name"] = f"{name}{NAME}"


def _set(document: Document, key: str, value: Any) -> None:
    """Set one value, with its places in the file."""
    location: Location = tuple(key.split("."))
    holder: Any = document.data
    for step in location[:-1]:
        holder = holder.get(step) if isinstance(holder, Mapping) else None
    if not isinstance(holder, dict) or location[0] in _OWN:
        message = f"expected a key of this study such as seeds or base.duration, got {key!r}"
        raise ScenarioError(document.problem((QUICK, key), message, at_key=True))
    holder[location[-1]] = value
    for places in (document.keys, document.values):
        for old in [place for place in places if place[: len(location)] == location]:
            del places[old]
        new = {place[2:]: at for place, at in places.items() if place[:2] == (QUICK, key)}
        places.update({(*location, *rest): at for rest, at in new.items()})


@dataclass(frozen=True, slots=True)
class Publication:
    """``select``: SQL that gives a row a run, with ``seed``; ``by``: columns that make cells, level
    by level; ``variance``: the factors of a complete grid, among which variance is shared out."""

    select: str
    by: tuple[tuple[str, ...], ...]
    variance: tuple[str, ...] = ()


def read_publication(document: Document) -> Publication | None:
    """Return what a study says under ``publish``; ValueError if it says no such thing."""
    given = document.get("publish")
    if given is None:
        return None
    keys = set(given) - {"variance"} if isinstance(given, Mapping) else set()
    if keys != {"select", "by"}:
        raise ValueError("expected select: SQL and by: lists of its columns")
    select, by, variance = given["select"], given["by"], given.get("variance", [])
    if not isinstance(select, str):
        raise ValueError("expected SQL under select")
    levels = [level for level in by if isinstance(level, list)] if isinstance(by, list) else []
    if not isinstance(by, list) or len(levels) != len(by) or not by:
        raise ValueError("expected lists of columns under by, such as [[old, new], []]")
    if not isinstance(variance, list):
        raise ValueError("expected a list of columns under variance")
    grouped = tuple(tuple(map(str, level)) for level in levels)
    return Publication(select, grouped, tuple(map(str, variance)))
