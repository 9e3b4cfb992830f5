"""The bulk writer behind a sender: where its writes end, and so which packets bear PSH.

The writer waits in ``poll`` until the socket is writable, that is until a third of the send buffer
is free (``sk_stream_is_writeable``), and then makes one non-blocking write, of which the socket
takes what finds room. The last packet of each write bears PSH (``tcp_push``), and a receiver whose
reader empties the queue acknowledges that packet at once (``tcp_cleanup_rbuf``). So the parity of
delayed ACKs flips now and then.

A packet takes its payload and ``SKB_OVERHEAD_BYTES`` of the buffer: ``tcp_stream_alloc_skb`` counts
``SKB_TRUESIZE`` of its header room, which lies in the cache of small heads
(``SKB_SMALL_HEAD_SIZE``, at least ``GRO_MAX_HEAD_PAD``), and the payload goes into page fragments,
counted by the byte. With 4 MiB and 1448 bytes that makes 1840 packets, of which 614 go at a time.
The first filling is less: two writes of 1 MiB leave the socket no longer writable, 1449 packets.

Simpler than Linux: ACKs are seen as the receiver sends them, half a round trip early, which moves
no write as there is nothing else to wake the writer; the buffer is not enlarged
(``tcp_sndbuf_expand`` asks for twice the window, 4608 bytes a packet, above 4 MiB from a window of
911 on, and only while the window is not full).
"""

from __future__ import annotations

__all__ = ["SKB_OVERHEAD_BYTES", "BulkWriter"]

SNDBUF_BYTES = 4 << 20  # tcp_wmem[1] of the recorded hosts
WRITE_BYTES = 1 << 20  # what the recorded application hands over at a time
MSS_BYTES = 1448

HEAD_ROOM_BYTES = 256  # MAX_TCP_HEADER and GRO_MAX_HEAD_PAD: 192 and NET_SKB_PAD
SHARED_INFO_BYTES = 320  # struct skb_shared_info, in whole cache lines
SK_BUFF_BYTES = 256  # struct sk_buff, likewise
SKB_OVERHEAD_BYTES = HEAD_ROOM_BYTES + SHARED_INFO_BYTES + SK_BUFF_BYTES


class BulkWriter:
    """A writer that always has more to send than its send buffer takes.

    ``written`` are the bytes handed over so far; PSH is kept for packets still to be sent.
    """

    __slots__ = ("mss_bytes", "sndbuf_bytes", "write_bytes", "written")

    def __init__(
        self,
        sndbuf_bytes: int = SNDBUF_BYTES,
        write_bytes: int = WRITE_BYTES,
        mss_bytes: int = MSS_BYTES,
    ) -> None:
        self.sndbuf_bytes = sndbuf_bytes
        self.write_bytes = write_bytes
        self.mss_bytes = mss_bytes
        self.written = 0

    def acknowledged(self, packets: int, pushed: set[int]) -> None:
        """Take an ACK of that many packets in all; add to ``pushed`` those that now end a write."""
        while self._writable(packets):
            self._write(packets, pushed)

    def _queued_bytes(self, packets: int) -> int:
        """Return what is charged to the send buffer (``sk_wmem_queued``)."""
        held = -(-self.written // self.mss_bytes) - packets
        return held * SKB_OVERHEAD_BYTES + self.written - packets * self.mss_bytes

    def _writable(self, packets: int) -> bool:
        """Whether ``poll`` reports room: as much is free as half of what is taken."""
        queued = self._queued_bytes(packets)
        return self.sndbuf_bytes - queued >= queued >> 1

    def _write(self, packets: int, pushed: set[int]) -> None:
        """Fill up the last packet and append packets while the buffer has room for one."""
        mss = self.mss_bytes
        room = -self.written % mss
        taken = min(self.write_bytes, room)
        if taken:
            pushed.discard(self.written // mss)  # it no longer ends a write
        free = self.sndbuf_bytes - self._queued_bytes(packets) - taken
        whole = -(-free // (mss + SKB_OVERHEAD_BYTES))  # the last may exceed what is free
        self.written += min(self.write_bytes, taken + whole * mss)
        pushed.add((self.written - 1) // mss)
