"""The search of a column of integers: a loop where it is machine code (``ccsim compile``)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from ccsim.compiled import in_use

__all__ = ["first_at_least"]

COMPILED = in_use()


def first_at_least(column: Any, value: int, row: int, stop: int) -> int:
    """Return the first row from ``row`` to before ``stop`` that is not below a value; ``stop`` if
    all are."""
    if not COMPILED:
        return bisect_left(column, value, row, stop)
    while row < stop:
        middle = (row + stop) // 2
        if column[middle] < value:
            row = middle + 1
        else:
            stop = middle
    return row
