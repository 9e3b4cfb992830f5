"""Parameters of queueing disciplines: their names, units and bounds as tc has them, and errors.

A parameter has two spellings: a person's (``target: 5 ms``), and the whole number that the kernel
is given (``target_us: 5000``), whose unit is part of the key. Recordings bear the second one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ccsim.errors import CcsimError
from ccsim.units import (
    NS_PER_S,
    NS_PER_US,
    parse_packets,
    parse_probability,
    parse_rate_bps,
    parse_size_bytes,
    parse_time_ns,
    show,
)

__all__ = ["U32", "Parameter", "QdiscError", "check", "fraction32", "parse"]

U32 = 0xFFFF_FFFF
_SUFFIXES = {"us": "_us", "ns": "_ns", "s": "_s", "byte/s": "_Bps"}


class QdiscError(CcsimError, ValueError):
    """A parameter that a qdisc does not have or cannot take: what was expected, what came."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: tc's name, the unit of its number, the default (None: absent means off or
    derived), what it does, and what the kernel accepts. ``length`` is that of a list, as its least
    and greatest; () for a number. ``names`` are a person's words for its numbers."""

    name: str
    unit: str
    default: int | tuple[int, ...] | None
    text: str
    minimum: int = 0
    maximum: int = U32
    length: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    internal: bool = False
    reader: Callable[[Any], Any] | None = None
    raw: str = ""
    also: tuple[str, Callable[[Any], Any]] | None = None

    @property
    def key(self) -> str:
        """The name with the unit, as recordings have it."""
        return self.raw or self.name + _SUFFIXES.get(self.unit, "")


def check(kind: str, parameters: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters that are given as numbers by key, checked; QdiscError otherwise."""
    known = {parameter.key: parameter for parameter in parameters}
    checked = {}
    for key, value in values.items():
        if key not in known:
            raise QdiscError(f"{kind}: {_unknown(key, known)}")
        checked[key] = _checked(kind, known[key], value)
    return checked


def parse(kind: str, parameters: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters in a person's spelling as checked numbers by key; QdiscError otherwise."""
    known = {parameter.name: parameter for parameter in parameters if not parameter.internal}
    parsed = {}
    for name, value in values.items():
        if name not in known:
            raise QdiscError(f"{kind}: {_unknown(name, known)}")
        parameter = known[name]
        try:
            number = _parsed(parameter, value)
            if parameter.also is not None:
                parsed[parameter.also[0]] = parameter.also[1](value)
        except ValueError as error:
            raise QdiscError(f"{kind}: {name}: {error}") from None
        parsed[parameter.key] = _checked(kind, parameter, number)
    return parsed


def _unknown(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, 1)
    mend = f'did you mean "{near[0]}"?' if near else ""
    return f"expected one of its parameters ({', '.join(names)}), got {show(name)}" + (
        f"; {mend}" if mend else ""
    )


def _checked(kind: str, parameter: Parameter, value: Any) -> Any:
    place = f"{kind}: {parameter.key}"
    if not parameter.length:
        return _number(place, parameter, value)
    least, most = parameter.length
    if not isinstance(value, list | tuple) or not least <= len(value) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise QdiscError(f"{place}: expected a list of {count} numbers, got {_shown(value)}")
    return tuple(_number(place, parameter, item) for item in value)


def _shown(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else show(value)


def _number(place: str, parameter: Parameter, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise QdiscError(f"{place}: expected a whole number, got {show(value)}")
    if not parameter.minimum <= value <= parameter.maximum:
        unit = f" {parameter.unit}" if parameter.unit not in ("", "flag") else ""
        raise QdiscError(
            f"{place}: expected {parameter.minimum} to {parameter.maximum}{unit}, got {value}"
        )
    return value


def _parsed(parameter: Parameter, value: Any) -> Any:
    """Return the number, or the numbers of a list, that a person's spelling means."""
    if parameter.reader is not None:
        return parameter.reader(value)
    if parameter.names:
        return _named(parameter.names, value)
    if parameter.length:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected a list, got {show(value)}")
        return tuple(_PARSERS[parameter.unit](item) for item in value)
    return _PARSERS[parameter.unit](value)


def _named(names: tuple[str, ...], value: Any) -> int:
    if value not in names:
        raise ValueError(f"expected one of {', '.join(names)}, got {show(value)}")
    return names.index(value)


def _whole(ns: int, unit_ns: int, unit: str) -> int:
    if ns % unit_ns:
        raise ValueError(f"expected a whole number of {unit}, got {ns} ns")
    return ns // unit_ns


def _flag(value: Any) -> int:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {show(value)}")
    return int(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {show(value)}")
    return value


def _byte_rate(value: Any) -> int:
    bits = parse_rate_bps(value)
    if bits % 8:
        raise ValueError(f"expected a rate of whole bytes a second, got {bits} bit/s")
    return bits // 8


def fraction32(value: Any) -> int:
    """Return a probability in 32 bits as tc rounds it: 2^32 - 1 is always."""
    return round(Fraction(repr(parse_probability(value))) * U32)


def _percent(value: Any) -> int:
    part = Fraction(repr(parse_probability(value))) * 100
    if part.denominator != 1:
        raise ValueError(f"expected a whole number of percent, got {show(value)}")
    return int(part)


_PARSERS: dict[str, Callable[[Any], int]] = {
    "packets": parse_packets,
    "bytes": parse_size_bytes,
    "us": lambda value: _whole(parse_time_ns(value), NS_PER_US, "microseconds"),
    "ns": parse_time_ns,
    "s": lambda value: _whole(parse_time_ns(value), NS_PER_S, "seconds"),
    "byte/s": _byte_rate,
    "flag": _flag,
    "probability": fraction32,
    "percent": _percent,
    "": _integer,
}
