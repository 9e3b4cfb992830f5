"""Hops, the ways of flows over them, and the clocks by which they advance one another.

Each hop has a clock: the time before which all its arrivals are known. What leaves a hop that is
not decided yet leaves after a bound, so the clock of whatever comes next, a hop or a flow's far
end, is that bound and the delay between. A sender's clock is the beginning of the window; that of
a receiver, whose ACKs may have hops before them too, is its far end's. Hops are run for as long as
a clock grows, and never up to a clock whose arrivals have not been handed over (Chandy and Misra
1979, with the clocks as null messages). Hops in a circle stop where the senders' clocks hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccsim.net.hop import Hop
from ccsim.net.qdisc.base import Packet
from ccsim.net.rate_process import FOREVER

__all__ = ["Leg", "Network", "Segment"]

Reach = tuple[int, int, "Segment"]  # when it arrives, in which order it was handed over
Deliver = Callable[["Leg", "list[tuple[int, Segment]]", int], None]


class Segment(Packet):
    """A packet on its way: ``seq`` and ``sent_ns`` are the sender's, ``row`` is what an ACK says;
    it is on its way to hop number ``at`` of its ``leg``."""

    __slots__ = ("at", "leg", "row", "sent_ns", "seq")

    leg: Leg
    at: int
    seq: int
    sent_ns: int
    row: Any

    def copy(self, number: int) -> Segment:
        """Return a duplicate."""
        twin = super().copy(number)
        assert isinstance(twin, Segment)
        twin.leg, twin.at, twin.seq = self.leg, self.at, self.seq
        twin.sent_ns, twin.row = self.sent_ns, self.row
        self.leg.inside += 1
        self.leg.copies += 1
        return twin


class Leg:
    """One direction of a flow: ``before_ns``, hops, ``after_ns``.

    ``rank`` is its place among what arrives at a hop at one instant. ``inside`` packets are on
    their way, ``copies`` of all have been added by hops; ``lost`` are those dropped since the owner
    looked last. ``deliver`` is told of what arrives at the far end, and up to when all of it is
    known.
    """

    __slots__ = (
        *("after_ns", "before_ns", "copies", "deliver", "flow", "hops", "inside", "known_ns"),
        *("lost", "rank", "waiting"),
    )

    def __init__(
        self,
        flow: int,
        rank: int,
        hops: tuple[int, ...],
        before_ns: int,
        after_ns: int,
        deliver: Deliver,
    ) -> None:
        self.flow = flow
        self.rank = rank
        self.hops = hops
        self.before_ns = before_ns
        self.after_ns = after_ns
        self.deliver = deliver
        self.inside = 0
        self.copies = 0
        self.lost: list[Segment] = []
        self.waiting: list[Reach] = []
        self.known_ns = 0


class Network:
    """All hops of a run up to ``end_ns``, and the legs over them."""

    def __init__(self, hops: Sequence[Hop], end_ns: int) -> None:
        self.hops = list(hops)
        self._end_ns = end_ns
        self._last_ns = end_ns + 1  # no clock goes further
        self.senders_ns = 0  # all that is sent before is known
        self._entries: dict[int, int] = {}  # hop: shortest delay from a sender
        self._edges: dict[tuple[int, int], int] = {}  # from hop to hop: shortest delay between
        self._exits: dict[int, int] = {}  # hop: shortest delay from it to a sender
        self._ending: list[dict[int, Leg]] = [{} for _ in self.hops]  # legs by rank
        self._order = 0
        self._into: list[list[tuple[int, int]]] = [[] for _ in self.hops]

    def route(self, out: Leg, back: Leg | None, back_ns: int) -> None:
        """Let the clocks know of a flow's ways; without hops back it takes ACKs ``back_ns``."""
        self._enter(out.hops[0], out.before_ns)
        self._follow(out)
        last = out.hops[-1]
        if back is None:
            self._exit(last, out.after_ns + back_ns)
            return
        self._edge(last, back.hops[0], out.after_ns + back.before_ns)
        self._follow(back)
        self._exit(back.hops[-1], back.after_ns)

    def open(self, leg: Leg) -> None:
        """Let a leg's far end be told how far it is known."""
        self._ending[leg.hops[-1]][leg.rank] = leg

    def close(self, leg: Leg) -> None:
        """Take a leg on which nothing is left out of the rounds."""
        del self._ending[leg.hops[-1]][leg.rank]

    def send(self, leg: Leg, rows: list[tuple[int, Segment]]) -> None:
        """Take packets that a leg's near end sends: (time, packet), in order."""
        before = leg.before_ns
        leg.inside += len(rows)
        hop = self.hops[leg.hops[0]]
        for _, packet in rows:
            packet.leg, packet.at = leg, 0
        hop.take(((t + before, packet) for t, packet in rows), len(self.hops) + leg.rank)

    def advance(self, senders_ns: int) -> None:
        """Run all hops as far as can be, now that all that is sent before a time is known."""
        self.senders_ns = senders_ns
        grown = True
        while grown:
            grown = False
            for number, hop in enumerate(self.hops):
                known = self._known(number)
                if known > hop.known_ns:
                    grown = True
                    self._run(number, hop, known)

    def horizon_ns(self) -> int:
        """Return the time before which all that reaches a sender is known."""
        return min(self._after(number, delay) for number, delay in self._exits.items())

    def check(self) -> None:
        """Raise InvariantError unless every packet and byte is accounted for on every hop."""
        for hop in self.hops:
            hop.check()

    def _enter(self, hop: int, delay: int) -> None:
        self._last_ns = max(self._last_ns, self._end_ns + delay)
        self._entries[hop] = min(self._entries.get(hop, FOREVER), delay)

    def _exit(self, hop: int, delay: int) -> None:
        self._exits[hop] = min(self._exits.get(hop, FOREVER), delay)

    def _edge(self, before: int, after: int, delay: int) -> None:
        if (before, after) not in self._edges:
            self._into[after].append((before, after))
        self._edges[before, after] = min(self._edges.get((before, after), FOREVER), delay)

    def _follow(self, leg: Leg) -> None:
        for before, after in zip(leg.hops, leg.hops[1:], strict=False):
            self._edge(before, after, 0)

    def _after(self, number: int, delay: int) -> int:
        reach = self.hops[number].reach_ns()
        return reach + delay if reach < FOREVER else FOREVER

    def _known(self, number: int) -> int:
        """Return the time before which all arrivals at a hop are known."""
        known = self._last_ns
        if number in self._entries:
            known = min(known, self.senders_ns + self._entries[number])
        for edge in self._into[number]:
            known = min(known, self._after(edge[0], self._edges[edge]))
        return known

    def _run(self, number: int, hop: Hop, known_ns: int) -> None:
        """Run a hop, hand over what leaves it, and let far ends know how far they are known."""
        for _, reach, packet in hop.run(known_ns):
            assert isinstance(packet, Segment)
            leg = packet.leg
            packet.at += 1
            if packet.at < len(leg.hops):
                self.hops[leg.hops[packet.at]].take(((reach, packet),), number)
            else:
                self._order += 1
                leg.waiting.append((reach, self._order, packet))
        for _, packet in hop.drops:
            assert isinstance(packet, Segment)
            packet.leg.inside -= 1
            packet.leg.lost.append(packet)
        hop.drops.clear()
        for leg in list(self._ending[number].values()):
            self._release(leg, number)

    def _release(self, leg: Leg, number: int) -> None:
        """Deliver what arrives at a leg's far end before its clock."""
        known = self._after(number, leg.after_ns)
        if known <= leg.known_ns:
            return
        leg.known_ns = known
        rows: list[tuple[int, Segment]] = []
        if leg.waiting:
            leg.waiting.sort()
            after, late = leg.after_ns, known - leg.after_ns
            taken = 0
            for reach, _, packet in leg.waiting:
                if reach >= late:
                    break
                rows.append((reach + after, packet))
                taken += 1
            del leg.waiting[:taken]
            leg.inside -= taken
        leg.deliver(leg, rows, known)
