"""TCP Westwood+: after a loss, the window is what the path was delivering.

Reference: Mascolo et al., MobiCom 2001.

The sender measures the rate at which data is acknowledged, once per window of time delta (an RTT,
50 ms at least), and smooths it by two exponential filters in a row; a loss then sets ssthresh to
the bandwidth-delay product of an empty queue instead of half the window:

    b_k      = acknowledged bytes / delta                  (1)
    b_ns     <- (7 b_ns + b_k) / 8                         (2)
    bw_est   <- (7 bw_est + b_ns) / 8                      (3)
    ssthresh = max(bw_est RTTmin / mss, 2)                 (4)

So random losses, which leave the rate as it is, cost little. Growth is Reno's.

Times are in ticks, rates in bytes per tick, as in Linux: the tick length is part of the behaviour.

Deviations from the paper, as in Linux: the filter's coefficients are constant, not functions of the
ACK spacing; during a reduction the window follows the host, and (4) is applied at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_SEC, jiffies_to_usecs, usecs_to_jiffies
from ccsim.cc.window_laws import acknowledged_before, last_taken, reno_train, seq_of
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import AckFlag, AckSample, CaEvent, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Westwood", "westwood"]

INIT_RTT_S = 20  # until the first sample
MIN_WINDOWS_PER_SEC = 20  # a measuring window lasts 1/20 s or more
MIN_CWND = 2  # packets

SLOWPATH = int(AckFlag.SLOWPATH)
COMPLETE_CWR, LOSS = int(CaEvent.COMPLETE_CWR), int(CaEvent.LOSS)


@dataclass(slots=True)
class Westwood:
    """What one connection remembers; times in ticks."""

    bw_ns_est: int = 0  # after the first filter [bytes/tick]
    bw_est: int = 0  # after both [bytes/tick]
    rtt_win_sx: int = 0  # start of the measuring window
    bk: int = 0  # bytes acknowledged in it
    snd_una: int = 0  # what was acknowledged by the last ACK [byte sequence]
    accounted: int = 0  # bytes that duplicate ACKs stood for, before a cumulative ACK covers them
    rtt: int = 0  # last sample
    rtt_min: int = 0
    first_ack: bool = False
    reset_rtt_min: bool = False  # the next ACK starts the minimum anew


def init(sk: Sock) -> None:
    """Start without an estimate; ``snd_una`` is read again at the first ACK, without the SYN."""
    ca = sk.ca
    ca.bk = ca.bw_ns_est = ca.bw_est = ca.accounted = 0
    ca.reset_rtt_min = ca.first_ack = True
    ca.rtt = ca.rtt_min = INIT_RTT_S * sk.hz
    ca.rtt_win_sx = sk.tcp_jiffies32
    ca.snd_una = sk.snd_una


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample."""
    if sample.rtt_us > 0:
        sk.ca.rtt = usecs_to_jiffies(sample.rtt_us, sk.hz)


def in_ack_event(sk: Sock, flags: int) -> None:
    """Count what this ACK acknowledges; the window that ends now is measured without it."""
    ca = sk.ca
    update_window(sk, ca)
    if flags & SLOWPATH:
        acked = acked_bytes(sk, ca)
    else:
        acked = sk.snd_una - ca.snd_una
        ca.snd_una = sk.snd_una
    ca.bk = ca.bk + acked & U32_MAX
    if ca.reset_rtt_min:
        ca.rtt_min = ca.rtt
        ca.reset_rtt_min = False
    elif ca.rtt < ca.rtt_min:
        ca.rtt_min = ca.rtt


