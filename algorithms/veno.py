"""TCP Veno: Reno that asks Vegas whether a loss was congestion.

Reference: Fu and Liew, IEEE JSAC 2003.

As in Vegas, the smallest RTT tells how many packets N of the window wait in a queue:

    N = cwnd (RTT - BaseRTT) / RTT                    (1)

While N < beta, the network is taken for idle: a loss is then most likely a random one, and costs a
fifth of the window instead of half; at N >= beta the window grows only by one packet every other
round trip:

    ssthresh = 4/5 cwnd   if N < beta, else 1/2 cwnd  (2)

N counts in units of 1/2 packet, and beta is 3 packets.

Deviation from the paper, as in Linux: N is computed anew by every ACK, from the RTT samples since
the ACK before; with too few samples since the start, growth is Reno's.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ccsim.cc.fixed_point import U32_MAX
from ccsim.cc.rtt_samples import (
    MAX_COUNT,
    MIN_SAMPLES,
    NO_RTT_US,
    RttSamples,
    pkts_acked,
)
from ccsim.cc.window_laws import reaches_clamp, slow_start
from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import CaEvent, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain, Column
    from ccsim.kernel.sock import Sock

__all__ = ["Veno", "veno"]

N_SHIFT = 1
BETA = 3 << N_SHIFT  # 3 packets [1/2 packet]
MIN_CWND = 2  # packets

OPEN = int(CaState.OPEN)
RESTARTS = (int(CaEvent.CWND_RESTART), int(CaEvent.TX_START))


@dataclass(slots=True)
class Veno(RttSamples):
    """What one connection remembers beside its RTTs."""

    doing_veno_now: bool = False  # False: growth is Reno's, after a loss
    inc: bool = False  # the next full counter grows the window: every other one does
    backlog: int = 0  # N [1/2 packet]


def init(sk: Sock) -> None:
    """Forget the path."""
    ca = sk.ca
    ca.base_rtt_us = NO_RTT_US
    ca.inc = True
    enable(ca)


def enable(ca: Veno) -> None:
    """Take N from RTT samples that come from now on."""
    ca.doing_veno_now = True
    ca.min_rtt_us = NO_RTT_US


def set_state(sk: Sock, new_state: int) -> None:
    """While losses are repaired, RTTs say little: be Reno until the state is Open again."""
    if new_state == OPEN:
        enable(sk.ca)
    else:
        sk.ca.doing_veno_now = False


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle time the path may be another."""
    if event in RESTARTS:
        init(sk)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow as Reno does, at half the pace where (1) sees a queue."""
    ca = sk.ca
    if not ca.doing_veno_now:
        tcp_reno_cong_avoid(sk, ack, acked)
        return
    if not tcp_is_cwnd_limited(sk):
        return
    if ca.cnt_rtt <= MIN_SAMPLES:
        tcp_reno_cong_avoid(sk, ack, acked)
    else:
        grow(sk, ca, acked)
    ca.min_rtt_us = NO_RTT_US


def grow(sk: Sock, ca: Veno, acked: int) -> None:
    """Compute N by (1); slow start, then one packet per window, or per two windows."""
    cwnd = sk.snd_cwnd
    target = (cwnd * ca.base_rtt_us << N_SHIFT) // ca.min_rtt_us
    ca.backlog = (cwnd << N_SHIFT) - target & U32_MAX
    in_slow_start = cwnd < sk.snd_ssthresh
    if in_slow_start:
        acked = tcp_slow_start(sk, acked)
    if acked or not in_slow_start:
        if ca.backlog < BETA:
            tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)
        else:
            grow_every_other_window(sk, ca, acked)
    if sk.snd_cwnd < MIN_CWND:
        sk.snd_cwnd = MIN_CWND
    elif sk.snd_cwnd > sk.snd_cwnd_clamp:
        sk.snd_cwnd = sk.snd_cwnd_clamp


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the train from one packet of growth, or change of (1)'s verdict, to the next."""
    ca = sk.ca
    regular = ca.doing_veno_now and ca.cnt_rtt > MIN_SAMPLES and ca.min_rtt_us == NO_RTT_US
    if (
        reaches_clamp(sk, acks)
        or not regular
        or int(acks.rtt_us.min()) < 0
        or sk.snd_cwnd < MIN_CWND
    ):
        return 0
    rtt_us = acks.rtt_us + 1
    least_us = np.minimum(np.minimum.accumulate(rtt_us), ca.base_rtt_us)
    queued = Queued(sk, acks, rtt_us, least_us)
    row = 0
    if sk.snd_cwnd < sk.snd_ssthresh:
        row = queued.slow_start()
    while row < acks.n:
        row = queued.grow_once(row)
    ca.base_rtt_us = int(least_us[-1])
    ca.cnt_rtt = ca.cnt_rtt + acks.n & MAX_COUNT
    return acks.n


