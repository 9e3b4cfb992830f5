"""What a flow sends in a window: times and numbers of packets, in whichever form is fastest there,
a list, a column, or integers of machine code."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from ccsim.compiled import in_use
from ccsim.ints import Ints, as_ints, count_until, kept, part, picked
from ccsim.net.fifo import LOST

__all__ = [
    "Batch",
    "Countable",
    "Values",
    "accepted_rows",
    "as_column",
    "as_list",
    "columns_of",
    "count_up_to",
    "countable",
    "give_parts",
    "hand_out",
    "refuse",
]

Column = NDArray[np.int64]
Values = Column | list[int]
Countable = list[int] | memoryview
COMPILED = in_use()


class Batch:
    """What one flow sends in one window: times at the queue [ns], ascending, and packet numbers.

    ``departures`` is the link's answer, one for each packet: when it has left [ns], `DROPPED` or
    `LOST`. ``odd`` holds sizes by packet number of those that are not full-sized. ``marks`` tells
    which of them bear CE if they are ECN-capable; None where the link does not mark.
    """

    __slots__ = ("arrivals", "departures", "flow", "marks", "odd", "seqs")

    def __init__(
        self,
        flow: int,
        arrivals: Values,
        seqs: Values,
        odd: dict[int, int],
        departures: Values,
    ) -> None:
        self.flow = flow
        self.arrivals = arrivals
        self.seqs = seqs
        self.odd = odd
        self.departures = departures
        self.marks: NDArray[np.bool_] | None = None


def as_column(values: Values) -> Column:
    """Return times or numbers of packets as a column."""
    return values.column() if isinstance(values, Ints) else np.asarray(values, dtype=np.int64)


def as_list(values: Values) -> list[int]:
    """Return times or numbers of packets as a list."""
    return values if isinstance(values, list) else values.tolist()


def countable(values: Values) -> Countable:
    """Return ascending times as `count_up_to` reads them fast."""
    return memoryview(values) if isinstance(values, np.ndarray) else values


def count_up_to(times: Countable, t: int, start: int) -> int:
    """Return how many of ascending times are not beyond ``t``, which ``start`` of them are not."""
    if isinstance(times, Ints):
        return count_until(times, t, start)
    return bisect_right(times, t, start)


def accepted_rows(arrivals: Values, departures: Values) -> tuple[Values, Values]:
    """Return the arrivals and departures of the packets that were not dropped."""
    if isinstance(arrivals, Ints) and isinstance(departures, Ints):
        rows = kept(departures)
        return picked(arrivals, rows), picked(departures, rows)
    if isinstance(arrivals, list) and isinstance(departures, list):
        return (
            [a for a, d in zip(arrivals, departures, strict=True) if d >= 0],
            [d for d in departures if d >= 0],
        )
    keep = np.asarray(departures) >= 0
    return np.asarray(arrivals)[keep], np.asarray(departures)[keep]


def columns_of(batches: list[Batch], n: int) -> Column:
    """Return the arrivals of all ``n`` packets, batch after batch; each batch gets its part, as who
    takes it then wants columns, unless lists are what compiled code is faster with."""
    if len(batches) == 1:
        return as_column(batches[0].arrivals)
    columns = np.empty(n, dtype=np.int64)
    start = 0
    for batch in batches:
        stop = start + len(batch.seqs)
        if COMPILED and isinstance(batch.arrivals, Ints):
            _fill(columns, start, batch.arrivals)
        else:
            columns[start:stop] = batch.arrivals
            batch.arrivals = columns[start:stop]
        start = stop
    return columns


def _fill(column: Column, start: int, values: Ints) -> None:
    """Put values into a column, from ``start`` on."""
    cells = values.cells
    for k in range(len(values)):
        column[start + k] = cells[k]


def give_parts(batches: list[Batch], departures: Values) -> None:
    """Give each batch its part of the departures, batch after batch."""
    start = 0
    for batch in batches:
        stop = start + len(batch.seqs)
        if isinstance(departures, Ints):
            batch.departures = part(departures, start, stop)
        else:
            batch.departures = departures[start:stop]
        start = stop


def hand_out(batches: list[Batch], order: list[int], departures: list[int]) -> None:
    """Give each batch its departures, of which the k-th is packet ``order[k]``'s."""
    mixed = [0] * len(departures)
    for k, departure in zip(order, departures, strict=True):
        mixed[k] = departure
    give_parts(batches, mixed)


def refuse(batch: Batch, times: Ints, flows: Ints, random: Ints) -> None:
    """Put what was dropped or lost of a batch's packets behind what was before: when it arrived,
    whose it was, and 1 if that was at random."""
    arrivals, departures = batch.arrivals, batch.departures
    if COMPILED:
        _refuse_cells(batch.flow, as_ints(arrivals), as_ints(departures), times, flows, random)
        return
    if isinstance(departures, np.ndarray):
        at_rows = np.flatnonzero(departures < 0)
        arrivals = np.asarray(arrivals, dtype=np.int64)[at_rows]
        departures = departures[at_rows].tolist()
    for t, departure in zip(as_list(arrivals), as_list(departures), strict=True):
        if departure < 0:
            times.append(t)
            flows.append(batch.flow)
            random.append(int(departure == LOST))


def _refuse_cells(
    flow: int, arrivals: Ints, departures: Ints, times: Ints, flows: Ints, random: Ints
) -> None:
    """Like `refuse`, in machine code."""
    at, left = arrivals.cells, departures.cells
    for k in range(len(departures)):
        if left[k] < 0:
            times.append(at[k])
            flows.append(flow)
            random.append(left[k] == LOST)
