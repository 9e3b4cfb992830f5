"""TCP Illinois: loss says when to back off, delay how fast to grow.

Reference: Liu, Başar and Srikant, Performance Evaluation 2008.

Once per round trip, the average queueing delay da is set against the largest one seen, dm. Far from
congestion the window grows by 10 packets per RTT and a loss costs an eighth; near it, growth is 0.3
packets and a loss costs half:

    alpha(da) = 10                          da <= d1
    alpha(da) = k1 / (k2 + da)              da > d1             (1)

    beta(da)  = 1/8                         da <= d2
    beta(da)  = k3 + k4 da                  d2 < da < d3        (2)
    beta(da)  = 1/2                         da >= d3

with d1, d2, d3 = 1 %, 10 % and 80 % of dm, and k1 to k4 such that both are continuous and alpha(dm)
= 0.3. After a queue was seen, alpha jumps back to 10 only when da was below d1 for ``theta`` round
trips. Below ``win_thresh`` packets, alpha = 1 and beta = 1/2, as in Reno.

alpha counts in units of 1/128, beta in units of 1/64.

Deviation from the paper, as in Linux: growth counts the packets that ``pkts_acked`` reported last,
and one where it has reported nothing since.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ccsim.cc.fixed_point import U32_MAX, require_range
from ccsim.cc.window_laws import (
    acknowledged_before,
    by_rounds,
    reaches_clamp,
    slow_start,
    snd_nxt_at,
)
from ccsim.kernel.kfuncs import (
    after,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import AckSample, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Illinois", "Params", "illinois"]

ALPHA_SHIFT = 7
ALPHA_BASE = 1 << ALPHA_SHIFT  # 1 packet per RTT [1/128]
ALPHA_MIN = 3 * ALPHA_BASE // 10  # 0.3
ALPHA_MAX = 10 * ALPHA_BASE  # 10
BETA_SHIFT = 6
BETA_MIN = (1 << BETA_SHIFT) // 8  # 1/8 [1/64]
BETA_MAX = BETA_BASE = (1 << BETA_SHIFT) // 2  # 1/2
RTT_MAX_US = U32_MAX // ALPHA_MAX  # 3.36 s: longer samples would overflow (1) in 32 bits
NO_RTT_US = 0x7FFFFFFF
MIN_CWND = 2  # packets

LOSS = int(CaState.LOSS)


@dataclass(frozen=True)
class Params:
    """Module parameters.

    win_thresh: the window from which delay matters [packets]; theta: round trips without a queue
    before alpha jumps.
    """

    win_thresh: int = 15
    theta: int = 5

    def __post_init__(self) -> None:
        require_range("illinois: win_thresh", self.win_thresh, 0, U32_MAX >> 1)
        require_range("illinois: theta", self.theta, 0, U32_MAX >> 1)


@dataclass(slots=True)
class Illinois:
    """What one connection remembers; RTTs in microseconds."""

    sum_rtt_us: int = 0  # of this round's samples
    cnt_rtt: int = 0  # how many they are
    base_rtt_us: int = 0  # smallest of the connection
    max_rtt_us: int = 0  # largest of the connection
    end_seq: int = 0  # the round ends when this byte is acknowledged
    alpha: int = 0  # additive increase [1/128 packets per RTT]
    beta: int = 0  # multiplicative decrease [1/64]
    acked: int = 0  # packets of the last ACK
    rtt_above: bool = False  # da was above d1
    rtt_low: int = 0  # round trips below d1 since


def init(sk: Sock) -> None:
    """Start fast: alpha is 10 until delays say otherwise."""
    sk.ca = Illinois(alpha=ALPHA_MAX, beta=BETA_BASE, base_rtt_us=NO_RTT_US, end_seq=sk.snd_nxt)


def start_round(sk: Sock) -> None:
    """Begin a round, which ends when all that is in flight now is acknowledged."""
    ca = sk.ca
    ca.end_seq = sk.snd_nxt
    ca.cnt_rtt = ca.sum_rtt_us = 0


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take an RTT sample."""
    ca = sk.ca
    ca.acked = sample.pkts_acked & 0xFFFF
    rtt_us = sample.rtt_us
    if rtt_us < 0:
        return
    if rtt_us > RTT_MAX_US:
        rtt_us = RTT_MAX_US
    if rtt_us < ca.base_rtt_us:
        ca.base_rtt_us = rtt_us
    if rtt_us > ca.max_rtt_us:
        ca.max_rtt_us = rtt_us
    ca.cnt_rtt = ca.cnt_rtt + 1 & 0xFFFF
    ca.sum_rtt_us += rtt_us


def choose_alpha(ca: Illinois, da: int, dm: int, theta: int) -> int:
    """Return alpha by (1) from average and largest queueing delay [us]."""
    d1 = dm // 100
    if da <= d1:
        if ca.rtt_above:
            ca.rtt_low = ca.rtt_low + 1 & 0xFF
            if ca.rtt_low < theta:
                return ca.alpha
            ca.rtt_low = 0
            ca.rtt_above = False
        return ALPHA_MAX
    ca.rtt_above = True
    dm -= d1
    da -= d1
    return dm * ALPHA_MAX // (dm + (da * (ALPHA_MAX - ALPHA_MIN) & U32_MAX) // ALPHA_MIN)


def choose_beta(da: int, dm: int) -> int:
    """Return beta by (2) from average and largest queueing delay [us]."""
    d2 = dm // 10
    if da <= d2:
        return BETA_MIN
    d3 = 8 * dm // 10
    if da >= d3 or d3 <= d2:
        return BETA_MAX
    return (BETA_MIN * d3 - BETA_MAX * d2 + (BETA_MAX - BETA_MIN) * da) // (d3 - d2)


