"""Times and numbers of packets, in whichever form a window has them: a list, a column, or integers
of machine code."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import Ints, count_until, kept, picked

__all__ = [
    "Countable",
    "Values",
    "accepted_rows",
    "as_column",
    "as_list",
    "count_up_to",
    "countable",
]

Column = NDArray[np.int64]
Values = Column | list[int]
Countable = list[int] | memoryview


def as_column(values: Values) -> Column:
    """Return times or numbers of packets as a column."""
    return values.column() if isinstance(values, Ints) else np.asarray(values, dtype=np.int64)


def as_list(values: Values) -> list[int]:
    """Return times or numbers of packets as a list."""
    return values if isinstance(values, list) else values.tolist()


def countable(values: Values) -> Countable:
    """Return ascending times as `count_up_to` reads them fast."""
    return memoryview(values) if isinstance(values, np.ndarray) else values


def count_up_to(times: Countable, t: int, start: int) -> int:
    """Return how many of ascending times are not beyond ``t``, which ``start`` of them are not."""
    if isinstance(times, Ints):
        return count_until(times, t, start)
    return bisect_right(times, t, start)


def accepted_rows(arrivals: Values, departures: Values) -> tuple[Values, Values]:
    """Return the arrivals and departures of the packets that were not dropped."""
    if isinstance(arrivals, Ints) and isinstance(departures, Ints):
        rows = kept(departures)
        return picked(arrivals, rows), picked(departures, rows)
    if isinstance(arrivals, list) and isinstance(departures, list):
        return (
            [a for a, d in zip(arrivals, departures, strict=True) if d >= 0],
            [d for d in departures if d >= 0],
        )
    keep = np.asarray(departures) >= 0
    return np.asarray(arrivals)[keep], np.asarray(departures)[keep]
