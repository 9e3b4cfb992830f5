"""The memory of a send buffer: how much a socket takes, and when it is writable again
(``sk_stream_memory_free``, ``tcp_sndbuf_expand``)."""

from __future__ import annotations

from ccsim.verify.packetdrill.settings import Settings

__all__ = ["SOCK_BUFFER_MOST", "SendBuffer", "sndbuf_of"]

HEADERS = 320  # MAX_TCP_HEADER
SHARED = 320  # struct skb_shared_info, aligned
SKB = 256  # struct sk_buff, aligned
# What an skb takes beside its data: from its own cache, or of 1 KiB as before Linux 6.3.
SKB_BYTES, OLDER_SKB_BYTES = 384 + SHARED + SKB, 1024 + SKB
SNDBUF_LEAST = 2 * (2048 + SKB)  # SOCK_MIN_SNDBUF
SOCK_BUFFER_MOST = 212_992  # net.core.wmem_max and rmem_max
UNLIMITED = 0xFFFFFFFF


def sndbuf_of(value: int, *, force: bool = False) -> int:
    """Return what SO_SNDBUF makes of a value [bytes]."""
    return max(2 * (value if force else min(value, SOCK_BUFFER_MOST)), SNDBUF_LEAST)


class SendBuffer:
    """``size`` is ``sk_sndbuf`` [bytes], ``locked`` that an application has set it; ``lowat``: so
    many bytes may wait to be sent; ``skb_bytes``: what an skb takes beside its data. ``events``
    counts how often it has become writable."""

    def __init__(self, settings: Settings, size: int | None, lowat: int) -> None:
        self.settings = settings
        self.locked = size is not None
        self.size = settings.number("tcp_wmem", 1) if size is None else size
        self.lowat = lowat
        self.skb_bytes = OLDER_SKB_BYTES if settings.older else SKB_BYTES
        self.nospace = False
        self.events = 0

    def expand(self, mss: int, segments: int) -> None:
        """Let it hold twice a window of that many segments."""
        if self.locked:
            return
        each = mss + HEADERS + SHARED
        each = (1 << (each - 1).bit_length()) + SKB
        wanted = 2 * segments * each
        if self.size < wanted:
            self.size = min(wanted, max(self.settings.number("tcp_wmem", 2), self.size))

    def has_room(self, queued: int, unsent: int) -> bool:
        """Tell whether another skb may be filled."""
        return queued < self.size and unsent < self._lowat()

    def is_writable(self, queued: int, unsent: int) -> bool:
        """Tell whether a third is free, which wakes who waits (``__sk_stream_is_writeable``)."""
        return self.size - queued >= queued >> 1 and 2 * unsent < self._lowat()

    def _lowat(self) -> int:
        return self.lowat or self.settings.number("tcp_notsent_lowat")

    def note_space(self, queued: int, unsent: int) -> None:
        """Tell who waits, if there is space again (``sk_stream_write_space``)."""
        if self.nospace and self.is_writable(queued, unsent):
            self.nospace = False
            self.events += 1
