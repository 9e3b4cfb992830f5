"""Samples of a sender on the recording grid, as the scalar path takes them."""

from __future__ import annotations

from struct import Struct, error

from ccsim.kernel.sock import UNLIMITED_RATE
from ccsim.tcp.host import NEVER
from ccsim.tcp.sock import TcpSock
from ccsim.tcp.train import SenderSample

__all__ = ["SAMPLE_VALUES", "Sampler"]

SAMPLE_VALUES = 11
ROW = Struct(f"{SAMPLE_VALUES}q")
ROW_BYTES = ROW.size
FIRST_ROWS = 32  # what a flow that lives for a moment has room for
PACK_ROWS = 256  # samples that are kept before they are packed


class Sampler:
    """Samples one sender at every multiple of the interval; a sample at t sees all that happened up
    to t.

    ``next_ns`` is the next instant, ``index`` the number of what serves the flow. The latest
    ``count`` samples are rows of ``SAMPLE_VALUES`` integers of 64 bits in ``cells``; a subclass
    says in `pack` what becomes of them.
    """

    __slots__ = ("cells", "count", "index", "interval_ns", "next_ns", "room")

    def __init__(self, interval_ns: int) -> None:
        self.interval_ns = interval_ns
        self.next_ns = NEVER
        self.index = 0
        self.cells = bytearray()
        self.count = 0
        self.room = 0  # rows

    def pack(self, sk: TcpSock) -> None:
        """Take the samples out of ``cells`` and set ``count`` to 0."""
        raise NotImplementedError

    def put(self, sk: TcpSock, row: tuple[int, ...]) -> None:
        """Write one sample down."""
        if self.count >= self.room:
            self._make_room(sk)
        try:
            ROW.pack_into(self.cells, self.count * ROW_BYTES, *row)
        except error:  # an algorithm has written a fraction
            ROW.pack_into(self.cells, self.count * ROW_BYTES, *map(int, row))
        self.count += 1

    def _make_room(self, sk: TcpSock) -> None:
        if self.room >= PACK_ROWS:
            self.pack(sk)
            return
        self.room = self.room * 2 or FIRST_ROWS
        self.cells.extend(bytes(self.room * ROW_BYTES - len(self.cells)))

    def catch_up(self, sk: TcpSock, before_ns: int) -> None:
        """Sample the sender, which does not change until ``before_ns``, at every instant before
        that."""
        if self.next_ns >= before_ns:
            return
        flight = sk.nxt - sk.una - sk.sacked_out - sk.lost_out + sk.retrans_out
        values = (
            *(sk.snd_cwnd, sk.snd_ssthresh, sk.srtt_us >> 3, flight, _bits(sk.pacing_rate)),
            *(sk.una, sk.delivered, sk.total_retrans, sk.ca_state, self.index),
        )
        while self.next_ns < before_ns:
            self.put(sk, (self.next_ns, *values))
            self.next_ns += self.interval_ns

    def take(self, sk: TcpSock, samples: list[SenderSample]) -> None:
        """Write down the samples of a train."""
        for t, cwnd, ssthresh, srtt, flight, rate, una, delivered in samples:
            window = (cwnd, ssthresh, srtt >> 3, flight, _bits(rate), una, delivered)
            self.put(sk, (t, *window, sk.total_retrans, sk.ca_state, self.index))
            self.next_ns = t + self.interval_ns


def _bits(rate: int) -> int:
    """Return a pacing rate [bytes/s] as it is recorded: bit/s, -1 for unlimited."""
    return -1 if rate >= UNLIMITED_RATE else rate * 8