class Queued:
    """A train whose N by (1) is known for each ACK: as large as the window makes it."""

    def __init__(self, sk: Sock, acks: AckTrain, rtt_us: Column, least_us: Column) -> None:
        self.sk, self.acks = sk, acks
        self.rtt_us, self.least_us = rtt_us, least_us

    def backlog(self, first: int, stop: int, cwnd: int | Column) -> Column:
        """Return N of some rows [1/2 packet]."""
        target = (cwnd * self.least_us[first:stop] << N_SHIFT) // self.rtt_us[first:stop]
        return (cwnd << N_SHIFT) - target

    def slow_start(self) -> int:
        """Take slow start and what it leaves over; return the row after it."""
        sk, acks = self.sk, self.acks
        before = sk.snd_cwnd
        row, left = slow_start(sk, acks)
        cwnd = before if row == 1 else int(acks.cwnd[row - 2])
        sk.ca.backlog = int(self.backlog(row - 1, row, cwnd)[0])
        if left:
            self.count(left)
            acks.cwnd[row - 1] = sk.snd_cwnd
        return row

    def count(self, acked: int) -> None:
        """Let an ACK count as `grow` does."""
        sk = self.sk
        if sk.ca.backlog < BETA:
            tcp_cong_avoid_ai(sk, sk.snd_cwnd, acked)
        else:
            grow_every_other_window(sk, sk.ca, acked)

    def grow_once(self, row: int) -> int:
        """Take an ACK, then those that only count with the same verdict; return the next row."""
        sk, acks = self.sk, self.acks
        cwnd, una, ca = sk.snd_cwnd, memoryview(acks.una), sk.ca
        backlog = self.backlog(row, acks.n, cwnd)
        ca.backlog = int(backlog[0])
        self.count(int(acks.acked[row]))
        stop = row + 1
        if sk.snd_cwnd == cwnd:
            stop = self.same_verdict(row, backlog)
            left = cwnd - sk.snd_cwnd_cnt
            if ca.backlog < BETA:  # the ACK that fills the counter grows the window
                stop = bisect_left(una, una[row] + left, row + 1, stop)
            else:  # it is the one after it that does
                stop = min(bisect_left(una, una[row] + left, row, stop) + 1, stop)
            ca.backlog = int(backlog[stop - 1 - row])
        acks.cwnd[row:stop] = sk.snd_cwnd
        sk.snd_cwnd_cnt += una[stop - 1] - una[row]
        return stop

    def same_verdict(self, row: int, backlog: Column) -> int:
        """Return the first row after ``row`` whose N is on the other side of beta."""
        low = backlog < BETA
        other = low != low[0]
        return row + int(other.argmax()) if other.any() else self.acks.n


def grow_every_other_window(sk: Sock, ca: Veno, acked: int) -> None:
    """Add a packet each second time that the counter is full."""
    cwnd = sk.snd_cwnd
    if sk.snd_cwnd_cnt < cwnd:
        sk.snd_cwnd_cnt += acked
        return
    if ca.inc and cwnd < sk.snd_cwnd_clamp:
        sk.snd_cwnd = cwnd + 1
        ca.inc = False
    else:
        ca.inc = True
    sk.snd_cwnd_cnt = 0


def ssthresh(sk: Sock) -> int:
    """Back off by (2)."""
    cwnd = sk.snd_cwnd
    if sk.ca.backlog < BETA:
        return max(cwnd * 4 // 5, MIN_CWND)
    return max(cwnd >> 1, MIN_CWND)


veno = TcpCongestionOps(
    name="veno",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    cwnd_event=cwnd_event,
    pkts_acked=pkts_acked,
    private=Veno,
    train=train,
)
