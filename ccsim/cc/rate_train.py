"""Trains of ACKs with their rate samples: what the ``train`` hook of an algorithm with
``cong_control`` receives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ccsim.cc.fixed_point import BW_SHIFT
from ccsim.cc.pacing import gap_at
from ccsim.cc.train import AckTrain, Column
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import Sock

__all__ = ["RateTrain"]

LEAST_IN_FLIGHT = 2  # so that no ACK of a train leaves the network empty


class RateTrain(AckTrain):
    """Consecutive plain ACKs of a paced socket whose window does not bind: the pacer alone decides
    when packets leave.

    Beside the columns of `AckTrain`: ``delivered`` packets delivered after each ACK,
    ``prior_delivered`` and ``interval_us`` of the rate sample that ``cong_control`` would receive
    (-1: no valid sample); ``nxt`` the next packet number when each ACK arrives, if the pacing rate
    does not change before.

    The hook takes ACKs in order. Those that change neither pacing rate nor state other than its own
    it may take as it likes; for any other, `arrive` puts the socket into the state in which
    ``cong_control`` finds it and returns the sample, and after the hook has let ``cong_control``
    decide, `paced` makes a new pacing rate known. It writes ``cwnd`` for all it takes, leaves
    ``snd_cwnd`` and ``ca`` as ``cong_control``, called ACK by ACK, would have left them, and
    returns how many it took. `unlimited` tells how far it may go.
    """

    def __init__(
        self,
        columns: tuple[Column, Column, Column, Column],
        rates: tuple[Column, Column, Column],
        sk: Sock,
        *,
        snd_nxt: int,
        limit: int,
        jiffy: tuple[int, int],
        arrive: Callable[[RateTrain, int], RateSample],
    ) -> None:
        super().__init__(
            *columns, snd_nxt=snd_nxt, mss=sk.mss_cache, jiffies0_ns=jiffy[0], jiffy_ns=jiffy[1]
        )
        self.delivered, self.prior_delivered, self.interval_us = rates
        self.nxt: Column = np.empty(self.n, dtype=np.int64)
        self.pieces: list[tuple[int, int, int, int, int]] = []
        """Stretches of constant rate: first ACK that sees it, departure [ns] and number of its
        first packet, gap [ns], rate [bytes/s]."""
        self._limit = limit
        self._most_in_flight = self._free = 0
        self._arrive = arrive
        self._begin(0, sk.tcp_wstamp_ns, snd_nxt, sk.pacing_rate)

    def _begin(self, row: int, depart_ns: int, seq: int, rate: int) -> None:
        self.gap_ns = gap = gap_at(self.mss, rate)
        self._depart_ns, self._seq = depart_ns, seq
        self.pieces.append((row, depart_ns, seq, gap, rate))
        due = self.t_ns[row:] - (depart_ns - gap + 1)
        due //= gap
        np.maximum(due, 0, out=due)
        due += seq
        self.nxt[row:] = due
        self._bound(row)

    def _bound(self, row: int) -> None:
        """Find out from ACK ``row`` on what the window must hold, and where data or the network
        run out."""
        nxt, una = self.nxt, self.una
        flight = nxt[row:] - una[row:]
        self._most_in_flight = int((flight + self.acked[row:]).max())
        self._free = self.n
        if int(flight.min()) < LEAST_IN_FLIGHT or int(nxt[-1]) >= self._limit:
            out = (flight < LEAST_IN_FLIGHT) | (nxt[row:] >= self._limit)
            self._free = row + int(out.argmax())

    def arrive(self, row: int) -> RateSample:
        """Put the socket into the state in which ``cong_control`` finds it at an ACK; return the
        sample that it is told."""
        return self._arrive(self, row)

    def paced(self, sk: Sock, row: int) -> None:
        """Let packets leave at ``sk.pacing_rate`` from ACK ``row`` on: it is read whenever one
        leaves, so the next still leaves when it was to."""
        seq = int(self.nxt[row])
        depart_ns = self.wstamp(row)
        self._begin(row, depart_ns, seq, sk.pacing_rate)

    def wstamp(self, row: int) -> int:
        """Return when the next packet after ACK ``row`` leaves [ns]."""
        return self._depart_ns + (int(self.nxt[row]) - self._seq) * self.gap_ns

    def wstamps(self, first: int, stop: int) -> Column:
        """Return `wstamp` of the ACKs from ``first`` to before ``stop``."""
        return (self.nxt[first:stop] - self._seq) * self.gap_ns + self._depart_ns

    def prior_in_flight(self, first: int, stop: int) -> Column:
        """Return the packets in flight before each ACK from ``first`` to before ``stop``."""
        before = self.una[first:stop] - self.acked[first:stop]
        return self.nxt[first:stop] - before

    def first_filled(self, start: int, stop: int, bw: int, target: int) -> int:
        """Return the first ACK from ``start`` to before ``stop`` at which ``target`` packets or
        more will be in the network when the next may depart, at ``bw`` [packets/us << 24]."""
        over = self._at_departure(start, stop, bw) >= target
        return start + int(over.argmax()) if over.any() else stop

    def first_drained(self, start: int, stop: int, bw: int, target: int) -> int:
        """Return, as `first_filled`, the first ACK at which it will be ``target`` or fewer."""
        over = self._at_departure(start, stop, bw) <= target
        return start + int(over.argmax()) if over.any() else stop

    def _at_departure(self, start: int, stop: int, bw: int) -> Column:
        """Return the packets in the network at each ACK when the next packet may depart
        (``bbr_packets_in_net_at_edt``)."""
        wait_us = np.maximum(self.wstamps(start, stop) - self.t_ns[start:stop], 0) // 1000
        return self.prior_in_flight(start, stop) - (bw * wait_us >> BW_SHIFT)

    def unlimited(self, row: int, cwnd: int) -> int:
        """Return up to which ACK, from ``row`` on, a window of ``cwnd`` holds nothing back, and the
        network does not run empty."""
        if cwnd > self._most_in_flight:
            return self._free
        first = row - 1 if row else 0  # what leaves since the last ACK taken is held back as well
        held = self.nxt[first + 1 :] - self.una[first:-1] >= cwnd
        return min(first + 1 + int(held.argmax()), self._free) if held.any() else self._free

    def grow(self, sk: Sock, row: int, stop: int, target: int) -> None:
        """Let the window follow the ACKs from ``row`` to before ``stop`` up to ``target``, or down
        to it at once [packets]."""
        if sk.snd_cwnd == target:
            self.cwnd[row:stop] = target
            return
        grown = np.cumsum(self.acked[row:stop]) + sk.snd_cwnd
        self.cwnd[row:stop] = np.minimum(grown, target)
        sk.snd_cwnd = int(self.cwnd[stop - 1])
