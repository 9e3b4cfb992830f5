"""The two implementations of the recorded link update, both named ``btr``: Reno, and a bolder one.

T1 halves the window at a loss and adds a packet a round trip; T2 keeps 7/8 of it and adds two.
"""

from __future__ import annotations

from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["T1", "T2"]


def ssthresh_seven_eighths(sk: Sock) -> int:
    """Return 7/8 of the window, two packets at least."""
    return max(sk.snd_cwnd * 7 // 8, 2)


def cong_avoid_two(sk: Sock, ack: int, acked: int) -> None:
    """Slow start as Reno's, then two packets a round trip."""
    if not tcp_is_cwnd_limited(sk):
        return
    left = tcp_slow_start(sk, acked) if sk.snd_cwnd < sk.snd_ssthresh else acked
    if left:
        tcp_cong_avoid_ai(sk, max(sk.snd_cwnd // 2, 1), left)


T1 = TcpCongestionOps(
    name="btr",
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
)

T2 = TcpCongestionOps(
    name="btr",
    ssthresh=ssthresh_seven_eighths,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid_two,
)
