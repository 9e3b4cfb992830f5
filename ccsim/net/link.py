"""A link that flows share: it merges what they send, queues it, and keeps its own trace."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.compiled import in_use
from ccsim.ints import (
    Ints,
    as_ints,
    filled,
    joined_ints,
    part,
    picked,
    scattered,
)
from ccsim.net.batch import (
    Batch,
    Countable,
    Values,
    accepted_rows,
    as_column,
    as_list,
    columns_of,
    count_up_to,
    countable,
    give_parts,
    hand_out,
    refuse,
)
from ccsim.net.fifo import Fifo
from ccsim.net.marking import Marker
from ccsim.spec.limits import HEADER_BYTES
from ccsim.spill import Rows, Spill

__all__ = [
    "ACK_BYTES",
    "ACK_SEQ",
    "HEADER_BYTES",
    "SYN_BYTES",
    "SYN_SEQ",
    "Link",
]

Column = NDArray[np.int64]
Drop = tuple[int, int, int]  # t, flow, 1 if random
Sample = tuple[int, int, int, int, int]  # t, queue, drops, losses, departed bytes

SYN_BYTES = 60
ACK_BYTES = 52
SYN_SEQ = -1  # stands for a packet number
ACK_SEQ = -2  # a pure ACK of the sender
PACK_ROWS = 1024  # samples, and drops, that are kept as tuples
COMPILED = in_use()
VECTOR_ROWS = 48  # packets of a window from which on arrays are faster


class Link:
    """A FIFO with its line, and what is recorded of it.

    Samples are taken at every multiple of ``interval_ns``, and of ``meter_ns`` if that is not 0.
    ``mss_bytes`` plus headers is the size of a full packet; ``vector`` allows the closed forms from
    ``vector_rows`` packets a window on. ``marker`` says which packets bear CE, if any do. The trace
    is in ``samples`` and ``drop_log``, what came before them in ``sampled`` and ``dropped``, which
    ``spill`` keeps.
    """

    def __init__(
        self,
        fifo: Fifo,
        mss_bytes: int,
        interval_ns: int,
        *,
        vector: bool,
        vector_rows: int = VECTOR_ROWS,
        marker: Marker | None = None,
        meter_ns: int = 0,
        spill: Spill | None = None,
    ) -> None:
        spill = spill or Spill()
        self.fifo = fifo
        self.marker = marker
        self.full_bytes = mss_bytes + HEADER_BYTES
        self.vector = vector
        self.vector_rows = vector_rows
        self.interval_ns = interval_ns
        self.meter_ns = meter_ns
        self.samples: list[Sample] = []
        self._drop_t = Ints()  # when packets were refused, in order of time, then flow,
        self._drop_flow = Ints()  # of which flow they were,
        self._drop_random = Ints()  # and 1 for those lost at random
        self.sampled = spill.rows(5)
        self.dropped = spill.rows(3)
        self._next_sample_ns = 0
        self._accepted = 0  # before the present window
        # Departures, by window, of those that were not yet out at the last sample: of the first
        # window's the first that many had left, and `_departed` others before them.
        self._inside: deque[Countable] = deque()
        self._left = 0
        self._departed = 0
        self._odd: deque[tuple[int, int]] = deque()  # (departure, size less a full one), in order
        self._odd_bytes = 0  # of those before the last sample
        self._logged = 0  # how many of the drops have been counted, and of those
        self._drops = 0
        self._losses = 0

    def transmit(self, batches: list[Batch], until_ns: int) -> None:
        """Serve all packets of a window, in order of arrival, then flow, then sending; sample up to
        ``until_ns``.

        Every packet of the batches arrives before ``until_ns``, and none that arrives before it
        comes later. The batches are in order of flow.
        """
        n = 0
        for batch in batches:
            n += len(batch.seqs)
        arrivals: Values = []
        departures: Values = []
        lossy = False
        if n:
            refused = self.fifo.drops + self.fifo.losses
            queued = self.fifo.queued() if self.marker is not None else None
            if self.vector and COMPILED:
                arrivals, departures = self._serve_cells(batches)
            elif self.vector and n >= self.vector_rows:
                arrivals, departures = self._serve_train(batches, n)
            else:
                arrivals, departures = self._serve(batches)
            if self.marker is not None and queued is not None:
                _mark(self.marker, batches, queued, departures)
            lossy = self.fifo.drops + self.fifo.losses > refused
        if lossy:
            arrivals, departures = self._log_drops(batches, arrivals, departures)
        self._record(arrivals, departures, until_ns)

    def _serve(self, batches: list[Batch]) -> tuple[list[int], list[int]]:
        if len(batches) == 1:
            arrivals = as_list(batches[0].arrivals)
            sizes = self._sizes(batches[0])
            departures = self.fifo.serve(arrivals, sizes)
            batches[0].departures = departures
        else:
            arrivals, sizes = [], []
            for batch in batches:
                arrivals.extend(as_list(batch.arrivals))
                sizes.extend(self._sizes(batch))
            order = sorted(range(len(arrivals)), key=arrivals.__getitem__)
            arrivals = [arrivals[k] for k in order]
            sizes = [sizes[k] for k in order]
            departures = self.fifo.serve(arrivals, sizes)
            hand_out(batches, order, departures)
        self._note_odd(batches, sizes, departures)
        return arrivals, departures

    def _sizes(self, batch: Batch) -> list[int]:
        """Return the sizes of a batch's packets [bytes]."""
        odd, full = batch.odd, self.full_bytes
        if not odd:
            return [full] * len(batch.seqs)
        return [odd.get(seq, full) for seq in as_list(batch.seqs)]

    def _note_odd(self, batches: list[Batch], sizes: list[int], departures: list[int]) -> None:
        """Note which of the accepted packets are not full-sized."""
        for batch in batches:
            if batch.odd:
                break
        else:
            return
        full = self.full_bytes
        for size, departure in zip(sizes, departures, strict=True):
            if size != full and departure >= 0:
                self._odd.append((departure, size - full))

    def _serve_train(self, batches: list[Batch], n: int) -> tuple[Column, Column]:
        """Like `_serve`, with columns; the batches' own become parts of them."""
        arrivals = columns_of(batches, n)
        sizes = self._size_column(batches, n)
        if len(batches) == 1:
            departures = self.fifo.serve_train(arrivals, self.full_bytes, sizes)
            batches[0].departures = departures
        else:
            order = np.argsort(arrivals, kind="stable")
            arrivals = arrivals[order]
            if sizes is not None:
                sizes = sizes[order]
            departures = self.fifo.serve_train(arrivals, self.full_bytes, sizes)
            mixed = np.empty_like(departures)
            mixed[order] = departures
            give_parts(batches, mixed)
        if sizes is not None:
            odd = np.flatnonzero((sizes != self.full_bytes) & (departures >= 0))
            short = sizes[odd] - self.full_bytes
            self._odd.extend(zip(departures[odd].tolist(), short.tolist(), strict=True))
        return arrivals, departures

    def _serve_cells(self, batches: list[Batch]) -> tuple[Ints, Ints]:
        """Like `_serve`, in machine code."""
        sizes: Ints | None = None
        arrivals = joined_ints([as_ints(batch.arrivals) for batch in batches])
        for batch in batches:
            if batch.odd:
                sizes = joined_ints([self._size_cells(one) for one in batches])
                break
        if len(batches) == 1:
            departures = self.fifo.serve_cells(arrivals, self.full_bytes, sizes)
            batches[0].departures = departures
        else:
            order = as_ints(np.argsort(arrivals.column(), kind="stable"))
            arrivals = picked(arrivals, order)
            if sizes is not None:
                sizes = picked(sizes, order)
            departures = self.fifo.serve_cells(arrivals, self.full_bytes, sizes)
            give_parts(batches, scattered(departures, order))
        if sizes is not None:
            self._note_odd_cells(sizes, departures)
        return arrivals, departures

    def _size_cells(self, batch: Batch) -> Ints:
        """Like `_sizes`, in machine code."""
        sizes = filled(len(batch.seqs), self.full_bytes)
        if batch.odd:
            cells = sizes.cells
            for k, size in enumerate(self._sizes(batch)):
                cells[k] = size
        return sizes

    def _note_odd_cells(self, sizes: Ints, departures: Ints) -> None:
        """Like `_note_odd`, in machine code."""
        full, size_cells, left = self.full_bytes, sizes.cells, departures.cells
        for k in range(len(sizes)):
            if size_cells[k] != full and left[k] >= 0:
                self._odd.append((left[k], size_cells[k] - full))

    def _size_column(self, batches: list[Batch], n: int) -> Column | None:
        """Return the sizes of all packets [bytes]; None if all are full-sized."""
        sizes: Column | None = None
        start = 0
        for batch in batches:
            stop = start + len(batch.seqs)
            if batch.odd:
                if sizes is None:
                    sizes = np.full(n, self.full_bytes)
                sizes[start:stop] = self._sizes(batch)
            start = stop
        return sizes

    def _log_drops(
        self, batches: list[Batch], arrivals: Values, departures: Values
    ) -> tuple[Values, Values]:
        """Log what was refused; return the arrivals and departures of what was not."""
        times, flows, random = Ints(), Ints(), Ints()
        for batch in batches:
            refuse(batch, times, flows, random)
        if len(batches) > 1:  # in order of flow, which they are to be where time does not tell
            order = as_ints(np.argsort(as_column(times), kind="stable"))
            times, flows, random = picked(times, order), picked(flows, order), picked(random, order)
        self._drop_t.extend(times)
        self._drop_flow.extend(flows)
        self._drop_random.extend(random)
        return accepted_rows(arrivals, departures)

    def _record(self, arrivals: Values, departures: Values, until_ns: int) -> None:
        """Keep what samples need of the packets accepted; sample at every instant before
        ``until_ns``: all that arrives by then is known."""
        if len(departures):
            self._inside.append(countable(departures))
        if self._next_sample_ns < until_ns:
            self._sample(countable(arrivals), until_ns)
        self._accepted += len(arrivals)

    def _sample(self, arrivals: Countable, until_ns: int) -> None:
        """Sample at every instant before ``until_ns``: packets inside, drops and losses so far,
        bytes departed."""
        t, full, arrived = self._next_sample_ns, self.full_bytes, 0
        while t < until_ns:
            arrived = count_up_to(arrivals, t, arrived)
            departed = self._departed_until(t)
            if self._logged < len(self._drop_t):
                self._count_drops(t)
            sent_bytes = departed * full
            if self._odd or self._odd_bytes:
                sent_bytes += self._odd_until(t)
            inside = self._accepted + arrived - departed
            self.samples.append((t, inside, self._drops, self._losses, sent_bytes))
            t = self._after(t)
        self._next_sample_ns = t
        if max(len(self.samples), self._logged) >= PACK_ROWS:
            self.pack(self._logged)
            self._logged = 0

    def _after(self, t: int) -> int:
        """Return the instant of the sample after that at ``t``."""
        recorded = t - t % self.interval_ns + self.interval_ns
        if not self.meter_ns:
            return recorded
        return min(recorded, t - t % self.meter_ns + self.meter_ns)

    def _departed_until(self, t: int) -> int:
        """Return how many packets have left up to ``t``, which never goes back."""
        inside = self._inside
        while inside:
            departures = inside[0]
            if departures[-1] > t:
                self._left = count_up_to(departures, t, self._left)
                break
            self._departed += len(departures)
            self._left = 0
            inside.popleft()
        return self._departed + self._left

    def pack(self, drops: int) -> None:
        """Put the samples, and the first ``drops`` of the log, into tables."""
        _move(self.samples, len(self.samples), self.sampled)
        if drops:
            table = np.empty((drops, 3), dtype=np.int64)
            table[:, 0] = _taken(self._drop_t, drops)
            table[:, 1] = _taken(self._drop_flow, drops)
            table[:, 2] = _taken(self._drop_random, drops)
            self.dropped.add(table)

    @property
    def drop_log(self) -> list[Drop]:
        """The drops that are not in the table yet."""
        times, flows, random = self._drop_t, self._drop_flow, self._drop_random
        return list(zip(times.tolist(), flows.tolist(), random.tolist(), strict=True))

    def drops_since(self, t_ns: int) -> Iterator[tuple[int, int, int]]:
        """Yield the drops from ``t_ns`` on, as ``drop_log`` has them, and perhaps some before."""
        for table in self.dropped.since(t_ns):
            yield from map(tuple, table.tolist())
        yield from self.drop_log

    def _odd_until(self, t: int) -> int:
        """Return by how many bytes the short packets that left up to ``t``, which never goes back,
        are short in all; negative."""
        odd = self._odd
        while odd and odd[0][0] <= t:
            self._odd_bytes += odd.popleft()[1]
        return self._odd_bytes

    def _count_drops(self, t: int) -> None:
        """Count the drops and random losses up to ``t``, which never goes back."""
        times, random = self._drop_t.cells, self._drop_random.cells
        for k in range(self._logged, len(self._drop_t)):
            if times[k] > t:
                break
            self._logged += 1
            self._losses += random[k]
            self._drops += 1 - random[k]


