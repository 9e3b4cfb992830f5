"""ACKs under way to a sender: as columns where they are plain, else one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.receiver import AckRow

__all__ = ["AckRows", "AckTrainRows"]

Column = NDArray[np.int64]

ROWS_AT_ONCE = 64  # ACKs of a train that are turned into rows together


class AckTrainRows:
    """Plain ACKs as columns: arrival at the sender [ns], packets acknowledged, echoed send time
    [us]."""

    __slots__ = ("_first", "_rows", "at", "echo_us", "retry", "t", "una")

    def __init__(self, t: Column, una: Column, echo_us: Column) -> None:
        self.t = t
        self.una = una
        self.echo_us = echo_us
        self.at = 0
        self.retry = 0
        self._rows: list[AckRow] = []
        self._first = 0  # the row that _rows begins with

    def __len__(self) -> int:
        return len(self.t)

    def time(self, k: int) -> int:
        """Return when ACK ``k`` arrives [ns]."""
        return int(self.t[k])

    def row(self, k: int) -> AckRow:
        """Return ACK ``k`` as the scalar path takes it."""
        if not self._first <= k < self._first + len(self._rows):
            part = slice(k, k + ROWS_AT_ONCE)
            columns = self.t[part].tolist(), self.una[part].tolist(), self.echo_us[part].tolist()
            self._rows = [(t, una, echo, None) for t, una, echo in zip(*columns, strict=True)]
            self._first = k
        return self._rows[k - self._first]


class AckRows:
    """ACKs one by one, as `AckRow` tuples; each arrives at the sender ``back_ns`` later than its
    time says."""

    __slots__ = ("at", "back_ns", "rows")

    def __init__(self, rows: list[AckRow], back_ns: int = 0) -> None:
        self.rows = rows
        self.back_ns = back_ns
        self.at = 0

    def __len__(self) -> int:
        return len(self.rows)

    def time(self, k: int) -> int:
        """Return when ACK ``k`` arrives [ns]."""
        return self.rows[k][0] + self.back_ns

    def row(self, k: int) -> AckRow:
        """Return ACK ``k``, with the time at which it arrives at the sender."""
        t, una, echo_us, blocks = self.rows[k]
        return t + self.back_ns, una, echo_us, blocks
