"""SIGINT and SIGTERM end a command in order, whenever they come.

An exception that a handler raises may land where Python prints and drops it, as in a finalizer, or
where a C module turns it into another error, as DuckDB does ("Query interrupted"). Neither ends the
command.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "act_on_lost", "heard", "signals_minded"]

AGAIN_S = 0.02
LOST: list[int] = []
"""The signals that came and raised; a command that still goes on has lost what they raised."""


@contextmanager
def signals_minded() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the command in an orderly way, so that what is half-written goes,
    whatever is being imported when they come."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # else they belong to another thread
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, _end)
    hook, sys.unraisablehook = sys.unraisablehook, _come_again
    try:
        yield
    except Exception:
        act_on_lost()  # whatever came of it
        raise
    finally:
        sys.unraisablehook = hook
        LOST.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def act_on_lost() -> None:
    """Raise again what a signal raised while Python would not hear of it, as in a finalizer; called
    where a command goes on as if nothing had come."""
    if LOST:
        raise KeyboardInterrupt if LOST[0] == signal.SIGINT else Terminated


def heard() -> None:
    """Say that what a signal raised was heard by a command that goes on."""
    LOST.clear()


class Terminated(BaseException):
    """SIGTERM came. Not SystemExit, which an algorithm file that calls `sys.exit` raises too."""


def _end(number: int, frame: FrameType | None) -> None:
    """Raise, but while something is being imported come again soon: a class body or a module of C
    would wrap what is raised in an error of its own, or lose it, and the run would go on."""
    if not _is_importing(frame):
        LOST.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated
    _send_again(number)


def _send_again(number: int) -> None:
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _come_again(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again if its exception was lost; report other exceptions as usual."""
    if issubclass(lost.exc_type, KeyboardInterrupt | Terminated):
        _send_again(signal.SIGTERM if lost.exc_type is Terminated else signal.SIGINT)
    else:
        sys.__unraisablehook__(lost)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
