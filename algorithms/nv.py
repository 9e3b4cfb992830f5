"""TCP-NV: find the window that keeps the rate at the smallest RTT.

Reference: Brakmo, "TCP-NV: Congestion Avoidance for Data Centers", Linux Plumbers Conference 2010.

New Vegas is for data centres, where RTTs jitter more than the queue grows. It measures a rate with
each ACK, the bytes in flight when the packet was sent over its RTT, takes the largest of many ACKs,
and computes the window that yields this rate without a queue:

    max_win = max rate * min RTT / mss + nv_pad                                   (1)

A window above max_win is reduced by 30 % of the excess, after at least 60 measurements (30 in slow
start); one that is 2 packets or more below ``max_win`` may grow, after at least 20. In between it
stays. Losses take a fifth.

The smallest RTT expires after ``nv_reset_period`` seconds, give or take a quarter, so that flows
that share a path do not renew it together. A round trip that brought but one large ACK says little:
it allows growth, and lets the next round be longer.

Where a BPF program knows the RTT of the data centre (``bpf_base_rtt`` of the socket, in
microseconds), RTTs count as that at most and as 80 % of it at least.

The constants, which the talk leaves open, are those of Linux's module. Known deviation from it: the
expiry of the smallest RTT is kept in 32-bit ticks, good for half their range.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, require_range, s32
from ccsim.cc.window_laws import by_rounds, last_taken, reaches_clamp, reno_rows, snd_nxt_at
from ccsim.kernel.kfuncs import (
    before,
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, AckSample, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Nv", "Params", "nv"]

RATE_UNIT = 80_000  # bytes in flight * RATE_UNIT / us = rate in units of 100 bit/s
RTT_WEIGHT = 128  # of the newest sample in the average [1/256]
LOWER_BOUND_WEIGHT = 205  # the least RTT that is believed, of the base RTT [1/256]
PAD_BUFFER = 2  # packets below max_win from which the window may grow
REDUCTION = 30 * 128 // 100  # of the excess over max_win [1/128]
LOSS_KEEPS = 819  # of the window [1/1024]
SSTHRESH_FACTOR = 8  # ssthresh after a reduction [1/8 of max_win]
MIN_EVALS_TO_DECREASE = 60  # measurements before the window is reduced,
MIN_EVALS_IN_SLOW_START = 30  # before the first reduction
MIN_EVALS_TO_INCREASE = 20  # and before growth is allowed
MIN_RTTS_TO_DECREASE = 2  # round trips before the window is reduced
RTTS_TO_STOP_GROWTH = 10  # round trips with too few measurements, after which growth stops
GROWTH_RATE_NEG = 8  # evaluations without congestion that undo one halving of growth
MIN_GROWTH_FACTOR = -8
MIN_CWND_INIT = 4  # packets
MIN_CWND_STEP = 2
TSO_CWND_BOUND = 80
FIRST_RTT_RESET_S = 2
MAX_COUNT = 0xFF
NO_RTT_US = U32_MAX

OPEN, DISORDER = int(CaState.OPEN), int(CaState.DISORDER)
CWR, RECOVERY, LOSS = int(CaState.CWR), int(CaState.RECOVERY), int(CaState.LOSS)


@dataclass(frozen=True)
class Params:
    """Module parameters.

    nv_pad: packets that may be queued; nv_reset_period: how long a smallest RTT is believed [s];
    nv_min_cwnd: the window is not reduced below this [packets].
    """

    nv_pad: int = 10
    nv_reset_period: int = 5
    nv_min_cwnd: int = 2

    def __post_init__(self) -> None:
        require_range("nv: nv_pad", self.nv_pad, 0, U32_MAX >> 1)
        require_range("nv: nv_reset_period", self.nv_reset_period, 0, U32_MAX >> 1)
        require_range("nv: nv_min_cwnd", self.nv_min_cwnd, 1, U32_MAX >> 1)


@dataclass(slots=True)
class Nv:
    """What one connection remembers; RTTs in microseconds, windows in packets."""

    min_rtt_reset: int = 0  # when the smallest RTT expires [ticks]
    growth_factor: int = 0  # growth is 2^growth_factor of Reno's; 0 or less
    allow_growth: bool = False
    reset: bool = False  # a loss is being repaired; start over afterwards
    eval_count: int = 0  # measurements since the last decision
    min_cwnd: int = 0  # packets by which a round with one large ACK prolongs the next
    rtt_count: int = 0  # round trips since the last decision
    last_rtt_us: int = 0  # moving average
    min_rtt_us: int = 0  # smallest average
    min_rtt_new_us: int = 0  # smallest since the last reset: the next `min_rtt_us`
    base_rtt_us: int = 0  # of the data centre; 0: unknown
    lower_bound_us: int = 0
    max_rate: int = 0  # since the last decision [100 bit/s]
    rtt_start_seq: int = 0  # the round trip ends when this byte is acknowledged
    last_snd_una: int = 0
    no_cong_count: int = 0  # evaluations without congestion in a row


def init(sk: Sock) -> None:
    """Start without a smallest RTT, asking for the data centre's."""
    sk.ca = ca = Nv(
        allow_growth=True,
        min_cwnd=MIN_CWND_INIT,
        min_rtt_us=NO_RTT_US,
        min_rtt_new_us=NO_RTT_US,
        min_rtt_reset=sk.tcp_jiffies32 + FIRST_RTT_RESET_S * sk.hz,
    )
    base_rtt_us = getattr(sk, "bpf_base_rtt", -1)
    if base_rtt_us > 0:
        ca.base_rtt_us = base_rtt_us
        ca.lower_bound_us = base_rtt_us * LOWER_BOUND_WEIGHT >> 8
    start_over(sk)