def update_window(sk: Sock, ca: Westwood) -> None:
    """End the measuring window if it is longer than an RTT and than 50 ms."""
    if ca.first_ack:
        ca.snd_una = sk.snd_una
        ca.first_ack = False
    delta = sk.tcp_jiffies32 - ca.rtt_win_sx & U32_MAX
    if ca.rtt and delta > max(ca.rtt, sk.hz // MIN_WINDOWS_PER_SEC):
        filter_bandwidth(ca, ca.bk // delta)
        ca.bk = 0
        ca.rtt_win_sx = sk.tcp_jiffies32


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: growth is Reno's, and the rate follows measuring window by window."""
    if sk.ca.first_ack or int(acks.rtt_us.min()) <= 0:
        return 0
    taken = reno_train(sk, acks)
    if taken:
        measure_train(sk, acks, taken)
    return taken


def measure_train(sk: Sock, acks: AckTrain, taken: int) -> None:
    """Measure what the first ``taken`` ACKs acknowledge, as `in_ack_event` does for each."""
    ca = sk.ca
    rtts = -(-acks.rtt_us[:taken] * sk.hz // USEC_PER_SEC)  # `usecs_to_jiffies`
    longest = np.maximum(rtts, sk.hz // MIN_WINDOWS_PER_SEC)
    begin, row = ca.snd_una - ca.bk, 0
    while row < taken:
        over = ((acks.jiffies[row:taken] - ca.rtt_win_sx) & U32_MAX) > longest[row:]
        if not over.any():
            break
        row += int(over.argmax())
        counted = seq_of(sk, acks, acknowledged_before(acks, row))
        now = int(acks.jiffies[row])
        filter_bandwidth(ca, (counted - begin & U32_MAX) // (now - ca.rtt_win_sx & U32_MAX))
        begin, ca.rtt_win_sx = counted, now
    ca.snd_una = last_taken(sk, acks, taken)
    ca.bk = ca.snd_una - begin & U32_MAX
    ca.rtt, least = int(rtts[-1]), int(rtts.min())
    ca.rtt_min = least if ca.reset_rtt_min else min(ca.rtt_min, least)
    ca.reset_rtt_min = False


def filter_bandwidth(ca: Westwood, sample: int) -> None:
    """Put a rate sample [bytes/tick] through filters (2) and (3); the first one fills them."""
    if ca.bw_ns_est == 0 and ca.bw_est == 0:
        ca.bw_ns_est = ca.bw_est = sample
        return
    ca.bw_ns_est = 7 * ca.bw_ns_est + sample >> 3
    ca.bw_est = 7 * ca.bw_est + ca.bw_ns_est >> 3


def acked_bytes(sk: Sock, ca: Westwood) -> int:
    """Return the bytes that an ACK stands for, while duplicate ACKs and holes are about.

    A duplicate ACK is one segment, on account; a cumulative ACK of more than one segment is what it
    covers less what is on account, or one segment if all of it is.
    """
    mss = sk.mss_cache
    covered = sk.snd_una - ca.snd_una & U32_MAX
    ca.snd_una = sk.snd_una
    if covered == 0:
        ca.accounted += mss
        return mss
    if covered <= mss:
        return covered
    if ca.accounted >= covered:
        ca.accounted -= covered
        return mss
    covered -= ca.accounted
    ca.accounted = 0
    return covered


def bandwidth_delay(sk: Sock) -> int:
    """Return the window that fills the path and no queue [packets], by (4)."""
    ca = sk.ca
    return max((ca.bw_est * ca.rtt_min & U32_MAX) // sk.mss_cache, MIN_CWND)


def cwnd_event(sk: Sock, event: int) -> None:
    """Set the window after a recovery, ssthresh after a timeout, which may also mean a new path."""
    if event == COMPLETE_CWR:
        sk.snd_cwnd = sk.snd_ssthresh = bandwidth_delay(sk)
    elif event == LOSS:
        sk.snd_ssthresh = bandwidth_delay(sk)
        sk.ca.reset_rtt_min = True


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcpvegas_info``: last and smallest RTT in microseconds."""
    ca, hz = sk.ca, sk.hz
    return {
        "rttcnt": 0,
        "rtt": jiffies_to_usecs(ca.rtt, hz),
        "minrtt": jiffies_to_usecs(ca.rtt_min, hz),
    }


westwood = TcpCongestionOps(
    name="westwood",
    init=init,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=tcp_reno_cong_avoid,
    cwnd_event=cwnd_event,
    in_ack_event=in_ack_event,
    pkts_acked=pkts_acked,
    get_info=get_info,
    private=Westwood,
    train=train,
)
