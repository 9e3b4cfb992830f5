"""``struct tcp_info`` of ``include/uapi/linux/tcp.h``, as ``getsockopt(TCP_INFO)`` fills it."""

from __future__ import annotations

import socket
import struct

__all__ = ["NEEDED_BYTES", "read", "unpack"]

TCP_INFO = 11
_LAYOUT: tuple[tuple[str, str], ...] = (
    (
        "B",
        "state ca_state retransmits probes backoff options wscale app_limited",
    ),
    (
        "I",
        "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent "
        "last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss "
        "reordering rcv_rtt rcv_space total_retrans",
    ),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd"),
)
_NAMES = tuple(name for _, names in _LAYOUT for name in names.split())
_STRUCT = struct.Struct("=" + "".join(code * len(names.split()) for code, names in _LAYOUT))
NEEDED_BYTES = _STRUCT.size
"""Linux tells that much from 5.4 on; an older one less."""
_ROOM = 512


def read(sock: socket.socket) -> dict[str, int]:
    """Return what the kernel tells of a TCP socket; OSError as getsockopt(2)."""
    return unpack(sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, _ROOM))


def unpack(data: bytes) -> dict[str, int]:
    """Return the fields by their names without ``tcpi_``; fields that are not told are missing."""
    if len(data) >= NEEDED_BYTES:
        return dict(zip(_NAMES, _STRUCT.unpack_from(data), strict=True))
    known: dict[str, int] = {}
    offset = 0
    for code, names in _LAYOUT:
        for name in names.split():
            size = struct.calcsize("=" + code)
            if offset + size > len(data):
                return known
            known[name] = struct.unpack_from("=" + code, data, offset)[0]
            offset += size
    return known
