"""Standard streams as they may be found: closed, full, of another encoding than UTF-8."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress

__all__ = ["abandon_output", "make_usable", "say"]

LOOKALIKES = str.maketrans(
    {"–": "-", "−": "-", "→": "->", "…": "...", "×": "x", "µ": "u", "·": ".", "≤": "<=", "≥": ">="}
)
"""What tables are written with, for terminals that lack it."""
ERRORS = "ccsim.plain"


def make_usable() -> None:
    """Let every standard stream be open and take any text.

    One that was closed leads nowhere, so that no file which is opened later gets its number, and
    what is printed goes nowhere instead of failing.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    codecs.register_error(ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # as where a test has replaced it
            stream.reconfigure(errors=ERRORS)  # type: ignore[union-attr]


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that a stream's encoding lacks: others that look alike, or
    their numbers."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(LOOKALIKES)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def say(text: str) -> None:
    """Write a line to standard error, if it takes it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def abandon_output() -> None:
    """Let what is still to be written to standard output go nowhere: there is no reader."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
