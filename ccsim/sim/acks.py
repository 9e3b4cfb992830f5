"""ACKs under way to a sender as columns, for trains; others are `ccsim.tcp.ack_rows`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.ack_rows import AckRow
from ccsim.tcp.sack_blocks import Blocks

__all__ = ["AcksInColumns", "PlainAcks", "Sacks"]

Column = NDArray[np.int64]


class AcksInColumns:
    """ACKs as columns: arrival at the sender [ns], and the packet number that changes from one to
    the next; ``at`` is the first not taken yet, and up to ``retry`` they are to go one by one."""

    __slots__ = ("at", "numbers", "retry", "t")

    def __init__(self, t: Column, numbers: Column) -> None:
        self.t = t
        self.numbers = numbers
        self.at = 0
        self.retry = 0

    def __len__(self) -> int:
        return len(self.t)

    def time(self, k: int) -> int:
        """Return when ACK ``k`` arrives [ns]."""
        return int(self.t[k])

    def before(self, t_ns: int) -> int:
        """Return how many ACKs arrive before a time [ns]."""
        return len(self.t) if self.t[-1] < t_ns else int(self.t.searchsorted(t_ns))

    def row(self, k: int) -> AckRow:
        """Return ACK ``k`` as the scalar path takes it."""
        return self.part(k, k + 1)[0]

    def echo(self, k: int) -> int:
        """Return the send time that ACK ``k`` echoes [us]."""
        return self.row(k)[2]

    def part(self, start: int, stop: int) -> list[AckRow]:
        """Return ACKs ``start`` to ``stop`` as the scalar path takes them."""
        raise NotImplementedError


class PlainAcks(AcksInColumns):
    """Plain ACKs: ``numbers`` packets acknowledged, echoed send time [us]."""

    __slots__ = ("echo_us",)

    def __init__(self, t: Column, una: Column, echo_us: Column) -> None:
        super().__init__(t, una)
        self.echo_us = echo_us

    def part(self, start: int, stop: int) -> list[AckRow]:
        """Return ACKs ``start`` to ``stop`` as the scalar path takes them."""
        part = slice(start, stop)
        columns = self.t[part].tolist(), self.numbers[part].tolist(), self.echo_us[part].tolist()
        return [(t, una, echo, None) for t, una, echo in zip(*columns, strict=True)]


class Sacks(AcksInColumns):
    """ACKs each of which SACKs one packet more: the first block ends before packet ``numbers``.

    ``known`` are the packets acknowledged in order and where that block starts, ``rest`` the other
    blocks, ``echo_us`` the echoed send time [us], all the same for all.
    """

    __slots__ = ("echo_us", "known", "rest")

    def __init__(
        self, t: Column, ends: Column, known: tuple[int, int], rest: Blocks, echo_us: int
    ) -> None:
        super().__init__(t, ends)
        self.known, self.rest, self.echo_us = known, rest, echo_us

    def part(self, start: int, stop: int) -> list[AckRow]:
        """Return ACKs ``start`` to ``stop`` as the scalar path takes them."""
        part = slice(start, stop)
        (una, start), rest, echo = self.known, self.rest, self.echo_us
        columns = self.t[part].tolist(), self.numbers[part].tolist()
        return [(t, una, echo, ((start, end), *rest)) for t, end in zip(*columns, strict=True)]
