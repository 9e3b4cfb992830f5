"""A link that flows share: it merges what they send, queues it, and keeps its own trace."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.net.fifo import LOST, Fifo
from ccsim.net.marking import Marker
from ccsim.spill import Rows, Spill

__all__ = ["ACK_BYTES", "ACK_SEQ", "HEADER_BYTES", "SYN_BYTES", "SYN_SEQ", "Batch", "Link"]

Column = NDArray[np.int64]
Values = Column | list[int]

HEADER_BYTES = 52  # IPv4 20, TCP 20, timestamps 12
SYN_BYTES = 60
ACK_BYTES = 52
SYN_SEQ = -1  # stands for a packet number
ACK_SEQ = -2  # a pure ACK of the sender
PACK_ROWS = 1024  # samples, and drops, that are kept as tuples


@dataclass(slots=True)
class Batch:
    """What one flow sends in one window: times at the queue [ns], ascending, and packet numbers.

    ``departures`` is the link's answer, one for each packet: when it has left [ns], `DROPPED` or
    `LOST`. ``odd`` holds sizes by packet number of those that are not full-sized. ``marks`` tells
    which of them bear CE if they are ECN-capable; None where the link does not mark.
    """

    flow: int
    arrivals: Values
    seqs: Values
    odd: dict[int, int]
    departures: Values
    marks: NDArray[np.bool_] | None = None


class Link:
    """A FIFO with its line, and what is recorded of it.

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
        vector_rows: int = 48,
        marker: Marker | None = None,
        spill: Spill | None = None,
    ) -> None:
        spill = spill or Spill()
        self.fifo = fifo
        self.marker = marker
        self.full_bytes = mss_bytes + HEADER_BYTES
        self.vector = vector
        self.vector_rows = vector_rows
        self.interval_ns = interval_ns
        self.samples: list[
            tuple[int, int, int, int, int]
        ] = []  # t, queue, drops, losses, departed bytes
        self.drop_log: list[
            tuple[int, int, int]
        ] = []  # t, flow, 1 if random; in order of time, then flow
        self.sampled = spill.rows(5)
        self.dropped = spill.rows(3)
        self._next_sample_ns = 0
        self._accepted = 0  # before the present window
        self._inside: Column = np.empty(
            0, dtype=np.int64
        )  # departures of those not yet out at the last sample
        self._departed = 0  # all before them
        self._odd: deque[tuple[int, int]] = deque()  # (departure, size less a full one), in order
        self._odd_bytes = 0  # of those before the last sample
        self._logged = [
            0,
            0,
            0,
        ]  # how much of drop_log has been counted, and in it drops and losses

    def transmit(self, batches: list[Batch], until_ns: int) -> None:
        """Serve all packets of a window, in order of arrival, then flow, then sending; sample up to
        ``until_ns``.

        Every packet of the batches arrives before ``until_ns``, and none that arrives before it
        comes later.
        """
        n = sum(len(batch.seqs) for batch in batches)
        drops = self.fifo.drops + self.fifo.losses
        arrivals: Values = []
        departures: Values = []
        if n:
            train = (
                self.vector and n >= self.vector_rows and not any(batch.odd for batch in batches)
            )
            queued = self.fifo.queued() if self.marker is not None else None
            arrivals, departures = self._serve_train(batches) if train else self._serve(batches)
            if self.marker is not None and queued is not None:
                _mark(self.marker, batches, queued, departures)
        lossy = self.fifo.drops + self.fifo.losses > drops
        if lossy:
            self._log_drops(batches)
        self._record(arrivals, departures, lossy, until_ns)

    def _serve(self, batches: list[Batch]) -> tuple[list[int], list[int]]:
        arrivals: list[int] = []
        sizes: list[int] = []
        full = self.full_bytes
        for batch in batches:
            arrivals.extend(_as_list(batch.arrivals))
            odd = batch.odd
            seqs = _as_list(batch.seqs)
            sizes.extend([odd.get(seq, full) for seq in seqs] if odd else [full] * len(seqs))
        if len(batches) > 1:
            order = sorted(range(len(arrivals)), key=arrivals.__getitem__)
            arrivals = [arrivals[k] for k in order]
            sizes = [sizes[k] for k in order]
        departures = self.fifo.serve(arrivals, sizes)
        for size, departure in zip(sizes, departures, strict=True):
            if size != full and departure >= 0:
                self._odd.append((departure, size - full))
        if len(batches) == 1:
            batches[0].departures = departures
        else:
            self._hand_out(batches, order, departures)
        return arrivals, departures

    def _hand_out(self, batches: list[Batch], order: list[int], departures: list[int]) -> None:
        mixed = [0] * len(departures)
        for k, departure in zip(order, departures, strict=True):
            mixed[k] = departure
        start = 0
        for batch in batches:
            stop = start + len(batch.seqs)
            batch.departures = mixed[start:stop]
            start = stop

    def _serve_train(self, batches: list[Batch]) -> tuple[Column, Column]:
        columns = [np.asarray(batch.arrivals, dtype=np.int64) for batch in batches]
        if len(columns) == 1:
            departures = self.fifo.serve_train(columns[0], self.full_bytes)
            batches[0].departures = departures
            return columns[0], departures
        arrivals = np.concatenate(columns)
        order = np.argsort(arrivals, kind="stable")
        arrivals = arrivals[order]
        departures = self.fifo.serve_train(arrivals, self.full_bytes)
        mixed = np.empty_like(departures)
        mixed[order] = departures
        start = 0
        for batch, column in zip(batches, columns, strict=True):
            batch.departures = mixed[start : start + len(column)]
            start += len(column)
        return arrivals, departures

    def _log_drops(self, batches: list[Batch]) -> None:
        new = []
        for batch in batches:
            arrivals, departures = _refused(batch)
            for t, departure in zip(arrivals, departures, strict=True):
                new.append((t, batch.flow, int(departure == LOST)))
        new.sort(key=lambda drop: drop[:2])
        self.drop_log.extend(new)

    def _record(self, arrivals: Values, departures: Values, lossy: bool, until_ns: int) -> None:
        """Keep what samples need; sample at every instant before ``until_ns``: all that arrives by
        then is known."""
        if lossy:
            arrivals, departures = _accepted(arrivals, departures)
        if len(departures):
            self._inside = np.concatenate((self._inside, np.asarray(departures, dtype=np.int64)))
        times = range(self._next_sample_ns, until_ns, self.interval_ns)
        if times:
            self._sample(times, arrivals)
            self._next_sample_ns = times[-1] + self.interval_ns
        self._accepted += len(arrivals)

    def _sample(self, times: range, arrivals: Values) -> None:
        """Sample at ``times`` [ns]: packets inside, drops and losses so far, bytes departed."""
        inside = _count_until(arrivals, times)
        left_ns = memoryview(self._inside)
        gone = [bisect_right(left_ns, t) for t in times]
        for t, arrived, left in zip(times, inside, gone, strict=True):
            departed = self._departed + left
            drops, losses = self._drops_until(t)
            sent_bytes = departed * self.full_bytes + self._odd_until(t)
            self.samples.append((t, self._accepted + arrived - departed, drops, losses, sent_bytes))
        self._departed += gone[-1]
        self._inside = self._inside[gone[-1] :]
        if max(len(self.samples), self._logged[0]) >= PACK_ROWS:
            self.pack(self._logged[0])
            self._logged[0] = 0

    def pack(self, drops: int) -> None:
        """Put the samples, and the first ``drops`` of the log, into tables."""
        _move(self.samples, len(self.samples), self.sampled)
        _move(self.drop_log, drops, self.dropped)

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

    def _drops_until(self, t: int) -> tuple[int, int]:
        """Return the drops and random losses up to ``t``, which never goes back."""
        logged, drops, losses = self._logged
        log = self.drop_log
        while logged < len(log) and log[logged][0] <= t:
            drops, losses = drops + 1 - log[logged][2], losses + log[logged][2]
            logged += 1
        self._logged = [logged, drops, losses]
        return drops, losses


