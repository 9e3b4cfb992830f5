"""Numbers as pages write them: few digits, a dash for none, censored ones as such, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NONE", "count", "decimal", "listed", "sort_key"]

NONE = "–"
MINUS = "\N{MINUS SIGN}"


def decimal(value: Any, digits: int = 2, scale: float = 1.0) -> str:
    """Return a number with that many decimals; ``> x`` if censored, a dash if there is none."""
    if value is None:
        return NONE
    if isinstance(value, Mapping):
        return f"> {decimal(value['at_least_s'], digits, scale)}"
    text = f"{value * scale:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")  # a negative zero says nothing
    return text.replace("-", MINUS)


def sort_key(value: Any) -> float | None:
    """Return what a cell sorts by: a censored time just after the same time observed."""
    if isinstance(value, Mapping):
        return float(value["at_least_s"]) * (1 + 1e-9) + 1e-9
    return None if value is None else float(value)


def count(number: int, one: str, many: str = "") -> str:
    """Return ``1 flow``, ``2 flows``, ``no flow``; thousands are set apart."""
    if number == 0:
        return f"no {one}"
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: list[str], most: int = 4) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``; of more than ``most`` the first and how many."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
