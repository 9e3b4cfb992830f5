"""What is recorded of a hop: samples of its queue on a grid of instants, every drop, every mark.

A sample at an instant shows what is so when everything of that instant has happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ccsim.net.qdisc.base import LOST, Packet
from ccsim.spill import Spill

if TYPE_CHECKING:
    from ccsim.net.hop import Hop

__all__ = ["SAMPLE", "HopLog"]

SAMPLE = ("t_ns", "queue_packets", "queue_bytes", "drops", "losses", "departed_bytes", "sojourn_us")
PACK_ROWS = 1024


class HopLog:
    """The trace of one hop.

    Samples are taken at every multiple of ``interval_ns``, and of ``meter_ns`` if that is not 0.
    The ``gauges`` of the qdisc, that many, are sampled with the others.
    """

    __slots__ = (
        *("dropped", "gauges", "interval_ns", "losses", "lost", "marked", "meter_ns", "new_drops"),
        *("new_marks", "new_samples", "next_ns", "sampled", "sojourn_ns"),
    )

    def __init__(
        self,
        interval_ns: int,
        meter_ns: int = 0,
        spill: Spill | None = None,
        gauges: int = 0,
    ) -> None:
        spill = spill or Spill()
        self.interval_ns = interval_ns
        self.meter_ns = meter_ns
        self.gauges = gauges
        self.next_ns = 0
        self.lost = 0  # drops so far, and of them those at random
        self.losses = 0
        self.sojourn_ns = 0  # of the packet that left the queue last
        self.sampled = spill.rows(len(SAMPLE) + gauges)
        self.dropped = spill.rows(3)
        self.marked = spill.rows(2)
        self.new_samples: list[tuple[int, ...]] = []
        self.new_drops: list[tuple[int, int, int]] = []  # time, flow, reason
        self.new_marks: list[tuple[int, int]] = []

    def drop(self, t: int, packet: Packet, reason: int) -> None:
        """Write a drop down."""
        self.lost += 1
        self.losses += reason == LOST
        self.new_drops.append((t, packet.flow, reason))

    def mark(self, t: int, packet: Packet) -> None:
        """Write down that a packet leaves with a mark that it got here."""
        self.new_marks.append((t, packet.flow))

    def sample(self, hop: Hop, before_ns: int) -> None:
        """Sample at every instant before ``before_ns``: nothing else happens before it."""
        qdisc, t = hop.qdisc, self.next_ns
        serving = hop.on_line()
        state = qdisc.gauges() if self.gauges else ()
        row = (
            qdisc.qlen + (serving > 0),
            qdisc.backlog + serving,
            self.lost - self.losses,
            self.losses,
            hop.bytes_out - serving,
            self.sojourn_ns // 1000,
            *state,
        )
        while t < before_ns:
            self.new_samples.append((t, *row))
            t = self._after(t)
        self.next_ns = t
        if max(len(self.new_samples), len(self.new_drops), len(self.new_marks)) >= PACK_ROWS:
            self.pack()

    def _after(self, t: int) -> int:
        recorded = t - t % self.interval_ns + self.interval_ns
        if not self.meter_ns:
            return recorded
        return min(recorded, t - t % self.meter_ns + self.meter_ns)

    def pack(self) -> None:
        """Put what is new into tables."""
        import numpy as np

        for rows, table in (
            (self.new_samples, self.sampled),
            (self.new_drops, self.dropped),
            (self.new_marks, self.marked),
        ):
            if rows:
                table.add(np.array(rows, dtype=np.int64))
                rows.clear()

    def drops_since(self, t_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield the drops from ``t_ns`` on, and perhaps some before."""
        for table in self.dropped.since(t_ns):
            yield from map(tuple, table.tolist())
        yield from self.new_drops