def start_over(sk: Sock) -> None:
    """Forget the measurements, but not the smallest RTT."""
    ca = sk.ca
    ca.reset = False
    ca.no_cong_count = ca.rtt_count = ca.last_rtt_us = ca.max_rate = ca.eval_count = 0
    ca.rtt_start_seq = ca.last_snd_una = sk.snd_una


def set_state(sk: Sock, new_state: int) -> None:
    """Stop growing and measuring while losses are repaired; each timeout halves later growth."""
    ca = sk.ca
    if new_state == OPEN and ca.reset:
        start_over(sk)
    elif new_state in (CWR, RECOVERY, LOSS):
        ca.reset = True
        ca.allow_growth = False
        if new_state == LOSS:
            ca.growth_factor = max(ca.growth_factor - 1, MIN_GROWTH_FACTOR)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow as Reno does, slowed down by the growth factor, if the last evaluation allows it."""
    ca = sk.ca
    if not ca.allow_growth or not tcp_is_cwnd_limited(sk):
        return
    if sk.snd_cwnd < sk.snd_ssthresh:
        acked = tcp_slow_start(sk, acked)
        if not acked:
            return
    tcp_cong_avoid_ai(sk, packets_per_increase(ca.growth_factor, sk.snd_cwnd), acked)


def packets_per_increase(growth_factor: int, cwnd: int) -> int:
    """Return what a packet of growth costs: the window, doubled for each halving of growth."""
    return cwnd << -growth_factor if growth_factor < 0 else max(cwnd, 4)


def ssthresh(sk: Sock) -> int:
    """Take a fifth away."""
    return max(sk.snd_cwnd * LOSS_KEEPS >> 10, 2)


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Measure RTT and rate; once per round trip, evaluate."""
    ca = sk.ca
    if sample.rtt_us < 0 or sk.ca_state not in (OPEN, DISORDER):
        return
    bytes_acked = sk.snd_una - ca.last_snd_una & U32_MAX
    ca.last_snd_una = sk.snd_una
    if sample.in_flight == 0:
        return
    measure(ca, sample.rtt_us, sample.in_flight)
    if s32(sk.tcp_jiffies32 - ca.min_rtt_reset) >= 0:
        expire_min_rtt(sk)
    if before(ca.rtt_start_seq, sk.snd_una):
        end_round(sk, bytes_acked, sk.snd_nxt)


