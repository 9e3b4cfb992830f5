"""Signals that act only where they may: a handler that raises may strike anywhere, even between
taking a lock and the block that releases it, and DuckDB swallows exceptions while it works."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["signals_held"]

HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """Note the first SIGINT or SIGTERM; it acts when the function that is given is called, or at
    the end of the block. A second one acts at once: its sender has waited long enough.

    Only handlers written in Python are held. Elsewhere than on the main thread, which gets the
    signals, nothing is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}
    came: list[int] = []
    waiting: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            before[number](number, frame)
        else:
            waiting.append(number)

    def act() -> None:
        if waiting:
            number = waiting.pop()
            before[number](number, None)

    for number in HELD:
        handler = signal.getsignal(number)
        if callable(handler):
            before[number] = handler
            signal.signal(number, note)
    try:
        yield act
    finally:
        for number in HELD:
            if number in before:
                signal.signal(number, before[number])
        act()
