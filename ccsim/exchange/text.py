"""Lines of untrusted text files, none longer than makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ccsim.exchange.errors import ImportedFileError

__all__ = ["lines"]

MOST_LINE_BYTES = 65_536


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, without their ends; ImportedFileError for what
    is no text, OSError."""
    with path.open("rb") as stream:
        number = 0
        while data := stream.readline(MOST_LINE_BYTES + 1):
            number += 1
            if len(data) > MOST_LINE_BYTES:
                reason = f"expected a line of up to {MOST_LINE_BYTES} bytes, got a longer one"
                raise ImportedFileError(str(path), f"line {number}", reason)
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                reason = f"expected UTF-8 text, got byte 0x{data[error.start]:02x}"
                raise ImportedFileError(str(path), f"line {number}", reason) from None
            yield number, text.rstrip("\r\n")
