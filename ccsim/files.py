"""Writing files that somebody else may have prepared: a link, a device, a name that is taken; and
JSON text."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["open_here", "to_json", "write_whole", "written_whole"]

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def open_here(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a file of ccsim's own, which is never a link to another; return its descriptor.

    OSError (ELOOP) for a link: in a folder that others may write to it could name any file.
    """
    return os.open(path, flags | NOFOLLOW, mode)


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
            aside.unlink()  # of a process of that number, or somebody's link
        write(aside)
        aside.replace(target)
    finally:
        with suppress(OSError):
            aside.unlink()


def to_json(value: Any, **layout: Any) -> str:
    """Return JSON text, the same for the same value; NumPy's numbers count as Python's."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain, **layout)


def _plain(value: Any) -> Any:
    import numpy as np

    return value.item() if isinstance(value, np.generic) else str(value)


def _is_special(path: Path) -> bool:
    """Tell whether a path is there and neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
