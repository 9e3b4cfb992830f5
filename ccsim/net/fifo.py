"""A drop-tail FIFO behind a serial line: departures and drops, packet by packet and in closed form.

Service times carry the remainder of bits·10⁹/rate from packet to packet, so that no rounding
accumulates and the departures do not depend on how the arrivals are cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ccsim.ints import Ints, as_ints
from ccsim.net.loss import BernoulliLoss
from ccsim.units import NS_PER_S

__all__ = ["DROPPED", "LOST", "Fifo"]

Column = NDArray[np.int64]
DROPPED = -1  # instead of a departure time: the queue was full
LOST = -2  # lost at random before the queue
BITS_NS = 8 * NS_PER_S  # of a byte
DATA_BYTES_MIN = 200  # smaller packets (SYN, pure ACK) are not lost at random
_DATA_MIN = DATA_BYTES_MIN  # the same, an integer of C where this is compiled
OVERFLOW_ROWS = 64  # packets that go one by one, at least, before the closed form is tried again


class Fifo:
    """One queue and its line: ``rate_bps`` [bit/s], room for ``limit`` packets with the one in
    service.

    ``last_ns`` is the last departure decided so far.
    """

    def __init__(self, rate_bps: int, limit: int, loss: BernoulliLoss | None = None) -> None:
        self.rate_bps = rate_bps
        self.limit = limit
        self.loss = loss
        self.last_ns = 0
        self.remainder = 0  # of bits * 10**9 / rate, in 1/rate ns
        # Departures of packets that may still be inside: for `serve`, for `serve_train` (at most
        # `limit`), for `serve_cells`; the one that was used last holds them.
        self._backlog: list[int] = []
        self._recent: Column | None = None
        self._cells: Ints | None = None
        self.drops = 0
        self.losses = 0
        self.accepted = 0
        self.accepted_bytes = 0

    def service_ns(self, size_bytes: int) -> int:
        """Return the shortest service time of a packet of that size [ns]."""
        return size_bytes * BITS_NS // self.rate_bps

    def back_to_back(self, n: int, size: int) -> Column:
        """Return when the next ``n`` packets of that size [bytes] leave if each of them finds the
        line busy and room in the queue [ns]; nothing changes."""
        return self._service_train(n, size, None) + self.last_ns

    def queued(self) -> Column:
        """Return the departures, in order, of the packets that may still be inside [ns]."""
        if self._cells is not None:
            return np.array(self._cells.tolist(), dtype=np.int64)
        inside = self._backlog if self._recent is None else self._recent
        return np.array(inside, dtype=np.int64)

    def serve(self, arrivals: Sequence[int], sizes: Sequence[int]) -> list[int]:
        """Take packets at ``arrivals`` [ns], ascending; return each one's departure [ns], `DROPPED`
        or `LOST`.

        A packet that leaves at the instant another arrives has left. This is the definition of the
        queue.
        """
        backlog = self._inside_rows()
        rate, limit, last, rem = self.rate_bps, self.limit, self.last_ns, self.remainder
        lost = self._draw(sizes)
        left, known, taken_bytes = 0, len(backlog), 0
        first = backlog[0] if known else 0  # when the one that leaves next does
        out = []
        for a, size in zip(arrivals, sizes, strict=True):
            if lost and size > _DATA_MIN and lost.pop():
                self.losses += 1
                out.append(LOST)
                continue
            while left < known and first <= a:
                left += 1
                first = backlog[left] if left < known else 0
            if known - left >= limit:
                self.drops += 1
                out.append(DROPPED)
                continue
            rem += size * BITS_NS
            service = rem // rate
            rem -= service * rate
            last = (a if a > last else last) + service
            backlog.append(last)
            out.append(last)
            if left == known:
                first = last
            known += 1
            self.accepted += 1
            taken_bytes += size
        del backlog[:left]
        self.last_ns, self.remainder = last, rem
        self.accepted_bytes += taken_bytes
        return out

    def _inside_rows(self) -> list[int]:
        """Return the departures of what may still be inside, as `serve` keeps them."""
        if self._recent is not None or self._cells is not None:
            self._backlog = self.queued().tolist()
            self._recent = self._cells = None
        return self._backlog

    def _draw(self, sizes: Sequence[int]) -> list[bool]:
        """Return for each packet that may be lost at random whether it is, the last of them
        first."""
        if self.loss is None:
            return []
        return self.loss.draws(sum([size > _DATA_MIN for size in sizes]))[::-1]

    def serve_cells(self, arrivals: Ints, size: int, sizes: Ints | None) -> Ints:
        """Like `serve`, for packets of one size or of ``sizes``, as machine code is fastest at it:
        services that are as long as the one before, but for the remainder, cost no division."""
        inside, out, loss = self._inside_cells(), Ints(), self.loss
        rate, limit, last, rem = self.rate_bps, self.limit, self.last_ns, self.remainder
        first, end, same, taken_bytes = 0, len(inside), size, 0
        each, rest = divmod(size * BITS_NS, rate)
        for k in range(len(arrivals)):
            a = arrivals.cells[k]
            if sizes is not None and sizes.cells[k] != same:
                same = sizes.cells[k]
                each, rest = divmod(same * BITS_NS, rate)
            if loss is not None and same > _DATA_MIN and loss.draw():
                self.losses += 1
                out.append(LOST)
                continue
            while first < end and inside.cells[first] <= a:
                first += 1
            if end - first >= limit:
                self.drops += 1
                out.append(DROPPED)
                continue
            rem += rest
            last = (a if a > last else last) + each
            if rem >= rate:
                rem -= rate
                last += 1
            out.append(last)
            inside.append(last)
            end += 1
            taken_bytes += same
            self.accepted += 1
        inside.forget(first)
        self.last_ns, self.remainder = last, rem
        self.accepted_bytes += taken_bytes
        return out

    def _inside_cells(self) -> Ints:
        """Return the departures of what may still be inside, as `serve_cells` keeps them."""
        if self._cells is None:
            self._cells, self._backlog, self._recent = as_ints(self.queued()), [], None
        return self._cells

    def serve_train(self, arrivals: Column, size: int, sizes: Column | None = None) -> Column:
        """Like `serve` at once, for packets of one size or of ``sizes``.

        Departures are a running maximum, d_k = S_k + max(last, max_{i<=k}(a_i - S_{i-1})) with S
        the cumulative service times. Packet k finds the queue full exactly if the one ``limit``
        before it, counting accepted ones, leaves after a_k. Where that happens, packets go one by
        one until the overflow has passed.
        """
        if self.loss is not None:
            return self._serve_lossy(arrivals, size, sizes)
        n = len(arrivals)
        out = np.empty(n, dtype=np.int64)
        if self._recent is None:
            self._recent, self._cells = self.queued()[-self.limit :], None
        done, block = 0, n
        while done < n:
            stop = min(n, done + block)
            part = sizes if sizes is None else sizes[done:stop]
            served = self._serve_until_full(arrivals[done:stop], size, part, out[done:stop])
            done += served
            block *= 2
            if done < stop:
                # An overflow may go on for long, so look less far ahead until it has passed.
                block = max(served, OVERFLOW_ROWS)
                stop = min(n, done + block)
                one_by_one = [size] * (stop - done) if sizes is None else sizes[done:stop].tolist()
                self._serve_overflow(arrivals[done:stop].tolist(), one_by_one, out[done:stop])
                done = stop
        return out

    def _serve_lossy(self, arrivals: Column, size: int, sizes: Column | None) -> Column:
        assert self.loss is not None
        if sizes is None:
            lost = self.loss.draw_many(len(arrivals))
        else:
            lost = sizes > _DATA_MIN
            lost[lost] = self.loss.draw_many(int(lost.sum()))
        out = np.full(len(arrivals), LOST, dtype=np.int64)
        self.losses += int(lost.sum())
        loss, self.loss = self.loss, None
        kept = ~lost
        out[kept] = self.serve_train(arrivals[kept], size, None if sizes is None else sizes[kept])
        self.loss = loss
        return out

    def _serve_until_full(
        self, arrivals: Column, size: int, sizes: Column | None, out: Column
    ) -> int:
        """Serve up to the first packet that finds the queue full; return how many were served."""
        n = len(arrivals)
        service = self._service_train(n, size, sizes)
        assert self._recent is not None
        known = len(self._recent)
        inside = np.empty(known + n, dtype=np.int64)
        inside[:known] = self._recent
        departures = inside[known:]
        departures[0] = max(int(arrivals[0]), self.last_ns)
        np.subtract(arrivals[1:], service[:-1], out=departures[1:])
        np.maximum.accumulate(departures, out=departures)
        departures += service
        served = n
        skip = self.limit - known  # the first packet that has `limit` others before it
        if skip < n:
            full = inside[: n - skip] > arrivals[skip:]
            first = int(full.argmax())
            if full[first]:
                served = skip + first
        if served:
            out[:served] = departures[:served]
            taken_bytes = served * size if sizes is None else int(sizes[:served].sum())
            self.last_ns = int(departures[served - 1])
            self.remainder += taken_bytes * BITS_NS - int(service[served - 1]) * self.rate_bps
            self._recent = inside[max(0, known + served - self.limit) : known + served]
            self.accepted += served
            self.accepted_bytes += taken_bytes
        return served

    def _service_train(self, n: int, size: int, sizes: Column | None) -> Column:
        """Return the cumulative service times of the next ``n`` packets [ns]."""
        if sizes is not None:
            return (np.cumsum(sizes) * BITS_NS + self.remainder) // self.rate_bps
        count = np.arange(1, n + 1, dtype=np.int64)
        each, rest = divmod(size * BITS_NS, self.rate_bps)
        if not rest and not self.remainder:
            return count * each  # as at 100 Mbit/s: whole nanoseconds, and no slow division
        return (count * (size * BITS_NS) + self.remainder) // self.rate_bps

    def _serve_overflow(self, arrivals: list[int], sizes: list[int], out: Column) -> None:
        """Serve packets one by one as `serve` does, from what the closed form keeps."""
        assert self._recent is not None
        known, limit = len(self._recent), self.limit
        before = self._recent[
            : len(arrivals)
        ].tolist()  # what the next packets may have to wait for
        complete = known <= len(arrivals)
        first = known - limit  # index in `before` of the departure that frees a slot for the next
        new: list[int] = []
        last, rem = self.last_ns, self.remainder
        for k, (a, size) in enumerate(zip(arrivals, sizes, strict=True)):
            if first >= 0 and before[first] > a:
                out[k] = DROPPED
                self.drops += 1
                continue
            service, rem = divmod(rem + size * BITS_NS, self.rate_bps)
            last = max(a, last) + service
            out[k] = last
            new.append(last)
            self.accepted_bytes += size
            if complete:
                before.append(last)
            first += 1
        self.last_ns, self.remainder = last, rem
        self.accepted += len(new)
        self._recent = np.concatenate((self._recent, np.array(new, dtype=np.int64)))[-limit:]
