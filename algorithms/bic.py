"""BIC: search for the window that the path holds by bisection.

Reference: Xu, Harfoush and Rhee, INFOCOM 2004.

The window Wmax at the last loss is too large, the one after it too small, so the target is between
them. Far below Wmax the window grows linearly by ``max_increment`` packets per RTT, near it by a
part of the distance, and close by only slowly; above Wmax it searches for a new maximum the other
way round:

    distance = Wmax - cwnd
    growth   = max_increment                    distance / B > max_increment        (1)
               distance / B                     1 < distance / B                    (2)
               B / smooth_part                  otherwise, and up to Wmax + B       (3)
               (cwnd - Wmax) / (B - 1)          up to Wmax + (B - 1) max_increment  (4)
               max_increment                    beyond                              (5)

packets per RTT, with B = 4. A loss sets the window to beta of itself. With ``fast_convergence``, a
maximum below the one before makes room for newcomers: Wmax is then set halfway between the old
window and the new one.

Deviations from the paper, as in Linux: distances are divided by B = 4, not 2, and rounded down;
growth speeds up by the number of packets that an ACK stands for, on average; until the first loss
it is at least one packet per 20.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, require_range, s32
from ccsim.cc.window_laws import any_rtt, reaches_clamp, slow_start
from ccsim.kernel.kfuncs import (
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import AckSample, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Bic", "Params", "bic"]

B = 4  # how the distance to the target is divided
BETA_SCALE = 1024
UPDATES_PER_SEC = 32  # how often the growth is computed while the window stands still
MAX_INITIAL_CNT = 20  # packets acknowledged per packet of growth before the first loss
ACK_RATIO_SHIFT = 4
ACK_RATIO_INIT = 2 << ACK_RATIO_SHIFT  # delayed ACKs [1/16 packet per ACK]
MIN_CWND = 2  # packets
I32_MAX = U32_MAX >> 1

OPEN, LOSS = int(CaState.OPEN), int(CaState.LOSS)


@dataclass(frozen=True)
class Params:
    """Module parameters.

    max_increment [packets per RTT]; low_window: up to this window be Reno [packets]; beta [1/1024];
    initial_ssthresh [packets], 0 for none; smooth_part: how slow (3) is.
    """

    fast_convergence: bool = True
    max_increment: int = 16
    low_window: int = 14
    beta: int = 819
    initial_ssthresh: int = 0
    smooth_part: int = 20

    def __post_init__(self) -> None:
        require_range("bic: max_increment", self.max_increment, 1, I32_MAX)
        require_range("bic: low_window", self.low_window, 0, I32_MAX)
        require_range("bic: beta", self.beta, 0, BETA_SCALE)
        require_range("bic: initial_ssthresh", self.initial_ssthresh, 0, I32_MAX)
        require_range("bic: smooth_part", self.smooth_part, 0, I32_MAX)


@dataclass(slots=True)
class Bic:
    """What one connection remembers."""

    cnt: int = 0  # packets acknowledged per packet of growth
    last_max_cwnd: int = 0  # Wmax; 0 before the first loss
    last_cwnd: int = 0  # the window for which `cnt` was computed
    last_time: int = 0  # and when [ticks]
    delayed_ack: int = 0  # packets that an ACK stands for [1/16]


def init(sk: Sock) -> None:
    """Start without a maximum."""
    sk.ca = Bic(delayed_ack=ACK_RATIO_INIT)
    initial_ssthresh = sk.ca_ops.params.initial_ssthresh
    if initial_ssthresh:
        sk.snd_ssthresh = initial_ssthresh


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Average the packets that an ACK stands for."""
    if sk.ca_state == OPEN:
        sk.ca.delayed_ack = next_ratio(sk.ca.delayed_ack, sample.pkts_acked)


