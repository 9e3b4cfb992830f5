"""What is wrong with a file that somebody else has written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ccsim.errors import CcsimError

__all__ = ["ImportedFileError", "opened"]


class ImportedFileError(CcsimError, ValueError):
    """A file that cannot be read as what it seems to be: which, where in it, and why."""

    def __init__(self, file: str, place: str, reason: str) -> None:
        super().__init__(file, place, reason)
        self.file = file
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.place, self.reason) if part)


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """Say of a file that cannot be opened or read why, as of one that is wrong; a pipe or a device,
    which may never end, is none."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "what is none"
        raise ImportedFileError(str(path), "", f"expected a file, got {what}")
    try:
        yield
    except OSError as error:
        if isinstance(error, CcsimError):
            raise
        raise ImportedFileError(str(path), "", f"cannot read: {error.strerror or error}") from error
