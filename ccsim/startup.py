"""Signals while a command is being imported: nothing has been begun, and it ends at once.

It imports nothing that takes time, and is itself imported before all else.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["is_command", "mind_signals"]

SIGNALLED = 128
"""A process that a signal ended has this status and the signal's number, as shells say it."""


def is_command() -> bool:
    """Report whether this process is ``ccsim`` or ``python -m ccsim``, and no other's that imports
    it."""
    first = sys.argv[0] if getattr(sys, "argv", None) else ""
    if first == "-m":  # which Python puts there while it looks for the module
        return _module() == "ccsim"
    return os.path.basename(first) in ("ccsim", "ccsim.exe")


def _module() -> str:
    """Return what stands after ``-m`` on the command line."""
    given = [*sys.orig_argv, "-m", ""]
    return given[given.index("-m") + 1]


def mind_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once, unless they are handled already."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(SIGNALLED + number)
