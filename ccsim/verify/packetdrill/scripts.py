"""The scripts that a command line names: files, and folders that hold some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ccsim.verify.packetdrill.errors import PktError, Place

__all__ = ["script_files"]


def script_files(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the scripts among ``paths``; PktError for a path without one."""
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found = sorted(path.rglob("*.pkt"))
            if not found:
                raise PktError(Place(text, 1), "expected a script NAME.pkt, got a folder without")
            yield from found
        elif path.is_file():
            yield path
        else:
            raise PktError(Place(text, 1), "expected a script NAME.pkt, got nothing there")
