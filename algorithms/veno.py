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

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.kernel.fixed_point import U32_MAX
from ccsim.kernel.hook_train import hook_train
from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_cong_avoid,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import AckSample, CaEvent, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.kernel.sock import Sock

__all__ = ["Veno", "veno"]

N_SHIFT = 1
BETA = 3 << N_SHIFT  # 3 packets [1/2 packet]
MIN_SAMPLES = 2  # no more RTT samples than this say nothing
NO_RTT_US = 0x7FFFFFFF
MIN_CWND = 2  # packets

OPEN = int(CaState.OPEN)
RESTARTS = (int(CaEvent.CWND_RESTART), int(CaEvent.TX_START))


@dataclass(slots=True)
class Veno:
    """What one connection remembers. RTTs are 1 us too long, so that none is zero."""

    doing_veno_now: bool = False  # False: growth is Reno's, after a loss
    cnt_rtt: int = 0  # RTT samples of the connection
    min_rtt_us: int = 0  # smallest since the last ACK
    base_rtt_us: int = 0  # smallest of the connection
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


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample."""
    rtt_us = sample.rtt_us
    if rtt_us < 0:
        return
    ca = sk.ca
    rtt_us += 1
    if rtt_us < ca.base_rtt_us:
        ca.base_rtt_us = rtt_us
    if rtt_us < ca.min_rtt_us:
        ca.min_rtt_us = rtt_us
    ca.cnt_rtt = ca.cnt_rtt + 1 & 0xFFFF


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
    train=hook_train,
)
