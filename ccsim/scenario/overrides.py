"""Overrides such as ``path.rate=1 Gbit/s``, set in a document before it is validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccsim.errors import Problem, ScenarioError
from ccsim.scenario.document import Document, Location, Step, parse_value
from ccsim.units import show

__all__ = ["apply_overrides", "set_value"]


def apply_overrides(document: Document, overrides: Sequence[str]) -> list[Problem]:
    """Set each ``key=value``, a later one over an earlier one; return those that cannot be set.

    Keys are dotted; an entry of a list is a number from 0 or the ``name`` in it; the value is YAML.
    """
    problems: list[Problem] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        try:
            if not equals or not key.strip():
                raise ValueError('expected key=value such as "path.rate=1 Gbit/s"')
            set_value(document, key.strip(), _parsed(value), text)
        except ValueError as error:
            path = key.strip() if equals else ""
            problems.append(Problem(f"override {text!r}", 0, 0, path, str(error)))
    return problems


def _parsed(text: str) -> Any:
    """Return the value of an override; its errors are told without line and column."""
    try:
        return parse_value(text, "")
    except ScenarioError as error:
        raise ValueError(error.message) from error


def set_value(document: Document, key: str, value: Any, text: str) -> None:
    """Set one value, making the sections on the way that the document leaves out.

    ``text`` is what problems with it are told of, as ``override '…'``. ValueError if the key leads
    nowhere.
    """
    location: Location = ()
    holder: Any = document.data
    *sections, last = key.split(".")
    for section in sections:
        step = _step(holder, section, location)
        location = (*location, step)
        if isinstance(holder, dict) and step not in holder:
            holder[step] = {}
            document.overridden[location] = text
        holder = holder[step]
    step = _step(holder, last, location)
    holder[step] = value
    _forget(document, (*location, step))
    document.overridden[(*location, step)] = text


def _step(holder: object, word: str, location: Location) -> Step:
    """Return the key or index that a word means in a mapping or list."""
    if isinstance(holder, dict):
        return word
    place = ".".join(map(str, location))
    if not isinstance(holder, list):
        raise ValueError(f"expected a mapping or list at {place!r}, got {show(holder)}")
    names = [item.get("name") if isinstance(item, dict) else None for item in holder]
    if word in names:
        return names.index(word)
    if word.isascii() and word.isdigit() and len(word) < 7 and int(word) < len(holder):
        return int(word)
    known = "expected the name of one, or its number from 0"
    raise ValueError(f"no entry {word!r} in {place!r}, which has {len(holder)}; {known}")


def _forget(document: Document, location: Location) -> None:
    """Drop what was noted about a value that is replaced."""
    depth = len(location)
    for noted in (document.keys, document.values, document.overridden):
        for inner in [place for place in noted if place[:depth] == location]:
            del noted[inner]
