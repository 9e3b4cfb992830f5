"""Results as bytes: for a pipe, for a twin's file, or in a file beside the results when long."""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ccsim.errors import ResultsError
from ccsim.files import to_json
from ccsim.sim.account_tables import account_columns, account_lengths, with_accounts
from ccsim.sim.result_tables import Table, Tables, columns_of, describe, from_tables
from ccsim.sim.traces import Event, SimResult
from ccsim.spill import BLOCK_ROWS, Spill, release

__all__ = ["hand_over", "pack", "take_over", "unpack"]

_NUMBERS = count()


def pack(result: SimResult) -> bytes:
    """Return a result as bytes; `unpack` reads them."""
    arrays = {
        f"{table}.{name}": column
        for table, columns in _columns(result).items()
        for name, column in columns.items()
    }
    head = np.frombuffer(to_json(_metadata(result)).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, head=head, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> SimResult:
    """Return the result that `pack` wrote; ValueError for other bytes. Nothing is unpickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        metadata = json.loads(archive["head"].tobytes())
        tables: Tables = {}
        for key in archive.files:
            table, _, name = key.partition(".")
            if name:
                tables.setdefault(table, {})[name] = archive[key]
    return _rebuild(metadata, tables)


def hand_over(result: SimResult, spill: Spill) -> bytes:
    """Return bytes from which `take_over` rebuilds the result.

    If its columns are longer than ``spill`` holds in memory, they go to a file in its folder, which
    the one that takes them over removes. ResultsError if it cannot be written.
    """
    tables = _columns(result)
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
    return to_json({**_metadata(result), "file": str(path), "lengths": lengths}).encode()


def take_over(data: bytes) -> SimResult:
    """Return the result that `hand_over` gave; a file that it lies in loses its name.

    ValueError for other bytes, ResultsError if the file cannot be read.
    """
    if not data.startswith(b"{"):
        return unpack(data)
    metadata = json.loads(data)
    path = Path(metadata["file"])
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        path.unlink()
    except (OSError, ValueError) as error:
        raise ResultsError(str(path), f"cannot read a worker's result: {error}") from error
    values = np.frombuffer(mapped, dtype=np.int64)
    tables: Tables = {}
    stop = 0
    for table, name, length in metadata["lengths"]:
        start, stop = stop, stop + length
        tables.setdefault(table, {})[name] = values[start:stop]
    return _rebuild(metadata, tables)


def _metadata(result: SimResult) -> dict[str, Any]:
    """Return everything but the columns, as JSON values."""
    events = [[e.t_ns, e.kind, e.flow, e.detail] for e in result.events]
    return {"description": describe(result), "events": events, "accounts": account_lengths(result)}


def _columns(result: SimResult) -> Tables:
    """Return the columns of the traces and those that metrics are worked out from."""
    return {**columns_of(result), **account_columns(result)}


def _rebuild(metadata: Mapping[str, Any], tables: Mapping[str, Table]) -> SimResult:
    """Return the result of which `_metadata` and `_columns` gave these."""
    events = (Event(*event) for event in metadata["events"])
    traces = from_tables(metadata["description"], tables, events)
    return with_accounts(traces, metadata["accounts"], tables)
