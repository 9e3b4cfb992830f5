"""Samples of a sender on the recording grid, as the scalar path takes them."""

from __future__ import annotations

from array import array

from ccsim.kernel.sock import UNLIMITED_RATE
from ccsim.tcp.host import NEVER
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import SenderSample

__all__ = ["METER_NS", "Sampler"]

WIDTH = 11  # values of a sample
FIRST_ROWS = 32  # what a flow that lives for a moment has room for
PACK_ROWS = 256  # samples that are kept before they are packed
METER_NS = 10_000_000
"""Metrics are worked out from a grid of their own, whatever the scenario records."""


class Sampler:
    """Samples one sender at every multiple of the interval; a sample at t sees all that happened up
    to t.

    It also does so at every multiple of ``meter_ns``, if that is not 0. ``next_ns`` is the next
    instant, ``index`` the number of what serves the flow. The latest
    ``count`` samples are rows of 11 integers in ``table``; a subclass says in `pack`
    what becomes of them.
    """

    __slots__ = ("cells", "count", "index", "interval_ns", "meter_ns", "next_ns", "room", "table")

    def __init__(self, interval_ns: int) -> None:
        self.interval_ns = interval_ns
        self.meter_ns = 0
        self.next_ns = NEVER
        self.index = 0
        self.give_back()

    def give_back(self) -> None:
        """Hold no memory for samples, and none of them."""
        self.count = self.room = 0  # rows
        self.table = array("q")
        self.cells = memoryview(self.table)

    def pack(self, sk: TcpSock) -> None:
        """Take the samples out of ``table`` and set ``count`` to 0."""
        raise NotImplementedError

    def _make_room(self, sk: TcpSock) -> None:
        if self.room >= PACK_ROWS:
            self.pack(sk)
            return
        more = self.room or FIRST_ROWS
        self.room += more
        self.table = self.table + array("q", bytes(8 * WIDTH * more))
        self.cells = memoryview(self.table)

    def write(
        self,
        sk: TcpSock,
        t_ns: int,
        cwnd: int,
        ssthresh: int,
        srtt_us: int,
        flight: int,
        rate_bps: int,
        una: int,
        delivered: int,
    ) -> None:
        """Write one sample down, with the sender's retransmissions and state; what algorithms set
        may be a fraction."""
        if self.count >= self.room:
            self._make_room(sk)
        cells, k = self.cells, self.count * WIDTH
        cells[k] = t_ns
        cells[k + 1] = int(cwnd)
        cells[k + 2] = int(ssthresh)
        cells[k + 3] = srtt_us
        cells[k + 4] = flight
        cells[k + 5] = int(rate_bps)
        cells[k + 6] = una
        cells[k + 7] = delivered
        cells[k + 8] = sk.total_retrans
        cells[k + 9] = sk.ca_state
        cells[k + 10] = self.index
        self.count += 1

    def catch_up(self, sk: TcpSock, before_ns: int) -> None:
        """Sample the sender, which does not change until ``before_ns``, at every instant before
        that."""
        if self.next_ns >= before_ns:
            return
        cwnd, ssthresh, rate = sk.snd_cwnd, sk.snd_ssthresh, _bits(sk.pacing_rate)
        flight = sk.nxt - sk.una - sk.sacked_out - sk.lost_out + sk.retrans_out
        srtt, una, delivered = sk.srtt_us >> 3, sk.una, sk.delivered
        while self.next_ns < before_ns:
            self.write(sk, self.next_ns, cwnd, ssthresh, srtt, flight, rate, una, delivered)
            self.next_ns = self.after(self.next_ns)

    def after(self, t_ns: int) -> int:
        """Return the instant after that at ``t_ns``."""
        if not self.meter_ns:
            return t_ns + self.interval_ns
        recorded = t_ns - t_ns % self.interval_ns + self.interval_ns
        metered = t_ns - t_ns % self.meter_ns + self.meter_ns
        return recorded if recorded < metered else metered

    def take(self, sk: TcpSock, samples: list[SenderSample]) -> None:
        """Write down the samples of a train."""
        for t, cwnd, ssthresh, srtt, flight, rate, una, delivered in samples:
            bps = _bits(rate)
            self.write(sk, t, cwnd, ssthresh, srtt >> 3, flight, bps, una, delivered)
            self.next_ns = self.after(t)


def _bits(rate: int) -> int:
    """Return a pacing rate [bytes/s] as it is recorded: bit/s, -1 for unlimited."""
    return -1 if rate >= UNLIMITED_RATE else rate * 8