def measure(ca: Nv, rtt_us: int, in_flight: int) -> None:
    """Follow the largest rate and the smallest RTTs with one measurement."""
    rtt_us = average_rtt(ca, rtt_us)
    ca.max_rate = max(ca.max_rate, in_flight * RATE_UNIT // (rtt_us or 1) & U32_MAX)
    ca.eval_count = min(ca.eval_count + 1, MAX_COUNT)
    rtt_us = believable(ca, rtt_us)
    ca.min_rtt_us = min(ca.min_rtt_us, rtt_us)
    ca.min_rtt_new_us = min(ca.min_rtt_new_us, rtt_us)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train round by round, up to the smallest RTT's expiry, or a smaller window."""
    if reaches_clamp(sk, acks) or int(acks.rtt_us.min()) < 0 or int(acks.in_flight.min()) < 1:
        return 0
    expires = int(acks.jiffies.searchsorted(sk.ca.min_rtt_reset))
    samples = list(zip(acks.rtt_us.tolist(), acks.in_flight.tolist(), strict=True))

    def rows(first: int, stop: int) -> int:
        done = grow_rows(sk, acks, first, stop)
        for sample in samples[first:done]:
            measure(sk.ca, *sample)
        if done > first:
            sk.ca.last_snd_una = last_taken(sk, acks, done)
        return done

    def end(row: int) -> None:
        measure(sk.ca, *samples[row])
        una = last_taken(sk, acks, row + 1)
        bytes_acked = una - sk.ca.last_snd_una & U32_MAX
        sk.ca.last_snd_una = una
        end_round(sk, bytes_acked, snd_nxt_at(sk, acks, row))
        grow_rows(sk, acks, row, row + 1)

    return by_rounds(sk, acks, lambda: sk.ca.rtt_start_seq, rows, end, stop=expires)


def grow_rows(sk: Sock, acks: AckTrain, first: int, stop: int) -> int:
    """Grow through rows as `cong_avoid` does for each; return the row after those done."""
    if not sk.ca.allow_growth:
        acks.cwnd[first:stop] = sk.snd_cwnd
        return stop
    return reno_rows(sk, acks, first, stop, partial(packets_per_increase, sk.ca.growth_factor))


def average_rtt(ca: Nv, rtt_us: int) -> int:
    """Return the moving average with a new sample; a first sample replaces the smallest RTT."""
    if ca.last_rtt_us:
        rtt_us = rtt_us * RTT_WEIGHT + ca.last_rtt_us * (256 - RTT_WEIGHT) >> 8
    else:
        ca.min_rtt_us = rtt_us << 1 & U32_MAX
    ca.last_rtt_us = rtt_us
    return rtt_us


def believable(ca: Nv, rtt_us: int) -> int:
    """Return an RTT within the bounds that the data centre's base RTT sets."""
    if rtt_us < ca.lower_bound_us:
        return ca.lower_bound_us
    if 0 < ca.base_rtt_us < rtt_us:
        return ca.base_rtt_us
    return rtt_us


def expire_min_rtt(sk: Sock) -> None:
    """Go over to the smallest RTT of the last period, and draw the length of the next one."""
    ca = sk.ca
    ca.min_rtt_us = ca.min_rtt_new_us
    ca.min_rtt_new_us = NO_RTT_US
    jitter = sk.random.u8()  # (384 + 0..255) / 512 is 3/4 to 5/4
    period = sk.ca_ops.params.nv_reset_period * (384 + jitter) * sk.hz >> 9
    ca.min_rtt_reset = sk.tcp_jiffies32 + period
    ca.min_cwnd = max(ca.min_cwnd // 2, MIN_CWND_INIT)


def end_round(sk: Sock, bytes_acked: int, snd_nxt: int) -> None:
    """Evaluate (1), unless the window is too small to measure anything."""
    ca, params = sk.ca, sk.ca_ops.params
    mss = sk.mss_cache
    ca.rtt_start_seq = snd_nxt
    ca.rtt_count = min(ca.rtt_count + 1, MAX_COUNT)
    if (
        ca.eval_count == 1
        and bytes_acked >= (ca.min_cwnd - 1) * mss
        and ca.min_cwnd <= TSO_CWND_BOUND
    ):
        ca.min_cwnd = min(ca.min_cwnd + MIN_CWND_STEP, TSO_CWND_BOUND + 1)
        ca.rtt_start_seq = snd_nxt + ca.min_cwnd * mss & U32_MAX
        ca.eval_count = 0
        ca.allow_growth = True
        return
    max_win = ca.max_rate * ca.min_rtt_us // (RATE_UNIT * mss) + params.nv_pad & U32_MAX
    if sk.snd_cwnd > max_win:
        decided = decrease(sk, max_win)
    elif sk.snd_cwnd <= (max_win - PAD_BUFFER & U32_MAX):
        decided = permit_growth(ca)
    else:
        return
    if decided:
        ca.eval_count = ca.rtt_count = ca.max_rate = 0
        sk.snd_cwnd = max(sk.snd_cwnd, params.nv_min_cwnd)


def decrease(sk: Sock, max_win: int) -> bool:
    """Reduce the window towards ``max_win``; report whether there were measurements enough."""
    ca = sk.ca
    if ca.rtt_count < MIN_RTTS_TO_DECREASE:
        return False
    if sk.snd_ssthresh == TCP_INFINITE_SSTHRESH:
        if ca.eval_count < MIN_EVALS_IN_SLOW_START:
            return False
    elif ca.eval_count < MIN_EVALS_TO_DECREASE:
        if ca.rtt_count > RTTS_TO_STOP_GROWTH:
            ca.allow_growth = False
        return False
    ca.allow_growth = False
    sk.snd_ssthresh = (SSTHRESH_FACTOR * max_win & U32_MAX) >> 3
    excess = sk.snd_cwnd - max_win
    sk.snd_cwnd -= max(excess * REDUCTION >> 7, 2) if excess > 2 else excess
    ca.no_cong_count = 0
    return True


def permit_growth(ca: Nv) -> bool:
    """Allow growth, after a while faster; report whether there were measurements enough."""
    if ca.eval_count < MIN_EVALS_TO_INCREASE:
        return False
    ca.allow_growth = True
    ca.no_cong_count += 1
    if ca.growth_factor < 0 and ca.no_cong_count > GROWTH_RATE_NEG:
        ca.growth_factor += 1
        ca.no_cong_count = 0
    return True


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcpvegas_info``: average and smallest RTT in microseconds."""
    ca = sk.ca
    return {
        "enabled": 1,
        "rttcnt": ca.rtt_count,
        "rtt": ca.last_rtt_us,
        "minrtt": ca.min_rtt_us,
    }


nv = TcpCongestionOps(
    name="nv",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    pkts_acked=pkts_acked,
    get_info=get_info,
    private=Nv,
    params=Params(),
    train=train,
)
