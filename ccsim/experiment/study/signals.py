"""Signals that come while a table is written: held back until it is, since DuckDB would swallow
them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["signals_deferred"]

HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Let SIGINT and SIGTERM act at the end of the block; elsewhere than on the main thread, which
    gets them, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {number: signal.getsignal(number) for number in HELD}
    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, lambda came, frame: pending.append(came))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        if pending:
            signal.raise_signal(pending[0])