def next_ratio(ratio: int, acked: int) -> int:
    """Return the average with one more ACK [1/16]."""
    return ratio + acked - (ratio >> ACK_RATIO_SHIFT) & U32_MAX


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, and what it leaves over into the search."""
    if not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, update(sk, sk.tcp_jiffies32), acked)


def update(sk: Sock, now: int) -> int:
    """Return the packets to acknowledge per packet of growth; seldom anew for one window."""
    ca = sk.ca
    cwnd = sk.snd_cwnd
    if ca.last_cwnd == cwnd and s32(now - ca.last_time) <= sk.hz // UPDATES_PER_SEC:
        return ca.cnt
    ca.last_cwnd, ca.last_time = cwnd, now
    params = sk.ca_ops.params
    if cwnd <= params.low_window:
        ca.cnt = cwnd
        return cwnd
    cnt = search(cwnd, ca.last_max_cwnd, params)
    if ca.last_max_cwnd == 0:
        cnt = min(cnt, MAX_INITIAL_CNT)
    ca.cnt = (cnt << ACK_RATIO_SHIFT & U32_MAX) // ca.delayed_ack or 1
    return ca.cnt


def search(cwnd: int, w_max: int, params: Params) -> int:
    """Return cwnd / growth, the packets to be acknowledged per packet of growth, by (1) to (5)."""
    max_increment = params.max_increment
    if cwnd < w_max:
        step = (w_max - cwnd) // B
        if step > max_increment:
            return cwnd // max_increment
        if step > 1:
            return cwnd // step
        return cwnd * params.smooth_part // B
    if cwnd < w_max + B:
        return cwnd * params.smooth_part // B
    if cwnd < w_max + max_increment * (B - 1):
        return cwnd * (B - 1) // (cwnd - w_max)
    return cwnd // max_increment


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train: slow start, then from one computation of the growth to the next."""
    if reaches_clamp(sk, acks):
        return 0
    row, acked = 0, 0
    ratios = [*accumulate(acks.acked.tolist(), next_ratio, initial=sk.ca.delayed_ack)]
    if sk.snd_cwnd < sk.snd_ssthresh:
        row, acked = slow_start(sk, acks)
        row -= acked > 0
    while row < acks.n:
        sk.ca.delayed_ack = ratios[row + 1]
        row = search_rows(sk, acks, row, acked or int(acks.acked[row]))
        acked = 0
    sk.ca.delayed_ack = ratios[acks.n]
    return acks.n


def search_rows(sk: Sock, acks: AckTrain, row: int, acked: int) -> int:
    """Take an ACK, and those after it that only count; return the row of the next one that may grow
    the window or compute its growth anew.
    """
    ca, cwnd, una = sk.ca, sk.snd_cwnd, memoryview(acks.una)
    now = (int(acks.t_ns[row]) + acks.jiffies0_ns) // acks.jiffy_ns
    tcp_cong_avoid_ai(sk, update(sk, now), acked)
    stop = row + 1
    if sk.snd_cwnd == cwnd:
        late_ns = (ca.last_time + sk.hz // UPDATES_PER_SEC + 1) * acks.jiffy_ns - acks.jiffies0_ns
        stop = bisect_left(una, una[row] + ca.cnt - sk.snd_cwnd_cnt, stop, acks.n)
        stop = bisect_left(memoryview(acks.t_ns), late_ns, row + 1, stop)
    acks.cwnd[row:stop] = sk.snd_cwnd
    sk.snd_cwnd_cnt += una[stop - 1] - una[row]
    return stop


def ssthresh(sk: Sock) -> int:
    """Note the maximum and fall to beta of it; to half of it for a small window."""
    ca, params, cwnd = sk.ca, sk.ca_ops.params, sk.snd_cwnd
    if cwnd < ca.last_max_cwnd and params.fast_convergence:
        ca.last_max_cwnd = cwnd * (BETA_SCALE + params.beta) // (2 * BETA_SCALE)
    else:
        ca.last_max_cwnd = cwnd
    if cwnd <= params.low_window:
        return max(cwnd >> 1, MIN_CWND)
    return max(cwnd * params.beta // BETA_SCALE, MIN_CWND)


def set_state(sk: Sock, new_state: int) -> None:
    """After a timeout, start over."""
    if new_state == LOSS:
        sk.ca = Bic(delayed_ack=ACK_RATIO_INIT)


bic = TcpCongestionOps(
    name="bic",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    pkts_acked=pkts_acked,
    private=Bic,
    params=Params(),
    train=train,
    rtt_floor=any_rtt,
)
