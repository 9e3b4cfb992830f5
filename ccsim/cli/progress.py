"""A progress bar on a terminal's stderr for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Self, TextIO

from ccsim.cli.signals import act_on_lost

__all__ = ["ProgressBar", "duration_text"]

QUIET_S = 1.0
"""Nothing is shown before."""
EVERY_S = 0.1
WIDTH = 30


def duration_text(seconds: float) -> str:
    """Return a span as people say it: 48 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


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
        """Show how much is done, 0 to 1; what a signal raised in vain is raised again."""
        act_on_lost()
        now = time.monotonic()
        if not self.terminal or now - self.started < QUIET_S or now - self.drawn < EVERY_S:
            return
        self.drawn, self.shown = now, True
        filled = round(WIDTH * share)
        bar = "█" * filled + "·" * (WIDTH - filled)
        self._write(f"\r{self.title} {bar} {self.text(share, now - self.started)}\x1b[K")

    def text(self, share: float, elapsed: float) -> str:
        """Return the share done and the time left, as far as the time until now tells it [s]."""
        left = elapsed * (1 - share) / share if share > 0 else 0.0
        return f"{share:4.0%}, {duration_text(left)} left"

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # full or closed: the run goes on without
            self.stream.write(text)
            self.stream.flush()
