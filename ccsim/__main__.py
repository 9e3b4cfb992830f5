"""``python -m ccsim``, and where the command ``ccsim`` begins: signals are minded before anything
else is imported."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]

SIGNALLED = 128
"""A process that a signal ended has this status and the signal's number, as shells say it."""


def main() -> int:
    """Run the command line and return its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    from ccsim.cli import main

    return main()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: while the command line itself is imported, nothing has been begun."""
    os._exit(SIGNALLED + number)


if __name__ == "__main__":
    sys.exit(main())