def _move(rows: list[Any], n: int, table: Rows) -> None:
    """Move the first ``n`` rows to the end of a table."""
    if n:
        table.add(np.array(rows[:n], dtype=np.int64))
        del rows[:n]


def _mark(marker: Marker, batches: list[Batch], queued: Column, departures: Values) -> None:
    """Decide what each batch's packets find before them; all of ``departures`` are in order."""
    accepted = np.asarray(departures, dtype=np.int64)
    queued = np.concatenate((queued, accepted[accepted >= 0]))
    for batch in batches:
        own = np.asarray(batch.departures, dtype=np.int64)
        if len(queued):
            batch.marks = marker.marks(queued, np.asarray(batch.arrivals, dtype=np.int64), own)


def _refused(batch: Batch) -> tuple[list[int], list[int]]:
    """Return when the packets of a batch arrived that were dropped or lost, and which it was."""
    arrivals, departures = batch.arrivals, batch.departures
    if isinstance(departures, list):
        at = [k for k, departure in enumerate(departures) if departure < 0]
        arrivals = _as_list(arrivals)
        return [arrivals[k] for k in at], [departures[k] for k in at]
    at_rows = np.flatnonzero(departures < 0)
    return np.asarray(arrivals, dtype=np.int64)[at_rows].tolist(), departures[at_rows].tolist()


def _as_list(values: Values) -> list[int]:
    return values if isinstance(values, list) else values.tolist()


def _accepted(arrivals: Values, departures: Values) -> tuple[Values, Values]:
    """Return the arrivals and departures of the packets that were not dropped."""
    if isinstance(arrivals, list) or isinstance(departures, list):
        kept = [(a, d) for a, d in zip(arrivals, departures, strict=True) if d >= 0]
        return [a for a, _ in kept], [d for _, d in kept]
    keep = departures >= 0
    return arrivals[keep], departures[keep]


def _count_until(arrivals: Values, times: range) -> list[int]:
    """Return how many arrived up to each of the times."""
    known = arrivals if isinstance(arrivals, list) else memoryview(arrivals)
    return [bisect_right(known, t) for t in times]
