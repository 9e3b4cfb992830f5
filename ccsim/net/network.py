"""Hops, the ways of flows over them, and the clocks by which they advance one another.

Each hop has a clock: the time before which all its arrivals are known. What leaves a hop that is
not decided yet leaves after a bound, so the clock of whatever comes next, a hop or a flow's far
end, is that bound and the delay between. A sender's clock is the beginning of the window; that of
a receiver, whose ACKs may have hops before them too, is its far end's. Hops are run for as long as
a clock grows, and never up to a clock whose arrivals have not been handed over (Chandy and Misra
1979, with the clocks as null messages). Hops in a circle stop where the senders' clocks hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ccsim.net.hop import Hop
from ccsim.net.hop_packets import LEG, NO_ROWS, REACH, HopPacket, Leg, Rows, in_order, split
from ccsim.net.rate_process import FOREVER

__all__ = ["Network"]

FAR_END = -1


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
        self._legs: list[Leg] = []
        self._next: list[list[int]] = [[] for _ in self.hops]  # hop or far end, by leg
        self._into: list[list[tuple[int, int]]] = [[] for _ in self.hops]

    def route(self, out: Leg, back: Leg | None, back_ns: int) -> None:
        """Let the clocks know of a flow's ways; without hops back it takes ACKs ``back_ns``."""
        self._number(out)
        self._enter(out.hops[0], out.before_ns)
        self._follow(out)
        last = out.hops[-1]
        if back is None:
            self._exit(last, out.after_ns + back_ns)
            return
        self._number(back)
        self._edge(last, back.hops[0], out.after_ns + back.before_ns)
        self._follow(back)
        self._exit(back.hops[-1], back.after_ns)

    def stream(self, out: Leg, back: Leg | None) -> None:
        """Let the clocks know of the ways of what nobody waits for."""
        self._number(out)
        self._enter(out.hops[0], out.before_ns)
        self._follow(out)
        if back is not None:
            self._number(back)
            self._edge(out.hops[-1], back.hops[0], out.after_ns + back.before_ns)
            self._follow(back)

    def open(self, leg: Leg) -> None:
        """Let a leg's far end be told how far it is known."""
        self._ending[leg.hops[-1]][leg.rank] = leg

    def close(self, leg: Leg) -> None:
        """Take a leg on which nothing is left out of the rounds."""
        del self._ending[leg.hops[-1]][leg.rank]

    def send(self, leg: Leg, rows: Rows) -> None:
        """Take packets that a leg's near end sends, in order, with when they leave it."""
        leg.inside += len(rows)
        rows[:, LEG] = leg.number
        rows[:, REACH] += leg.before_ns
        self.hops[leg.hops[0]].take_rows(rows, len(self.hops) + leg.rank)

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

    def _number(self, leg: Leg) -> None:
        """Give a leg its number, and let hops know where its packets go from them."""
        leg.number = len(self._legs)
        self._legs.append(leg)
        ways = dict(zip(leg.hops, (*leg.hops[1:], FAR_END), strict=True))
        for number, hop in enumerate(self.hops):
            self._next[number].append(ways.get(number, FAR_END))
            hop.legs = self._legs

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
        rows = hop.run_rows(known_ns)
        if len(rows):
            self._hand_over(number, rows)
        for _, packet in hop.drops:
            assert isinstance(packet, HopPacket)
            packet.leg.inside -= 1
            packet.leg.lost.append(packet)
        hop.drops.clear()
        for leg in list(self._ending[number].values()):
            self._release(leg, number)

    def _hand_over(self, number: int, rows: Rows) -> None:
        """Let what leaves a hop be on its way to what comes next."""
        numbers = rows[:, LEG]
        first = int(numbers[0])
        if len(self._legs) == 1 or bool((numbers == first).all()):
            target = self._next[number][first]
            if target == FAR_END:
                self._legs[first].waiting.append(rows)
            else:
                self.hops[target].take_rows(rows, number)
            return
        targets = np.array(self._next[number])[numbers]
        for target in np.unique(targets).tolist():
            part = rows[targets == target]
            if target == FAR_END:
                self._arrive(part)
            else:
                self.hops[target].take_rows(part, number)

    def _arrive(self, rows: Rows) -> None:
        """Let rows of several legs be on their way to the legs' far ends."""
        rows = rows[rows[:, LEG].argsort(kind="stable")]
        numbers = rows[:, LEG]
        borders = (np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist()
        for start, stop in pairwise((0, *borders, len(rows))):
            self._legs[int(numbers[start])].waiting.append(rows[start:stop])

    def _release(self, leg: Leg, number: int) -> None:
        """Deliver what arrives at a leg's far end before its clock."""
        known = self._after(number, leg.after_ns)
        if known <= leg.known_ns:
            return
        leg.known_ns = known
        rows = NO_ROWS
        if leg.waiting:
            rows, later = split(in_order(leg.waiting), known - leg.after_ns)
            leg.waiting = [later] if len(later) else []
            leg.inside -= len(rows)
            rows[:, REACH] += leg.after_ns
        leg.deliver(leg, rows, known)
