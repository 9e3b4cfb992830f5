"""Where traces go that are too long for memory: one nameless file beside the results.

The file has no name, so that nothing is left of it however the process ends. What is in it is read
through the page cache, which the system empties when it needs the memory.
"""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ccsim.errors import ResultsError

__all__ = ["BLOCK_ROWS", "SPILL_BYTES", "Rows", "Spill", "release"]

SPILL_BYTES = 64 << 20
"""What a simulation holds of its traces before it writes them to a file: 87 minutes of one flow and
its link at 10 ms. A run below that pays nothing, and a process that holds it is hardly larger than
one that has imported what it runs."""
BLOCK_ROWS = 1 << 16
Table = NDArray[np.int64]
Column = NDArray[np.int64]


class Spill:
    """Traces of one simulation: in memory up to ``bound_bytes``, in a file of ``folder`` beyond.

    Without a folder all stays in memory. ResultsError if the file cannot be written.
    """

    def __init__(self, folder: Path | None = None, bound_bytes: int | None = None) -> None:
        self.folder = folder
        self.bound_bytes = SPILL_BYTES if bound_bytes is None else bound_bytes
        self._kept: list[Rows] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None

    @property
    def spilled(self) -> bool:
        """Whether anything has gone to the file."""
        return self._file is not None

    def rows(self, width: int) -> Rows:
        """Return a new table of that many columns, to which rows are added."""
        self._kept.append(Rows(width, self))
        return self._kept[-1]

    def columns(self, names: tuple[str, ...], n: int) -> dict[str, Column]:
        """Return columns of ``n`` rows to be filled in, each in one piece: in memory, or in a file
        of their own if traces have been spilled or these are too many."""
        size = n * 8 * len(names)
        if self.folder is None or not size or not (self.spilled or size > self.bound_bytes):
            return dict(zip(names, np.empty((len(names), n), dtype=np.int64), strict=True))
        with self._opened() as file:
            try:
                _reserve(file, size)
                mapped = mmap.mmap(file.fileno(), size)
            except OSError as error:
                raise self.refusal(error) from error
        table = np.frombuffer(mapped, dtype=np.int64).reshape(len(names), n)
        return dict(zip(names, table, strict=True))

    def added(self, size: int) -> None:
        """Take note of that many more bytes; beyond the bound, write all rows that are held."""
        self._bytes += size
        if self.folder is None or self._bytes <= self.bound_bytes:
            return
        if self._file is None:
            self._file = self._opened()
        for rows in self._kept:
            rows.write()
        self._bytes = 0

    def write(self, table: Table) -> int:
        """Append a table to the file; return where it begins."""
        assert self._file is not None
        rest = memoryview(table).cast("B")
        try:
            start = self._file.seek(0, os.SEEK_END)
            while len(rest):
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self.refusal(error) from error
        return start

    def read(self, start: int, rows: int, width: int) -> Table:
        """Return what `write` put there."""
        assert self._file is not None
        self._file.seek(start)
        data = self._file.read(rows * width * 8)
        return np.frombuffer(data, dtype=np.int64).reshape(rows, width)

    def _opened(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(dir=self.folder, buffering=0)
        except OSError as error:
            raise self.refusal(error) from error

    def close(self) -> None:
        """Give the rows' file back; columns stay."""
        if self._file is not None:
            self._file.close()

    def refusal(self, error: OSError) -> ResultsError:
        """Return an error as one that says where and how to mend it."""
        reason = f"cannot write the traces of a long run there: {error.strerror or error}"
        hint = "free space, record less often (record.interval), or choose another --out DIR"
        return ResultsError(str(self.folder), f"{reason}; {hint}")


class Rows:
    """A table that grows: tables in memory after those in the file."""

    def __init__(self, width: int, spill: Spill) -> None:
        self.width = width
        self._spill = spill
        self._written: list[tuple[int, int]] = []  # where in the file, how many rows
        self._held: list[Table] = []

    def __len__(self) -> int:
        return sum(n for _, n in self._written) + sum(map(len, self._held))

    def add(self, table: Table) -> None:
        """Add the rows of a table below the others."""
        self._held.append(table)
        self._spill.added(table.nbytes)

    def write(self) -> None:
        """Move what is in memory to the file."""
        if self._held:
            table = np.concatenate(self._held)
            self._written.append((self._spill.write(table), len(table)))
            self._held = []

    def blocks(self) -> Iterator[Table]:
        """Yield all rows in order, in tables that are small beside what memory may hold."""
        yield from map(self._read, self._pieces())
        if self._held:
            yield np.concatenate(self._held)

    def since(self, t_ns: int) -> list[Table]:
        """Return the last tables, in order, the first of which may begin before ``t_ns``; the first
        column must be the time, ascending."""
        found: list[Table] = []
        for table in itertools.chain(reversed(self._held), map(self._read, self._pieces()[::-1])):
            found.insert(0, table)
            if table[0, 0] < t_ns:
                break
        return found

    def clear(self) -> None:
        """Let all rows go."""
        self._written, self._held = [], []

    def forget_after(self, t_ns: int) -> None:
        """Drop the rows after a time, which are few; the first column must be the time."""
        self._held = [kept for table in self._held if len(kept := table[table[:, 0] <= t_ns])]
        while self._written and not self._held:
            start, n = self._written.pop()
            while n and self._read((start + (n - 1) * self.width * 8, 1))[0, 0] > t_ns:
                n -= 1
            if n:
                self._written.append((start, n))
                return

    def _pieces(self) -> list[tuple[int, int]]:
        """Return what is in the file in pieces: where each begins, how many rows."""
        return [
            (start + first * self.width * 8, min(BLOCK_ROWS, n - first))
            for start, n in self._written
            for first in range(0, n, BLOCK_ROWS)
        ]

    def _read(self, piece: tuple[int, int]) -> Table:
        return self._spill.read(*piece, self.width)


def release(*arrays: NDArray[Any]) -> None:
    """Let the system take back the memory of arrays that lie in a file; others stay as they are."""
    for array in arrays:
        base: Any = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
        if base is not None and hasattr(mmap, "MADV_DONTNEED"):
            with suppress(OSError, ValueError):
                base.madvise(mmap.MADV_DONTNEED)


def _reserve(file: IO[bytes], size: int) -> None:
    """Give a file its length and its space: a full disk must show here, not when it is filled."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.EINVAL) not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        zeros = bytes(1 << 20)  # where files cannot be reserved, they can be written
        for first in range(0, size, len(zeros)):
            file.write(zeros[: size - first])
