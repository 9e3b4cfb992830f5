"""mine: an algorithm as a user writes one, for the studies beside this file.

Begun with `ccsim new algorithm mine`: add a packet each round trip while the queue is short, wait
while it is long, keep seven tenths of the window at a loss.

    cwnd <- cwnd + 1          for each window acknowledged, if rtt < 1.5 min_rtt       (1)
    ssthresh = 0.7 cwnd       at a loss or a mark                                     (2)

Like most first versions it looks for the least RTT from `init` on. So after a swap the queue that
is there counts as part of the path.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.kernel import Sock, TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_cong_avoid_ai, tcp_is_cwnd_limited, tcp_slow_start
from ccsim.kernel.ops import AckSample

MIN_CWND = 2  # packets; RFC 5681 allows no smaller ssthresh


@dataclass(slots=True)
class Private:
    """What one connection remembers; made afresh at each swap to this algorithm."""

    min_rtt_us: int = 0  # 0: none measured yet
    rtt_us: int = 0


def init(sk: Sock) -> None:
    """Begin with the RTT that the socket knows."""
    sk.ca.min_rtt_us = sk.ca.rtt_us = sk.srtt_us >> 3


def ssthresh(sk: Sock) -> int:
    """Return the window to fall to, by (2)."""
    return max(sk.snd_cwnd * 7 // 10, MIN_CWND)


def undo_cwnd(sk: Sock) -> int:
    """Return the window to go back to: nothing was lost after all."""
    return max(sk.snd_cwnd, sk.prior_cwnd)


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT; it comes before `cong_avoid`."""
    if sample.rtt_us < 0:
        return
    sk.ca.rtt_us = max(sample.rtt_us, 1)
    if not sk.ca.min_rtt_us or sk.ca.rtt_us < sk.ca.min_rtt_us:
        sk.ca.min_rtt_us = sk.ca.rtt_us


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow by (1), in slow start as Reno does."""
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    if 2 * sk.ca.rtt_us < 3 * sk.ca.min_rtt_us:
        tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)


mine = TcpCongestionOps(
    name="mine",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    pkts_acked=pkts_acked,
    cong_avoid=cong_avoid,
    private=Private,
)
