"""Specifications as plain JSON values, and back: what is stored, and what workers are told.

What is read is checked against the types of the fields: nothing is converted but an integer where a
float is due, a list where a tuple is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ccsim.units import show

__all__ = ["SPARSE", "NotPlain", "from_plain", "to_plain"]

SPARSE: Mapping[str, Any] = {"sparse": True}
"""Metadata of a field that is stored only where it says something."""

T = TypeVar("T")
Reader = Callable[[Any], Any]
SCALARS: Mapping[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    NoneType: "null",
}


class NotPlain(ValueError):
    """A value that does not fit; ``path`` leads to it, ``str`` says what was expected."""

    path = ""

    @classmethod
    def of(cls, expected: str, value: object) -> NotPlain:
        """Return what is said of a value where another was expected."""
        return cls(f"expected {expected}, got {show(value)}")

    def below(self, key: object) -> NotPlain:
        """Return itself, with a path that begins at the value that holds ``key``."""
        self.path = f"{key}.{self.path}" if self.path else str(key)
        return self


def to_plain(value: Any) -> Any:
    """Return a specification as JSON has it: mappings in the order of fields, lists for tuples."""
    kind: Any = type(value)
    if kind in SCALARS:
        return value
    if is_dataclass(value):
        sparse = _sparse(kind)
        return {
            name: to_plain(found)
            for name in _stored(kind)
            if (found := getattr(value, name)) or name not in sparse
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return value


def from_plain(kind: type[T], plain: object) -> T:
    """Return the specification of a kind that `to_plain` gave; NotPlain for anything else."""
    wanted: Any = kind
    found: T = _reader(wanted)(plain)
    return found


@lru_cache(maxsize=256)
def _stored(kind: type) -> tuple[str, ...]:
    """Return the fields that are stored: all but those with ``stored=False`` in their metadata."""
    return tuple(f.name for f in fields(kind) if f.metadata.get("stored", True))


@lru_cache(maxsize=256)
def _sparse(kind: type) -> frozenset[str]:
    """Return the fields that are not stored where they are empty."""
    return frozenset(f.name for f in fields(kind) if f.metadata.get("sparse"))


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Reader:
    """Return what reads values of a type."""
    if kind is Any:
        return lambda value: value
    if kind in SCALARS:
        return _scalar(kind)
    if is_dataclass(kind):
        return _mapping(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _limited(_reader(args[0]), args[1:])
    if origin is Literal:
        return _literal(args)
    if origin in (Union, UnionType):
        return _one_of(args)
    if origin is tuple:
        return _items(_reader(args[0])) if args[-1] is ... else _row([_reader(a) for a in args])
    if origin is dict:
        return _dict(_reader(args[1]))
    raise TypeError(f"spec: expected a type of plain values, got {kind!r}")


def _scalar(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise NotPlain.of(SCALARS[kind], value)

    return read


def _limited(read_any: Reader, limits: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        found = read_any(value)
        for limit in limits:
            if expected := limit.expected(found):
                raise NotPlain.of(expected, value)
        return found

    return read


def _literal(options: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        for option in options:
            if type(value) is type(option) and value == option:
                return option
        raise NotPlain.of("one of " + ", ".join(map(str, options)), value)

    return read


def _one_of(kinds: tuple[Any, ...]) -> Reader:
    """Read what is of one of several types: null, or the first that fits; if none does, the last
    says what was expected."""
    optional = NoneType in kinds
    readers = [_reader(kind) for kind in kinds if kind is not NoneType]

    def read(value: Any) -> Any:
        if value is None and optional:
            return None
        for reader in readers[:-1]:
            try:
                return reader(value)
            except NotPlain:
                continue
        return readers[-1](value)

    return read


def _items(read_item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise NotPlain.of("a list", value)
        return tuple(_below(k, read_item, item) for k, item in enumerate(value))

    return read


def _row(readers: list[Reader]) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(readers):
            raise NotPlain.of(f"a list of {len(readers)}", value)
        rows = zip(readers, value, strict=True)
        return tuple(_below(k, reader, item) for k, (reader, item) in enumerate(rows))

    return read


def _dict(read_item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise NotPlain.of("a mapping", value)
        return {key: _below(key, read_item, item) for key, item in value.items()}

    return read


def _mapping(kind: Any) -> Reader:
    """Read a dataclass: each key a field, and each field without a default there."""
    hints = get_type_hints(kind, include_extras=True)
    readers = {name: _reader(hints[name]) for name in _stored(kind)}
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise NotPlain.of("a mapping", value)
        for key in value:
            if key not in readers:
                raise NotPlain("no such key").below(key)
        for name in needed:
            if name not in value:
                raise NotPlain.of(f"a key {name!r}", value)
        found = {key: _below(key, readers[key], item) for key, item in value.items()}
        try:
            return kind(**found)
        except NotPlain:
            raise
        except ValueError as error:
            raise NotPlain(str(error)) from error

    return read


def _below(key: object, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except NotPlain as error:
        raise error.below(key) from None
