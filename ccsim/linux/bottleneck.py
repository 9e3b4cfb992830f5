"""The emulated path in virtual time: a packet's way is decided by the instant it arrived, so that
however late the process wakes up, lateness never accumulates.

The queue is `ccsim.net.fifo`, the simulator's own: finish = max(arrival, finish before) + bits /
rate. What is here is its use packet by packet, and what surrounds it: delays, losses, marks.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ccsim.linux.packets import TO_RECEIVER, TO_SENDER, FlowDelays, with_ce
from ccsim.net.fifo import DROPPED, LOST, Fifo
from ccsim.net.loss import BernoulliLoss

__all__ = ["Bottleneck"]

TO_LINE = -1  # instead of an end: the packet reaches the queue


class Bottleneck:
    """Packets on their way; `forward` and `back` take one that arrived, `due` returns those whose
    time has come.

    ``samples`` are (time, packets inside, drops, losses, bytes that left), every ``interval_ns``;
    ``drops`` are (time, flow, 1 if lost at random), ``marks`` (time, flow).
    """

    def __init__(
        self, path: Mapping[str, Any], ways: Sequence[FlowDelays], interval_ns: int
    ) -> None:
        loss = path["loss_probability"]
        self.fifo = Fifo(
            path["rate_bps"],
            path["buffer_packets"],
            BernoulliLoss(loss, path["loss_seed"]) if loss else None,
        )
        self.mark_packets: int | None = path["ecn_mark_packets"]
        self.mark_ns: int | None = path["ecn_mark_ns"]
        self.ways = list(ways)
        self.interval_ns = interval_ns
        self.samples: list[tuple[int, int, int, int, int]] = []
        self.drops: list[tuple[int, int, int]] = []
        self.marks: list[tuple[int, int]] = []
        self._inside: deque[tuple[int, int]] = deque()  # departures, and sizes
        self._departed_bytes = 0
        self._heap: list[tuple[int, int, int, int, bytes]] = []
        self._order = 0

    def forward(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Take a packet of a sender."""
        way = self.ways[flow]
        self._push(t_ns + way.before_ns, TO_LINE, flow, packet)

    def back(self, t_ns: int, flow: int, packet: bytes, *, spared: bool) -> None:
        """Take a packet of a receiver; see `FlowDelays.leaves_ns`."""
        way = self.ways[flow]
        leaves = way.leaves_ns(t_ns, spared=spared)
        if leaves is not None:
            self._push(leaves + way.back_ns, TO_SENDER, flow, packet)

    def due(self, now_ns: int) -> list[tuple[int, int, int, bytes]]:
        """Return (time, where to, flow, packet) of what arrives by ``now_ns``, in order of time."""
        out = []
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            t, _, to, flow, packet = heapq.heappop(heap)
            if to == TO_LINE:
                self._arrive(t, flow, packet)
            else:
                out.append((t, to, flow, packet))
        return out

    def next_ns(self) -> int | None:
        """Return when the next thing happens; None if nothing is under way."""
        return self._heap[0][0] if self._heap else None

    def finish(self, t_ns: int) -> None:
        """Take what samples are missing up to the end."""
        self.sample_until(t_ns)

    def report(self) -> dict[str, Any]:
        """Return what was observed, as JSON values."""
        return {"samples": self.samples, "drops": self.drops, "marks": self.marks}

    def sample_until(self, t_ns: int) -> None:
        """Take the samples up to and including ``t_ns``, before which all has been decided."""
        while len(self.samples) * self.interval_ns <= t_ns:
            at = len(self.samples) * self.interval_ns
            self._leave(at)
            fifo = self.fifo
            row = (at, len(self._inside), fifo.drops, fifo.losses, self._departed_bytes)
            self.samples.append(row)

    def _push(self, t_ns: int, to: int, flow: int, packet: bytes) -> None:
        self._order += 1
        heapq.heappush(self._heap, (t_ns, self._order, to, flow, packet))

    def _arrive(self, t_ns: int, flow: int, packet: bytes) -> None:
        """Let a packet reach the queue."""
        self.sample_until(t_ns - 1)
        self._leave(t_ns)
        start_ns = max(self.fifo.last_ns, t_ns)
        (departure,) = self.fifo.serve([t_ns], [len(packet)])
        if departure in (DROPPED, LOST):
            self.drops.append((t_ns, flow, int(departure == LOST)))
            return
        if self._is_marked(len(self._inside), start_ns - t_ns) and packet[1] & 3:
            packet = with_ce(packet)
            self.marks.append((t_ns, flow))
        self._inside.append((departure, len(packet)))
        way = self.ways[flow]
        self._push(departure + way.after_ns, TO_RECEIVER, flow, packet)

    def _is_marked(self, ahead: int, wait_ns: int) -> bool:
        if self.mark_packets is not None:
            return ahead > self.mark_packets
        return self.mark_ns is not None and wait_ns > self.mark_ns

    def _leave(self, t_ns: int) -> None:
        inside = self._inside
        while inside and inside[0][0] <= t_ns:
            self._departed_bytes += inside.popleft()[1]
