"""Tests of rows and columns that go to a file once memory should hold no more of them."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim import spill as module
from ccsim.errors import ResultsError
from ccsim.spill import Rows, Spill, release


def filled(spill: Spill, tables: int = 10, rows: int = 4) -> Rows:
    """Return rows (t, 2t) with t = 0, 1, 2, …, added in tables of ``rows``."""
    kept = spill.rows(2)
    for k in range(tables):
        t = np.arange(k * rows, (k + 1) * rows)
        kept.add(np.column_stack((t, 2 * t)))
    return kept


def nameless_files(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open and that have no name any more."""
    names = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one that listed them
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [name for name in names if name.startswith(str(folder)) and name.endswith("(deleted)")]


@pytest.mark.parametrize("bound", [0, 64, 130, 639, 640, 10_000])
def test_rows_come_back_as_they_were_added_however_little_memory_may_hold(
    tmp_path: Path, bound: int
) -> None:
    spill = Spill(tmp_path, bound)
    rows = filled(spill)  # 40 rows of 16 bytes: 640 in all
    assert spill.spilled == (bound < 640)
    assert len(rows) == 40
    assert np.concatenate(list(rows.blocks())).tolist() == [[t, 2 * t] for t in range(40)]


def test_without_a_folder_nothing_goes_to_a_file() -> None:
    spill = Spill(None, 0)
    rows = filled(spill)
    assert not spill.spilled
    assert len(rows) == 40
    assert type(spill.columns(("a",), 5)["a"].base) is np.ndarray


def test_several_tables_share_the_file_and_keep_apart(tmp_path: Path) -> None:
    spill = Spill(tmp_path, 100)
    one, other = spill.rows(1), spill.rows(3)
    for t in range(50):
        one.add(np.array([[t]]))
        other.add(np.array([[t, -t, 7]]))
    assert np.concatenate(list(one.blocks()))[:, 0].tolist() == list(range(50))
    assert np.concatenate(list(other.blocks())).tolist() == [[t, -t, 7] for t in range(50)]


def test_long_rows_are_read_back_in_small_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 3)
    rows = filled(Spill(tmp_path, 639))  # 40 rows go to the file in one piece
    assert [len(table) for table in rows.blocks()] == [3] * 13 + [1]


@pytest.mark.parametrize("bound", [0, 200, 10_000])
@pytest.mark.parametrize("t", [-1, 0, 3, 17, 38, 39, 99])
def test_what_came_since_a_time_begins_no_later_than_that(
    tmp_path: Path, bound: int, t: int
) -> None:
    rows = filled(Spill(tmp_path, bound))
    found = [int(row[0]) for table in rows.since(t) for row in table]
    assert [row for row in found if row >= t] == list(range(max(t, 0), 40))
    assert found == sorted(found)


@pytest.mark.parametrize("bound", [0, 200, 10_000])
@pytest.mark.parametrize("t", [-1, 0, 3, 4, 36, 38, 39, 99])
def test_rows_after_a_time_can_be_forgotten_wherever_they_are(
    tmp_path: Path, bound: int, t: int
) -> None:
    rows = filled(Spill(tmp_path, bound))
    rows.forget_after(t)
    left = [int(row[0]) for table in rows.blocks() for row in table]
    assert left == list(range(min(t + 1, 40)))
    assert len(rows) == len(left)


def test_columns_in_a_file_hold_what_is_put_into_them_and_lie_in_one_piece(tmp_path: Path) -> None:
    columns = Spill(tmp_path, 100).columns(("a", "b"), 1000)
    columns["a"][:] = np.arange(1000)
    columns["b"][:] = 7
    release(*columns.values())
    assert columns["a"].tolist() == list(range(1000))
    assert columns["b"].tolist() == [7] * 1000
    assert columns["a"].flags["C_CONTIGUOUS"]
    base: Any = columns["a"]
    while not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else base.base
    assert len(base) == 16_000


def test_columns_of_no_rows_need_no_file(tmp_path: Path) -> None:
    assert len(Spill(tmp_path, 0).columns(("a",), 0)["a"]) == 0


def test_release_leaves_arrays_in_memory_alone() -> None:
    array = np.arange(5)
    release(array, array[1:])
    assert array.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
def test_the_files_have_no_name_and_go_with_what_uses_them(tmp_path: Path) -> None:
    spill = Spill(tmp_path, 0)
    filled(spill)
    columns = spill.columns(("a",), 100)
    assert len(nameless_files(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []
    spill.close()
    columns["a"][:] = 3
    assert len(nameless_files(tmp_path)) == 1
    del columns
    assert nameless_files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"gone: cannot write .*No such file.*--out DIR"):
        filled(Spill(tmp_path / "gone", 0))


class Full:
    """A file on a disk that has no room after ``room`` bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def seek(self, *_: int) -> int:
        return 0

    def fileno(self) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: memoryview) -> int:
        taken = min(len(data), self.room)
        self.room -= taken
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken


@pytest.mark.parametrize("what", ["rows", "columns"])
def test_a_full_disk_is_an_error_that_says_where_and_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full(100))
    spill = Spill(tmp_path, 0)
    with pytest.raises(ResultsError, match="No space left on device; free space") as caught:
        filled(spill) if what == "rows" else spill.columns(("a",), 9)
    assert caught.value.path == str(tmp_path)


def test_space_for_columns_is_taken_before_they_are_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole in a file would be filled later, and a full disk then kills the process (SIGBUS)."""
    with tempfile.TemporaryFile(dir=tmp_path, buffering=0) as file:
        module._reserve(file, 1 << 20)
        assert os.fstat(file.fileno()).st_blocks * 512 >= 1 << 20
        assert os.fstat(file.fileno()).st_size == 1 << 20

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(ResultsError, match="No space left on device; free space"):
        Spill(tmp_path, 0).columns(("a",), 1 << 17)


def test_where_space_cannot_be_reserved_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with tempfile.TemporaryFile(dir=tmp_path, buffering=0) as file:
        module._reserve(file, (1 << 20) + 5)
        assert os.fstat(file.fileno()).st_size == (1 << 20) + 5
