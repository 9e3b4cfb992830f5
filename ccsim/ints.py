"""Columns of integers that grow: times and numbers on their way from stage to stage.

This is the form of Python, which is fastest at lists; `ints.pyx` is that of machine code, where an
element is 64 bits of a buffer and no object is made of it on its way.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    *("Ints", "as_ints", "count_until", "filled", "fresh", "heappop", "heappush", "in_us"),
    *("joined_ints", "kept", "later", "least", "part", "picked", "place", "scattered"),
]


class Ints(list[int]):
    """A column of 64-bit integers; `append` lets it grow. ``cells`` are its elements."""

    __slots__ = ()

    @property
    def cells(self) -> list[int]:
        """The elements, as a loop reads them fastest."""
        return self

    def forget(self, count: int) -> None:
        """Take the first elements away."""
        del self[:count]

    def tolist(self) -> list[int]:
        """Return the elements as a plain list."""
        return self[:]

    def column(self) -> NDArray[np.int64]:
        """Return the elements as an array, which may share their memory: let the column not grow
        after that."""
        return np.array(self, dtype=np.int64)


def as_ints(values: NDArray[np.int64] | Iterable[int]) -> Ints:
    """Return integers as a column, which is the same one if they are one."""
    if isinstance(values, Ints):
        return values
    return Ints(values.tolist() if isinstance(values, np.ndarray) else values)


def fresh(like: Ints) -> Ints:
    """Return an empty column, with room for as many integers as another holds."""
    return Ints()


def filled(count: int, value: int) -> Ints:
    """Return a column of that many equal elements."""
    return Ints([value] * count)


def later(times: Ints, by_ns: int) -> Ints:
    """Return times that much later."""
    return Ints([t + by_ns for t in times])


def in_us(times: Ints, after_ns: int) -> Ints:
    """Return times before which a delay lies, without it and in microseconds."""
    return Ints([(t - after_ns) // 1000 for t in times])


def least(values: Ints) -> int:
    """Return the least of at least one integer."""
    return min(values)


def count_until(times: Ints, t: int, start: int) -> int:
    """Return how many of ascending times are not beyond ``t``, which ``start`` of them are not."""
    return bisect_right(times, t, start)


place = bisect_right
"""``place(values, value)``: before which of ascending integers one belongs, behind its like."""
heappush, heappop = heapq.heappush, heapq.heappop


def kept(values: Ints) -> Ints:
    """Return where the integers are that are not negative."""
    return Ints([k for k, value in enumerate(values) if value >= 0])


def picked(values: Ints, rows: Ints) -> Ints:
    """Return the integers that stand in these rows, in their order."""
    return Ints([values[k] for k in rows])


def scattered(values: Ints, rows: Ints) -> Ints:
    """Undo `picked`, where the rows were all there are."""
    found = Ints(values)
    for k, value in zip(rows, values, strict=True):
        found[k] = value
    return found


def part(values: Ints, start: int, stop: int) -> Ints:
    """Return the integers from ``start`` to before ``stop``."""
    return Ints(values[start:stop])


def joined_ints(columns: Sequence[Ints]) -> Ints:
    """Return the integers of all columns, one after the other."""
    return Ints([value for column in columns for value in column])
