"""How a worker hands a result over: through the pipe, or beside the results when it is long."""

from __future__ import annotations

import json
import mmap
import os
from itertools import count
from pathlib import Path

import numpy as np

from ccsim.errors import ResultsError
from ccsim.experiment.columns import Tables
from ccsim.experiment.tables import again, all_columns, not_columns, pack, to_json, unpack
from ccsim.sim.traces import SimResult
from ccsim.spill import BLOCK_ROWS, Spill, release

__all__ = ["hand_over", "take_over"]

_NUMBERS = count()


def hand_over(result: SimResult, spill: Spill) -> bytes:
    """Return what `take_over` makes the result of again.

    If its columns are more than ``spill`` holds in memory, they are in a file of its folder, which
    whoever takes them over removes. ResultsError if it cannot be written.
    """
    tables = all_columns(result)
    columns = [column for table in tables.values() for column in table.values()]
    if spill.folder is None or sum(column.nbytes for column in columns) <= spill.bound_bytes:
        return pack(result)
    path = spill.folder / f"result-{os.getpid()}-{next(_NUMBERS)}"
    try:
        with path.open("xb") as file:
            for column in columns:
                for first in range(0, len(column), BLOCK_ROWS):
                    file.write(np.ascontiguousarray(column[first : first + BLOCK_ROWS]).data)
                release(column)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise spill.refusal(error) from error
    lengths = [[table, name, len(c)] for table, own in tables.items() for name, c in own.items()]
    return to_json({**not_columns(result), "file": str(path), "lengths": lengths}).encode()


def take_over(data: bytes) -> SimResult:
    """Return the result that `hand_over` gave; the file that it may be in has no name any more.

    ValueError for other bytes, ResultsError if the file cannot be read.
    """
    if not data.startswith(b"{"):
        return unpack(data)
    plain = json.loads(data)
    path = Path(plain["file"])
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        path.unlink()
    except (OSError, ValueError) as error:
        raise ResultsError(str(path), f"cannot read a worker's result: {error}") from error
    values = np.frombuffer(mapped, dtype=np.int64)
    tables: Tables = {}
    stop = 0
    for table, name, length in plain["lengths"]:
        start, stop = stop, stop + length
        tables.setdefault(table, {})[name] = values[start:stop]
    return again(plain, tables)
