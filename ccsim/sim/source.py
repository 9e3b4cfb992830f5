"""What an application writes to one connection, and when: writes at instants of its own, through a
send buffer that may be full.

A source acts inside its sender's share of a window, between ACKs and timers; the engine knows
nothing of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccsim.spec import Flow
from ccsim.tcp.host import NEVER
from ccsim.tcp.rate import check_app_limited
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import UNBOUNDED
from ccsim.units import NS_PER_S

__all__ = ["BulkSource", "PeriodicSource", "Source", "make_source"]


class Source:
    """Writes bytes to one sender. A subclass says when, by ``next_ns`` and `write`.

    A flow calls `begin` when the connection is established, `write` at ``next_ns`` (after the ACKs
    and timers of that instant, before its sample) and `acked` after an ACK that brings ``una`` to
    ``wake_una``; it closes the connection once all is acknowledged and the source is `done`.

    What is written becomes packets of ``mss_cache`` bytes; the last of a write may be short, and
    the next write fills it up unless it has left (every write is pushed, as with TCP_NODELAY). The
    last packet of each bears PSH, which ``pushed`` tells the receiver: it is acknowledged as it is
    read (``tcp_push``, ``tcp_cleanup_rbuf``).
    ``capacity`` is the send buffer in packets, unacknowledged ones included: what does not fit is
    ``owed_bytes``, until a third of the buffer is free (``sk_stream_is_writeable``). So is what
    exceeds ``tcp_notsent_lowat`` of what has not left, until half of that is gone
    (``tcp_stream_memory_free``). While a write is blocked, further ones queue behind it.

    Simpler than Linux: the buffer is counted in packets, not in memory; a short packet is paced
    like a full one.
    """

    def __init__(self, sk: Sender) -> None:
        self.sk = sk
        self.capacity = sk.host.sndbuf_packets
        self.next_ns = NEVER
        self.wake_una = UNBOUNDED
        self.owed_bytes = 0
        self.written_bytes = 0  # to the buffer
        self.finished = False  # nothing more will be put
        self.short: dict[int, int] = {}  # payload of packets that are not full [bytes]
        self.pushed: set[int] = set()
        sk.write_limit = 0

    @property
    def done(self) -> bool:
        """Whether all that will ever be written has been written."""
        return self.finished and not self.owed_bytes

    def begin(self, t_ns: int) -> None:
        """Act on the connection's being established; the first write is due at once."""
        self.next_ns = t_ns
        self.write(t_ns)

    def write(self, t_ns: int) -> None:
        """Write what is due at ``t_ns``, which is ``next_ns``, and set ``next_ns`` anew."""
        self.next_ns = NEVER

    def acked(self, t_ns: int) -> None:
        """Act on an ACK that brought ``una`` to ``wake_una``: the buffer has room again."""
        if self._is_writeable():
            self.flush(t_ns)
        else:
            self.wake_una = self.sk.una + 1

    def _is_writeable(self) -> bool:
        """Report whether a third of the buffer is free and little enough has not left yet
        (``__sk_stream_is_writeable``)."""
        sk, lowat = self.sk, self.sk.host.notsent_lowat_bytes
        if sk.una < sk.write_limit - 2 * self.capacity // 3:
            return False
        return not lowat or 2 * self._notsent_bytes() < lowat

    def _notsent_bytes(self) -> int:
        sk = self.sk
        full = (sk.write_limit - sk.nxt) * sk.mss_cache
        short = self.short.get(sk.write_limit - 1)
        return full - (sk.mss_cache - short if short is not None and full else 0)

    def stop(self) -> None:
        """Write no more; what is in the buffer is still sent."""
        self.next_ns = NEVER
        self.wake_una = UNBOUNDED
        self.owed_bytes = 0
        self.finished = True
        self.sk.nospace = False

    def put(self, t_ns: int, size_bytes: int) -> None:
        """Write ``size_bytes`` at ``t_ns``, or as much of it as the buffer holds."""
        blocked = self.owed_bytes > 0
        self.owed_bytes += size_bytes
        if not blocked:
            self.flush(t_ns)

    def flush(self, t_ns: int) -> None:
        """Move what is owed to the buffer as far as it has room."""
        while self._fill(t_ns) and self.owed_bytes and self.sk.host.notsent_lowat_bytes:
            pass  # what has left meanwhile makes room for more
        self.sk.nospace = self.owed_bytes > 0
        self.wake_una = self._wake_una() if self.sk.nospace else UNBOUNDED

    def _fill(self, t_ns: int) -> bool:
        """Write what the buffer has room for; report whether packets were begun."""
        sk, mss = self.sk, self.sk.mss_cache
        written_bytes = self.written_bytes
        self._fill_tail()
        room = min(self.capacity - (sk.write_limit - sk.una), self._lowat_room())
        packets = min(room, -(-self.owed_bytes // mss))
        if packets > 0:
            self.pushed.add(sk.write_limit + packets - 1)
            taken = min(self.owed_bytes, packets * mss)
            if taken < packets * mss:
                self.short[sk.write_limit + packets - 1] = taken - (packets - 1) * mss
            self._took(taken)
            sk.write(t_ns, packets)
        else:
            if self.written_bytes > written_bytes:
                self.pushed.add(sk.write_limit - 1)
            sk.set_clock(t_ns)
            check_app_limited(sk)
        return packets > 0

    def _wake_una(self) -> int:
        sk = self.sk
        free = sk.write_limit - 2 * self.capacity // 3
        return max(free, sk.una + 1) if sk.host.notsent_lowat_bytes else free

    def _lowat_room(self) -> int:
        """Return how many packets may be written until too much has not left: each begins as long
        as less than the limit has not."""
        lowat = self.sk.host.notsent_lowat_bytes
        if not lowat:
            return self.capacity
        return -(-(lowat - self._notsent_bytes()) // self.sk.mss_cache)

    def _fill_tail(self) -> None:
        """Fill the last packet up if it is short and has not left."""
        sk = self.sk
        tail = sk.write_limit - 1
        held = self.short.get(tail)
        if held is None or tail < sk.nxt:
            return
        taken = min(self.owed_bytes, sk.mss_cache - held)
        self._took(taken)
        if taken:
            self.pushed.discard(tail)
        if held + taken < sk.mss_cache:
            self.short[tail] = held + taken
        else:
            del self.short[tail]

    def _took(self, size_bytes: int) -> None:
        self.owed_bytes -= size_bytes
        self.written_bytes += size_bytes

    def payload_bytes(self, packets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the payload of the first packets [bytes], for each count of them."""
        full = packets * self.sk.mss_cache
        if not self.short:
            return full
        seqs = sorted(self.short)
        missing = [self.sk.mss_cache - self.short[seq] for seq in seqs]
        total = np.concatenate(([0], np.cumsum(missing)))
        return full - total[np.searchsorted(seqs, packets)]


class BulkSource(Source):
    """Fills the send buffer and waits for room, until ``size_bytes`` are written (None: for
    ever)."""

    def __init__(self, sk: Sender, size_bytes: int | None = None) -> None:
        super().__init__(sk)
        self.size_bytes = size_bytes

    def write(self, t_ns: int) -> None:
        """Write all there is."""
        self.next_ns = NEVER
        self.finished = self.size_bytes is not None
        self.put(t_ns, UNBOUNDED if self.size_bytes is None else self.size_bytes)


class PeriodicSource(Source):
    """Writes ``write_bytes`` at regular instants, until ``size_bytes`` are written (None: for
    ever).

    The k-th write is due ``k * interval[0] / interval[1]`` ns after the first, rounded up: a
    fraction, so that a rate is met exactly.
    """

    def __init__(
        self,
        sk: Sender,
        write_bytes: int,
        interval: tuple[int, int],
        size_bytes: int | None = None,
    ) -> None:
        super().__init__(sk)
        self.write_bytes = write_bytes
        self.interval = interval
        self.left_bytes = UNBOUNDED if size_bytes is None else size_bytes
        self._first_ns = 0
        self._count = 0

    @classmethod
    def at_rate(
        cls, sk: Sender, rate_bps: int, write_bytes: int, size_bytes: int | None = None
    ) -> PeriodicSource:
        """Return a source whose writes make ``rate_bps`` of payload [bit/s]."""
        return cls(sk, write_bytes, (8 * write_bytes * NS_PER_S, rate_bps), size_bytes)

    def write(self, t_ns: int) -> None:
        """Write once, and say when the next time is."""
        if not self._count:
            self._first_ns = t_ns
        size = min(self.write_bytes, self.left_bytes)
        self.left_bytes -= size
        self._count += 1
        numerator, denominator = self.interval
        self.next_ns = self._first_ns - (-self._count * numerator // denominator)
        if not self.left_bytes:
            self.finished = True
            self.next_ns = NEVER
        self.put(t_ns, size)


def make_source(sk: Sender, spec: Flow) -> Source | None:
    """Return the source that a flow has; None where all is written from the start."""
    source, size_bytes = spec.source, spec.size_bytes
    if source is None:
        return None if spec.sndbuf_bytes is None else BulkSource(sk, size_bytes)
    write_bytes = source.write_bytes
    if source.rate_bps is not None:
        return PeriodicSource.at_rate(sk, source.rate_bps, write_bytes, size_bytes)
    assert source.every_ns is not None
    return PeriodicSource(sk, write_bytes, (source.every_ns, 1), size_bytes)
