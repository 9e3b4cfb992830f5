"""What ``@dataclass(slots=True)`` gives a class, for classes that are compiled: their attributes
are integers of C, which the decorator cannot know.

`ccsim.compiled.write_out` lets the compiled form of such a class call these functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, make_dataclass
from typing import Any

__all__ = ["PARAMS", "equal", "fields_of", "initialise", "rebuilt", "reduced", "shown"]

PARAMS = vars(make_dataclass("made", (), slots=True))["__dataclass_params__"]
"""What the decorator was told; those who derive a dataclass ask for it."""


def fields_of(base: type | None, *own: tuple[str, str, Any]) -> dict[str, Field[Any]]:
    """Return what ``dataclasses.fields`` shall find: those of the base first, then its own, each
    given as name, type and default."""
    inherited = () if base is None else fields(base)
    made = make_dataclass("made", own)
    return {field.name: field for field in (*inherited, *fields(made))}


def initialise(record: Any, values: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Set the attributes as ``__init__`` of a dataclass does; TypeError for what it refuses."""
    names = [field.name for field in fields(record)]
    wrong = [name for name in named if name not in names[len(values) :]]
    if wrong or len(values) > len(names):
        what = f"argument {wrong[0]!r}" if wrong else f"{len(values)} arguments"
        raise TypeError(f"{type(record).__name__}() takes no {what}")
    given = {**dict(zip(names, values, strict=False)), **named}
    for field in fields(record):
        if field.name in given:
            value = given[field.name]
        elif callable(field.default_factory):
            value = field.default_factory()
        else:
            value = field.default
        setattr(record, field.name, value)


def shown(record: Any) -> str:
    """Return ``repr`` of a dataclass."""
    parts = (f"{field.name}={getattr(record, field.name)!r}" for field in fields(record))
    return f"{type(record).__qualname__}({', '.join(parts)})"


def equal(a: Any, b: Any) -> Any:
    """Compare as dataclasses do: only with the very same class."""
    if type(a) is not type(b):
        return NotImplemented
    names = [field.name for field in fields(a)]
    return [getattr(a, name) for name in names] == [getattr(b, name) for name in names]


def reduced(record: Any) -> tuple[Any, ...]:
    """Return what ``copy`` and ``pickle`` make another of, with what a class of Python that derives
    from a compiled one has beside."""
    values = dict(getattr(record, "__dict__", {}))
    for kind in type(record).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(record, name):
                values[name] = getattr(record, name)
    return rebuilt, (type(record), values)


def rebuilt(kind: Any, values: Mapping[str, Any]) -> Any:
    """Return a record of such a class with these attributes."""
    record = kind.__new__(kind)
    for name, value in values.items():
        setattr(record, name, value)
    return record
