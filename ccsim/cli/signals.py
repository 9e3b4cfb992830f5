"""SIGINT and SIGTERM end a command in order, whenever they come."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "act_on_lost", "signals_minded"]

AGAIN_S = 0.02
LOST: list[int] = []
"""The signals that came and raised; a command that still goes on has lost what they raised."""


@contextmanager
def signals_minded() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the command in an orderly way, so that what is half-written goes,
    whatever is being imported when they come."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # else they belong to somebody else
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        LOST.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def act_on_lost() -> None:
    """Raise again what a signal raised while Python would not hear of it, as in a finalizer; called
    where a command goes on as if nothing had come."""
    if LOST:
        raise KeyboardInterrupt if LOST[0] == signal.SIGINT else Terminated


class Terminated(BaseException):
    """SIGTERM came. Not SystemExit, which an algorithm file that calls `sys.exit` raises too."""


def _end(number: int, frame: FrameType | None) -> None:
    """Raise, but while something is being imported come again soon: a class body or a module of C
    would wrap what is raised in an error of its own, or lose it, and the run would go on."""
    if not _is_importing(frame):
        LOST.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
