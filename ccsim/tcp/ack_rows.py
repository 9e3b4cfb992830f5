"""ACKs on their way to a sender, one by one in order of time.

This is the form of Python, which is fastest at tuples; `ack_rows.pyx` is that of machine code,
where an ACK is three integers of a buffer, and SACK blocks where it has some.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["AckRow", "AckRows"]

AckRow = tuple[int, int, int, tuple[tuple[int, int], ...] | None]
"""(time it is sent [ns], packets received in order, echoed send time [us], SACK blocks or None)."""


class AckRows(list[AckRow]):
    """ACKs that are taken one by one: ``at`` is the first not taken yet, and each arrives at the
    sender ``back_ns`` later than its time says."""

    __slots__ = ("at", "back_ns")

    def __init__(self, rows: Iterable[AckRow] = (), back_ns: int = 0) -> None:
        super().__init__(rows)
        self.back_ns = back_ns
        self.at = 0

    def add(self, t: int, una: int, echo_us: int, blocks: Any) -> None:
        """Put an ACK behind the last."""
        self.append((t, una, echo_us, blocks))

    def time(self, k: int) -> int:
        """Return when ACK ``k`` arrives [ns]."""
        return self[k][0] + self.back_ns

    def row(self, k: int) -> AckRow:
        """Return ACK ``k``, with the time at which it arrives at the sender."""
        t, una, echo_us, blocks = self[k]
        return t + self.back_ns, una, echo_us, blocks
