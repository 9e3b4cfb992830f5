"""Reading and writing files that somebody else may have prepared: a link, a device, a pipe, a name
that is taken; and JSON text."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

__all__ = [
    "entries",
    "from_json",
    "json_lines",
    "open_here",
    "read_bounded",
    "text_lines",
    "to_json",
    "write_whole",
    "written_whole",
]

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
MAX_LINE = 1 << 24
"""Characters in a line of a recording at most."""


def open_here(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a file of ccsim's own, which is never a link to another; return its descriptor.

    OSError (ELOOP) for a link: in a folder that others may write to it could name any file.
    """
    return os.open(path, flags | NOFOLLOW, mode)


def entries(place: Path) -> list[Path]:
    """Return what is in a folder, in order; nothing if it is none, or has been deleted."""
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def read_bounded(path: str | Path, most: int) -> bytes:
    """Return what a file holds, of more than ``most`` bytes one more: a device may have no end.

    A pipe is read to its end; one without a writer is empty, and not waited for. OSError;
    ValueError for a NUL in the name.
    """
    parts, left = [], most + 1
    with open(path, "rb", opener=_without_waiting) as stream:
        while left and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, compressed with gzip or xz as its name's ending says.

    OSError, EOFError, `lzma.LZMAError`, `zlib.error` or UnicodeDecodeError where it cannot be read,
    or has a line of more than `MAX_LINE` characters: a device, or what was compressed, may have
    lines without an end.
    """
    import gzip
    import lzma

    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    opener = openers.get(path.suffix, lambda raw, mode, encoding: TextIOWrapper(raw, encoding))
    with (
        open(path, "rb", opener=_without_waiting) as raw,
        opener(raw, "rt", encoding="utf-8") as stream,
    ):
        while line := stream.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise OSError(f"expected lines of at most {MAX_LINE >> 20} MiB, got a longer one")
            yield line


def json_lines(path: Path, wrong: type[Exception]) -> Iterator[Any]:
    """Yield what each line of a text means as JSON (see `text_lines`); ``wrong``, with the place,
    where it cannot be read or means nothing."""
    import lzma
    import zlib

    number = 0
    try:
        for line in text_lines(path):
            number += 1
            yield from_json(line)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise wrong(f"{path}: cannot be read after line {number}: {error}") from error
    except ValueError as error:
        raise wrong(f"{path}:{number}: expected a JSON object: {error}") from error


def _without_waiting(path: str, flags: int) -> int:
    if not hasattr(os, "O_NONBLOCK"):
        return os.open(path, flags)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file so that it is there whole or as it was before; OSError.

    A link is followed, and what is no file, as a device, is written to. ``durable``: it is on the
    disk when this returns.
    """

    def write(aside: Path) -> None:
        flags = os.O_WRONLY | (0 if _is_special(aside) else os.O_CREAT | os.O_EXCL)
        with os.fdopen(open_here(aside, flags), "wb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())

    written_whole(path, write)


def written_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` write a file aside, whose name ends as the path's, and put it in its place; a
    device it writes to itself."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if _is_special(target):
        write(target)
        return
    aside = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    try:
        with suppress(FileNotFoundError):
            aside.unlink()  # of a process of that number, or a link put there
        write(aside)
        aside.replace(target)
    finally:
        with suppress(OSError):
            aside.unlink()


def from_json(text: str | bytes) -> Any:
    """Return what JSON text means; ValueError also for what is nested too deeply for Python."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def to_json(value: Any, **layout: Any) -> str:
    """Return JSON text, the same for the same value; NumPy's numbers count as Python's."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain, **layout)


def _plain(value: Any) -> Any:
    import numpy as np

    return value.item() if isinstance(value, np.generic) else str(value)


def _is_special(path: Path) -> bool:
    """Report whether a path is there and neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