def end_round(sk: Sock) -> None:
    """Set alpha and beta from the round's delays."""
    ca, params = sk.ca, sk.ca_ops.params
    if sk.snd_cwnd < params.win_thresh:
        ca.alpha = ALPHA_BASE
        ca.beta = BETA_BASE
    elif ca.cnt_rtt:
        da = ca.sum_rtt_us // ca.cnt_rtt - ca.base_rtt_us
        dm = ca.max_rtt_us - ca.base_rtt_us
        ca.alpha = choose_alpha(ca, da, dm, params.theta)
        ca.beta = choose_beta(da, dm)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, then alpha packets per window."""
    ca = sk.ca
    if after(ack, ca.end_seq):
        end_round(sk)
        start_round(sk)
    if not tcp_is_cwnd_limited(sk):
        return
    cwnd = sk.snd_cwnd
    if cwnd < sk.snd_ssthresh:
        tcp_slow_start(sk, acked)
        return
    grow(sk, ca)


def grow(sk: Sock, ca: Illinois) -> None:
    """Count the last ACK, and grow once it is worth a packet."""
    cwnd = sk.snd_cwnd
    sk.snd_cwnd_cnt += ca.acked
    ca.acked = 1
    growth = sk.snd_cwnd_cnt * ca.alpha >> ALPHA_SHIFT
    if growth >= cwnd:
        sk.snd_cwnd = min(cwnd + growth // cwnd, sk.snd_cwnd_clamp)
        sk.snd_cwnd_cnt = 0


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train round by round, up to an ACK that is worth several packets of growth."""
    if reaches_clamp(sk, acks):
        return 0

    def rows(first: int, stop: int) -> int:
        done = grow_rows(sk, acks, first, stop)
        take_rows(sk.ca, acks, first, done)
        return done

    def end(row: int) -> None:
        take_rows(sk.ca, acks, row, row + 1)
        sk.ca.acked = int(acks.acked[row])
        end_round(sk)
        sk.ca.end_seq = snd_nxt_at(sk, acks, row)
        sk.ca.cnt_rtt = sk.ca.sum_rtt_us = 0
        if sk.snd_cwnd < sk.snd_ssthresh:
            tcp_slow_start(sk, int(acks.acked[row]))
        else:
            grow(sk, sk.ca)

    return by_rounds(sk, acks, lambda: sk.ca.end_seq, rows, end)


def take_rows(ca: Illinois, acks: AckTrain, first: int, stop: int) -> None:
    """Take the RTT samples of some rows, as `pkts_acked` does one by one."""
    rtts = np.minimum(acks.rtt_us[first:stop], RTT_MAX_US)
    rtts = rtts[rtts >= 0]
    if len(rtts):
        ca.base_rtt_us = min(ca.base_rtt_us, int(rtts.min()))
        ca.max_rtt_us = max(ca.max_rtt_us, int(rtts.max()))
        ca.cnt_rtt = ca.cnt_rtt + len(rtts) & 0xFFFF
        ca.sum_rtt_us += int(rtts.sum())


def grow_rows(sk: Sock, acks: AckTrain, first: int, stop: int) -> int:
    """Grow through the rows within a round; return the row after those that are done."""
    row, una = first, memoryview(acks.una)
    if sk.snd_cwnd < sk.snd_ssthresh:
        row, _ = slow_start(sk, acks, first, stop)
    if row > first:
        sk.ca.acked = int(acks.acked[row - 1])
    while row < stop:
        cwnd, alpha = sk.snd_cwnd, sk.ca.alpha
        needed = -(-(cwnd << ALPHA_SHIFT) // alpha)  # packets worth one of growth
        counted = acknowledged_before(acks, row) - sk.snd_cwnd_cnt
        grows = bisect_left(una, counted + needed, row, stop)
        acks.cwnd[row:grows] = cwnd
        if grows > row:
            sk.snd_cwnd_cnt, sk.ca.acked = una[grows - 1] - counted, 1
        if grows == stop:
            return stop
        if (una[grows] - counted) * alpha >> ALPHA_SHIFT >= 2 * cwnd:
            return grows
        sk.snd_cwnd, sk.snd_cwnd_cnt, sk.ca.acked = cwnd + 1, 0, 1
        acks.cwnd[grows] = cwnd + 1
        row = grows + 1
    return stop


def ssthresh(sk: Sock) -> int:
    """Take beta of the window away."""
    cwnd = sk.snd_cwnd
    return max(cwnd - (cwnd * sk.ca.beta >> BETA_SHIFT), MIN_CWND)


def set_state(sk: Sock, new_state: int) -> None:
    """After a timeout, be Reno until a round has shown the delays."""
    if new_state == LOSS:
        ca = sk.ca
        ca.alpha = ALPHA_BASE
        ca.beta = BETA_BASE
        ca.rtt_low = 0
        ca.rtt_above = False
        start_round(sk)


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcpvegas_info``: the round's average RTT and the smallest one [us]."""
    ca = sk.ca
    return {
        "rttcnt": ca.cnt_rtt,
        "rtt": ca.sum_rtt_us // ca.cnt_rtt if ca.cnt_rtt else 0,
        "minrtt": ca.base_rtt_us,
    }


illinois = TcpCongestionOps(
    name="illinois",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    pkts_acked=pkts_acked,
    get_info=get_info,
    private=Illinois,
    params=Params(),
    train=train,
)
