"""A progress bar on a terminal's stderr for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import Self, TextIO

__all__ = ["ProgressBar"]

QUIET_S = 1.0
"""Nothing is shown before."""
EVERY_S = 0.1
WIDTH = 30


class ProgressBar:
    """A line that `update` redraws and the end of ``with`` wipes; nothing if no terminal."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = sys.stderr if stream is None else stream
        self.started = self.drawn = time.monotonic()
        self.shown = False
        self.terminal = self.stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._write("\r\x1b[K")

    def update(self, share: float) -> None:
        """Show how much is done, 0 to 1."""
        now = time.monotonic()
        if not self.terminal or now - self.started < QUIET_S or now - self.drawn < EVERY_S:
            return
        self.drawn, self.shown = now, True
        filled = round(WIDTH * share)
        bar = "█" * filled + "·" * (WIDTH - filled)
        left = (now - self.started) * (1 - share) / share if share > 0 else 0.0
        self._write(f"\r{self.title} {bar} {share:4.0%}, {left:.0f} s left\x1b[K")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