def _move(rows: list[Any], n: int, table: Rows) -> None:
    """Move the first ``n`` rows to the end of a table."""
    if n:
        if COMPILED:
            flat = np.empty(n * table.width, dtype=np.int64)
            _flatten(flat, rows, n)
            table.add(flat.reshape(n, table.width))
        else:
            table.add(np.array(rows[:n], dtype=np.int64))
        del rows[:n]


def _taken(column: Ints, n: int) -> Column:
    """Return the first ``n`` elements of a column, which forgets them."""
    first = as_column(part(column, 0, n))
    column.forget(n)
    return first


def _flatten(flat: Column, rows: list[Any], n: int) -> None:
    """Put the values of the first ``n`` rows into a column, row after row."""
    at = 0
    for k in range(n):
        for value in rows[k]:
            flat[at] = value
            at += 1


def _mark(marker: Marker, batches: list[Batch], queued: Column, departures: Values) -> None:
    """Decide what each batch's packets find before them; all of ``departures`` are in order."""
    accepted = np.asarray(departures, dtype=np.int64)
    queued = np.concatenate((queued, accepted[accepted >= 0]))
    for batch in batches:
        own = np.asarray(batch.departures, dtype=np.int64)
        if len(queued):
            batch.marks = marker.marks(queued, np.asarray(batch.arrivals, dtype=np.int64), own)
