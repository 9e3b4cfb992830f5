"""Members of ``struct tcp_sock`` that hooks seldom read, in Linux's encoding: sequence numbers in
bytes, times in ticks (`ccsim.kernel.sock.Sock.member`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.tcp.sock import TcpSock

__all__ = ["MEMBERS"]

FIRST_PORT = 32_768  # of the ephemeral ports (net.ipv4.ip_local_port_range)
PORTS = 28_232
PEER_PORT = 5001
PEER_ADDRESS = 0x0100000A  # 10.0.0.1 in network byte order, read on a little-endian machine
CLOSED = 7


def _port(sk: TcpSock) -> int:
    """A socket's own port; 0 once it is closed."""
    if sk.sk_state == CLOSED or sk.kernel_data is None:
        return 0
    return FIRST_PORT + sk.kernel_data.number % PORTS


def _peer_port(sk: TcpSock) -> int:
    """The peer's port in network byte order; 0 once the socket is closed."""
    swapped = (PEER_PORT & 0xFF) << 8 | PEER_PORT >> 8
    return 0 if sk.sk_state == CLOSED else swapped


MEMBERS: dict[str, Callable[[Any], int]] = {
    "skc_num": _port,
    "skc_dport": _peer_port,
    "skc_daddr": lambda sk: PEER_ADDRESS,
    "icsk_rto": lambda sk: sk.rto_jiffies,
    "icsk_retransmits": lambda sk: sk.icsk_retransmits,
    "icsk_backoff": lambda sk: sk.backoff,
    "snd_cwnd_stamp": lambda sk: sk.snd_cwnd_stamp,
    "high_seq": lambda sk: sk.high_seq,
    "mdev_us": lambda sk: sk.mdev_us,
    "rttvar_us": lambda sk: sk.rttvar_us,
    "advmss": lambda sk: sk.advmss,
    "first_tx_mstamp": lambda sk: sk.first_tx_us,
    "reordering": lambda sk: sk.reordering,
    "prr_delivered": lambda sk: sk.prr_delivered,
    "prr_out": lambda sk: sk.prr_out,
    "undo_marker": lambda sk: sk.undo_marker,
    "total_retrans": lambda sk: sk.total_retrans,
    "rate_delivered": lambda sk: max(sk.rate_sample.delivered, 0),
    "rate_interval_us": lambda sk: max(sk.rate_sample.interval_us, 0),
    "bytes_acked": lambda sk: sk.bytes_acked,
    "retrans_stamp": lambda sk: sk.retrans_stamp_ms,
}
"""Functions of the `TcpSock`, by Linux's name; what is 0 in the simulator is not here."""
