"""Packets in order of the time at which they may leave, as fq and netem keep them: a list that
grows at its end, and a sorted part beside it for those that come out of order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush

from ccsim.net.qdisc.base import Packet

__all__ = ["Departures"]


class Departures:
    """Packets by ``cb``, their time; those of equal times in order of arrival.

    A packet is appended if it is not earlier than the last one appended, else sorted in. Of an
    appended and a sorted packet with the same time the appended one is first.
    """

    __slots__ = ("latest", "linear", "order", "tree")

    def __init__(self) -> None:
        self.linear: deque[Packet] = deque()
        self.tree: list[tuple[int, int, Packet]] = []
        self.order = 0
        self.latest = 0  # greatest time that was sorted in while the tree was not empty

    def __len__(self) -> int:
        return len(self.linear) + len(self.tree)

    def __iter__(self) -> Iterator[Packet]:
        yield from self.linear
        for _, _, packet in self.tree:
            yield packet

    def add(self, packet: Packet) -> None:
        """Put a packet in its place."""
        linear = self.linear
        if not linear or packet.cb >= linear[-1].cb:
            linear.append(packet)
            return
        if not self.tree or packet.cb > self.latest:
            self.latest = packet.cb
        self.order += 1
        heappush(self.tree, (packet.cb, self.order, packet))

    def first(self) -> Packet | None:
        """Return the next packet, or None."""
        if self.tree:
            if not self.linear or self.tree[0][0] < self.linear[0].cb:
                return self.tree[0][2]
            return self.linear[0]
        return self.linear[0] if self.linear else None

    def pop(self) -> Packet:
        """Take the packet that `first` returns."""
        if self.tree and (not self.linear or self.tree[0][0] < self.linear[0].cb):
            return heappop(self.tree)[2]
        return self.linear.popleft()

    def last_time(self) -> int | None:
        """Return the greatest time of all inside; None if there is none."""
        times = [self.latest] if self.tree else []
        if self.linear:
            times.append(self.linear[-1].cb)
        return max(times, default=None)
