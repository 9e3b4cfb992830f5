"""CAKE's heap of queues by backlog, from which an overflow takes the longest
(``cake_heapify`` in ``net/sched/sch_cake.c``).

All queues of all tins are in it, also those that are empty; it is in order only from the first
overflow on, for as long as `Cake.overflow_timeout` lasts.
"""

from __future__ import annotations

from ccsim.net.qdisc.cake_tins import QUEUES, TINS

__all__ = ["CakeHeap"]

SIZE = TINS * QUEUES


class CakeHeap:
    """Queues by number, tin * 1024 + queue, with the greatest backlog on top."""

    __slots__ = ("backlogs", "entries", "places")

    def __init__(self) -> None:
        self.backlogs = [0] * SIZE
        self.entries: list[int] = []
        self.places: list[int] = []

    def build(self) -> None:
        """Bring all into order; only what is above a queue with packets can move."""
        if not self.entries:
            self.entries = [k % TINS * QUEUES + k // TINS for k in range(SIZE)]
            self.places = [number % QUEUES * TINS + number // QUEUES for number in range(SIZE)]
        above = set()
        for number, backlog in enumerate(self.backlogs):
            place = self.places[number] if backlog else 0
            while place:
                place = (place - 1) >> 1
                if place in above:
                    break
                above.add(place)
        for place in sorted(above, reverse=True):
            self.down(place)

    def _swap(self, one: int, other: int) -> None:
        entries, places = self.entries, self.places
        entries[one], entries[other] = entries[other], entries[one]
        places[entries[one]], places[entries[other]] = one, other

    def down(self, place: int) -> None:
        """Sift the entry at a place down while a child is larger."""
        entries, backlogs = self.entries, self.backlogs
        while True:
            largest, most = place, backlogs[entries[place]]
            for child in (2 * place + 1, 2 * place + 2):
                if child < SIZE and backlogs[entries[child]] > most:
                    largest, most = child, backlogs[entries[child]]
            if largest == place:
                return
            self._swap(place, largest)
            place = largest

    def up(self, place: int) -> None:
        """Sift the entry at a place up while its parent is smaller."""
        entries, backlogs = self.entries, self.backlogs
        while place:
            parent = (place - 1) >> 1
            if backlogs[entries[place]] <= backlogs[entries[parent]]:
                return
            self._swap(place, parent)
            place = parent
