"""Values of scenario keys as numbers and back: "40 ms" is 40,000,000 of the kind "ns"."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ccsim.units import (
    format_probability,
    format_rate,
    format_size,
    format_time,
    parse_buffer,
    parse_packets,
    parse_probability,
    parse_rate_bps,
    parse_size_bytes,
    parse_time_ns,
)

__all__ = ["KINDS", "Quantity", "common_kind", "quantity", "written"]

PLAIN = ("int", "number")
KINDS = ("bps", "ns", "bytes", "bdp", "packets", "ratio", *PLAIN)
"""Rate, time, size, buffer in BDP, packets, percentage; whole and other bare numbers."""
_PARSERS: dict[str, Callable[[str], Any]] = {
    "bps": parse_rate_bps,
    "ns": parse_time_ns,
    "bytes": parse_size_bytes,
    "packets": parse_packets,
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of one of the `KINDS`."""

    kind: str
    number: int | float


def quantity(value: object) -> Quantity | None:
    """Return what a value of YAML is as a number; None if it is a word, a truth or a structure."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Quantity("int", value)
    if isinstance(value, float):
        return Quantity("number", value) if math.isfinite(value) else None
    return _of_text(value.strip()) if isinstance(value, str) else None


@lru_cache(maxsize=1024)  # designs ask for the ends of their ranges at every point
def _of_text(text: str) -> Quantity | None:
    if text.replace(".", "", 1).isdigit():  # a number in quotation marks is text
        return None
    for kind, parse in _PARSERS.items():
        try:
            return Quantity(kind, parse(text))
        except ValueError:
            continue
    try:
        if text.endswith("%"):
            return Quantity("ratio", parse_probability(text))
        return Quantity("bdp", float(parse_buffer(text).amount))
    except ValueError:
        return None


def common_kind(*values: object) -> str | None:
    """Return the kind of all values: one kind, or "number" if some are whole; None otherwise."""
    found = [quantity(value) for value in values]
    kinds = {each.kind for each in found if each}
    if not found or None in found:
        return None
    if kinds == set(PLAIN):
        return "number"
    return kinds.pop() if len(kinds) == 1 else None


def written(kind: str, number: float, coarse: bool = True) -> Any:
    """Return a number of a kind as a scenario spells it.

    ``coarse`` numbers are rounded to whole microseconds and kbit/s; the rest to six digits.
    """
    if kind == "ns":
        return format_time(_rounded(number, 1000 if coarse else 1))
    if kind == "bps":
        return format_rate(_rounded(number, 1000 if coarse else 1))
    if kind == "bytes":
        return format_size(round(number))
    if kind == "packets":
        return f"{round(number)} packets"
    if kind == "bdp":
        return f"{float(f'{number:.6g}')!r} BDP"
    if kind == "ratio":
        return format_probability(float(f"{number:.6g}"))
    return round(number) if kind == "int" else float(f"{number:.6g}")


def _rounded(number: float, step: int) -> int:
    """Return the nearest multiple of a step, at least 0."""
    return max(round(Fraction(number) / step) * step, 0)
