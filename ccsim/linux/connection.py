"""One flow's socket, what was seen of it, and what a socket is asked by calls (tcp(7))."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Mapping
from typing import Any

from ccsim.linux.applications import Writer

__all__ = ["SAMPLED", "LinuxConnection", "congestion_of", "set_congestion", "unacknowledged"]

TCP_CONGESTION = 13
SIOCOUTQ = 0x5411
SAMPLED = (
    *("snd_cwnd", "snd_ssthresh", "rtt", "unacked", "sacked", "lost", "retrans", "pacing_rate"),
    *("bytes_acked", "delivered", "delivered_ce", "total_retrans", "ca_state", "min_rtt"),
    *("segs_out", "app_limited"),
)
"""What is kept of ``TCP_INFO`` in a sample, behind its time and the implementation's number."""


class LinuxConnection:
    """One flow's socket, and what was seen of it."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.sock: socket.socket | None = None
        self.writer: Writer | None = None
        self.connected = False
        self.congestion = ""
        self.names: list[str] = []
        self.samples: list[list[int]] = []
        self.served: list[tuple[int, int]] = []
        self.responses: list[list[int]] = []  # start, end or -1, size
        self.ended_ns: int | None = None
        self.last: dict[str, int] = {}
        self.marks: list[tuple[int, str, str, dict[str, int]]] = []  # TCP_INFO around swaps
        self.borders: list[tuple[int, int, int]] = []  # time, bytes acknowledged, packets resent

    @property
    def running(self) -> bool:
        """Whether there is a socket that is not closed."""
        return self.sock is not None and self.ended_ns is None

    @property
    def serving(self) -> str:
        """The implementation that serves the flow."""
        return self.names[self.served[-1][1]] if self.served else ""

    def border(self, t_ns: int) -> None:
        """Note the counts that were looked at last as those of an instant."""
        if self.last and (not self.borders or self.borders[-1][0] < t_ns):
            acked = max(self.last["bytes_acked"] - 1, 0)  # the SYN counts as one
            self.borders.append((t_ns, acked, self.last["total_retrans"]))

    def note(self, t_ns: int, name: str) -> None:
        """Note which implementation serves the flow from now on."""
        if name not in self.names:
            self.names.append(name)
        index = self.names.index(name)
        if not self.served or self.served[-1][1] != index:
            self.served.append((t_ns, index))


def set_congestion(sock: socket.socket, name: str) -> int:
    """Choose a congestion control; return the errno, 0 if it worked."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, name.encode())
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def congestion_of(sock: socket.socket) -> str:
    """Return the name of a socket's congestion control."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16)
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")


def unacknowledged(sock: socket.socket) -> int:
    """Return how many written bytes have not been acknowledged (tcp(7), SIOCOUTQ)."""
    answer = fcntl.ioctl(sock.fileno(), SIOCOUTQ, struct.pack("=i", 0))
    return int(struct.unpack("=i", answer)[0])
