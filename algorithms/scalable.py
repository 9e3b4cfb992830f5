"""Scalable TCP: grow in proportion to the window.

Reference: Kelly, CCR 2003.

Reno needs a number of round trips in proportion to the window to make up for a loss; here each ACK
adds a fixed fraction of a packet and a loss takes a fixed fraction of the window, so it takes about
13 round trips always:

    cwnd <- cwnd + 0.01 per packet acknowledged          (1)
    cwnd <- cwnd - 0.125 cwnd on congestion              (2)

Deviation from the paper, as in Linux: below 100 packets, where (1) would be slower than Reno,
growth is Reno's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.cc.window_laws import any_rtt, reno_train
from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["scalable"]

PACKETS_PER_INCREASE = 100  # 1 / 0.01
DECREASE_SHIFT = 3  # 2^-3 = 0.125
MIN_CWND = 2  # packets


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, and what it leaves over into growth by (1)."""
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, packets_per_increase(sk.snd_cwnd), acked)


def packets_per_increase(cwnd: int) -> int:
    """Return what a packet of growth costs: 100 packets by (1), less for a small window."""
    return min(cwnd, PACKETS_PER_INCREASE)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: `cong_avoid` for each ACK, at once."""
    return reno_train(sk, acks, packets_per_increase)


def ssthresh(sk: Sock) -> int:
    """Decrease by (2)."""
    cwnd = sk.snd_cwnd
    return max(cwnd - (cwnd >> DECREASE_SHIFT), MIN_CWND)


scalable = TcpCongestionOps(
    name="scalable",
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    train=train,
    rtt_floor=any_rtt,
)
