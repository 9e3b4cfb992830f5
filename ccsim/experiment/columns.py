"""Columns below one another, and apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cutter", "Table", "Tables", "joined", "stacked"]

Column = NDArray[np.int64]
Table = dict[str, Column]
Tables = dict[str, Table]


def stacked(traces: Sequence[object], names: tuple[str, ...]) -> Table:
    """Return the traces' columns below one another."""
    return {
        name: joined([np.asarray(getattr(trace, name), dtype=np.int64) for trace in traces])
        for name in names
    }


def joined(parts: list[Column]) -> Column:
    """Return the parts one after the other: not copied if they are, in this order, all of a piece
    of one array."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.empty(0, dtype=np.int64)
    base, total = parts[0].base, sum(map(len, parts))
    ends = [part.ctypes.data + part.nbytes for part in parts]
    if (
        base is not None
        and all(part.base is base and part.strides == (8,) for part in parts)
        and all(part.ctypes.data == end for part, end in zip(parts[1:], ends, strict=False))
    ):
        return np.lib.stride_tricks.as_strided(parts[0], (total,), writeable=False)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Cutter:
    """Takes a table apart from the top: each call returns the next ``n`` rows."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.taken = 0
        self.length = min(map(len, table.values()))

    def __call__(self, n: int) -> Table:
        first, self.taken = self.taken, self.taken + n
        if n < 0 or self.taken > self.length:
            raise ValueError(f"traces: expected {self.taken} rows or more, got {self.length}")
        return {name: column[first : self.taken] for name, column in self.table.items()}
