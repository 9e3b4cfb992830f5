"""The functions that Linux offers to congestion controls (``net/ipv4/tcp_cong.c``,
``net/ipv4/bpf_tcp_ca.c``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccsim.kernel.sock import Sock

__all__ = [
    "TCP_CONGESTION",
    "after",
    "before",
    "bpf_getsockopt",
    "bpf_setsockopt",
    "tcp_cong_avoid_ai",
    "tcp_in_slow_start",
    "tcp_is_cwnd_limited",
    "tcp_packets_in_flight",
    "tcp_reno_cong_avoid",
    "tcp_reno_ssthresh",
    "tcp_reno_undo_cwnd",
    "tcp_slow_start",
]

TCP_CONGESTION = 13  # include/uapi/linux/tcp.h
_SIGN = 0x80000000


def before(a: int, b: int) -> bool:
    """Report whether sequence number ``a`` comes before ``b``: the sign of their 32-bit
    difference.
    """
    return (a - b) & _SIGN != 0


def after(a: int, b: int) -> bool:
    """Report whether sequence number ``a`` comes after ``b``."""
    return (b - a) & _SIGN != 0


def tcp_packets_in_flight(sk: Sock) -> int:
    """Return the packets sent and neither acknowledged nor lost [packets]
    (``tcp_packets_in_flight``).
    """
    return sk.packets_out - sk.sacked_out - sk.lost_out + sk.retrans_out


def tcp_in_slow_start(sk: Sock) -> bool:
    """Report whether the window is below ssthresh (``tcp_in_slow_start``)."""
    return sk.snd_cwnd < sk.snd_ssthresh


def tcp_is_cwnd_limited(sk: Sock) -> bool:
    """Report whether the window held the sender back (``tcp_is_cwnd_limited``).

    In slow start a window of which more than half was used counts as filled, so that it may double
    (RFC 7661's concern, in Linux's form).
    """
    if sk.is_cwnd_limited:
        return True
    return sk.snd_cwnd < sk.snd_ssthresh and sk.snd_cwnd < 2 * sk.max_packets_out


def tcp_slow_start(sk: Sock, acked: int) -> int:
    """Grow the window by ``acked`` packets, up to ssthresh, and return the packets not used
    (``tcp_slow_start``).
    """
    old = sk.snd_cwnd
    cwnd = old + acked
    if cwnd > sk.snd_ssthresh:
        cwnd = sk.snd_ssthresh
    clamp = sk.snd_cwnd_clamp
    sk.snd_cwnd = cwnd if cwnd < clamp else clamp
    return acked - (cwnd - old)


def tcp_cong_avoid_ai(sk: Sock, w: int, acked: int) -> None:
    """Grow the window by one packet for every ``w`` packets acknowledged (``tcp_cong_avoid_ai``;
    RFC 5681, eq. 3).

    A counter that has already reached ``w`` (which may have shrunk since) is worth one packet,
    whatever its excess.
    """
    cwnd = sk.snd_cwnd
    count = sk.snd_cwnd_cnt
    if count >= w:
        count = 0
        cwnd += 1
    count += acked
    if count >= w:
        delta = count // w
        count -= delta * w
        cwnd += delta
    sk.snd_cwnd_cnt = count
    clamp = sk.snd_cwnd_clamp
    sk.snd_cwnd = cwnd if cwnd < clamp else clamp


def tcp_reno_cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, and what it leaves over into congestion avoidance (``tcp_reno_cong_avoid``; RFC
    5681, section 3.1).
    """
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


def tcp_reno_ssthresh(sk: Sock) -> int:
    """Return half the window, at least 2 [packets] (``tcp_reno_ssthresh``; RFC 5681, eq. 4)."""
    half = sk.snd_cwnd >> 1
    return half if half > 2 else 2


def tcp_reno_undo_cwnd(sk: Sock) -> int:
    """Return the window from before a reduction that proved needless [packets]
    (``tcp_reno_undo_cwnd``).
    """
    return max(sk.snd_cwnd, sk.prior_cwnd)


def bpf_setsockopt(sk: Sock, optname: int, value: str) -> int:
    """Set a socket option from within a hook; return 0 or minus an errno (``bpf_sk_setsockopt``).

    The one option that congestion control has a use for is ``TCP_CONGESTION``;
    `ccsim.kernel.Kernel.bpf_setsockopt` states the rules.
    """
    return sk.kernel_data.kernel.bpf_setsockopt(sk, optname, value)


def bpf_getsockopt(sk: Sock, optname: int) -> str:
    """Return a socket option from within a hook: the name for ``TCP_CONGESTION``
    (``bpf_sk_getsockopt``).
    """
    return sk.kernel_data.kernel.getsockopt(sk, optname)
