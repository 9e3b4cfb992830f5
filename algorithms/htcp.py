"""H-TCP: grow faster the longer the last congestion is ago.

Reference: Leith and Shorten, PFLDnet 2004; draft-leith-tcp-htcp.

For the first second after a congestion event a flow grows as Reno does, so that it is fair where
Reno does well; then its additive increase alpha grows with the square of the time Delta [s] since
then:

    alpha(Delta) = 1                                                  Delta <= 1 s          (1)
    alpha(Delta) = 1 + 10 (Delta - 1) + ((Delta - 1) / 2)^2           Delta > 1 s           (2)
    alpha <- 2 (1 - beta) alpha(Delta)                                                      (3)

(3) keeps competing flows fair whatever their back-off factor beta, which follows the path: it
leaves the queue just empty if the throughput before two congestion events in a row differed by less
than 20 %, and is 1/2 otherwise:

    beta = RTTmin / RTTmax, within 0.5 and 0.8                                              (4)

With ``use_rtt_scaling``, alpha(Delta) is also divided by (100 ms / RTTmin), within 0.5 and 10, so
that growth in time does not depend on the RTT.

alpha and beta count in units of 1/128; times are in ticks, as in Linux: the tick length is part of
the behaviour.

Deviations from the paper, as in Linux: RTTmax forgets 5 % of its excess over RTTmin at each
congestion event and takes only samples that exceed it by 20 ms or less; (4) needs an RTTmin above
10 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_SEC, msecs_to_jiffies, usecs_to_jiffies
from ccsim.cc.window_laws import acknowledged_before, reaches_clamp, slow_start
from ccsim.kernel.kfuncs import tcp_is_cwnd_limited, tcp_reno_undo_cwnd, tcp_slow_start
from ccsim.kernel.ops import AckSample, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain, Column
    from ccsim.kernel.sock import Sock

__all__ = ["Htcp", "Params", "htcp"]

SHIFT = 7
ONE = 1 << SHIFT  # alpha = 1 or beta = 1 [1/128]
BETA_MIN, BETA_MAX = ONE // 2, 102  # 0.5 and 0.8 [1/128]
SCALE_MIN, SCALE_MAX = 4, 80  # RTT scaling, 0.5 and 10 [1/8]
MAX_RTT_STEP_MS = 20  # how far above RTTmax a sample may lie
MIN_ADAPTIVE_RTT_MS = 10  # below this RTTmin, beta stays 1/2
SETTLING_RTTS = 3  # for so long the throughput estimate is just its last sample
MIN_CWND = 2  # packets

OPEN, DISORDER = int(CaState.OPEN), int(CaState.DISORDER)
REDUCTIONS = (int(CaState.CWR), int(CaState.RECOVERY), int(CaState.LOSS))


@dataclass(frozen=True)
class Params:
    """Module parameters.

    use_rtt_scaling: relate growth to an RTT of 100 ms; use_bandwidth_switch: be wary, with
    beta = 1/2, when throughput changes.
    """

    use_rtt_scaling: bool = True
    use_bandwidth_switch: bool = True


@dataclass(slots=True)
class Htcp:
    """What one connection remembers; times in ticks, throughputs in packets/s."""

    alpha: int = 0  # additive increase [1/128 packets per RTT]
    beta: int = 0  # back-off factor [1/128]
    mode_switch: bool = False  # beta may adapt: the last congestion event saw steady throughput
    pkts_acked: int = 0  # by the last ACK
    packet_count: int = 0  # acknowledged since `last_time`
    last_time: int = 0  # start of the current throughput measurement
    min_rtt: int = 0
    max_rtt: int = 0
    last_cong: int = 0  # the last congestion event
    bi: int = 0  # smoothed throughput
    min_b: int = 0  # its extremes since the last congestion event
    max_b: int = 0
    old_max_b: int = 0  # its maximum before that
    undo_last_cong: int = 0  # what an undo brings back; 0: there is nothing to undo
    undo_max_rtt: int = 0
    undo_old_max_b: int = 0


def init(sk: Sock) -> None:
    """Start as Reno, with the clock of (1) at zero."""
    sk.ca = Htcp(alpha=ONE, beta=BETA_MIN, pkts_acked=1, last_cong=sk.tcp_jiffies32)


def since_congestion(ca: Htcp, now: int) -> int:
    """Return Delta at tick ``now``, the time since the last congestion event [ticks]."""
    return now - ca.last_cong & U32_MAX


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take the RTT sample and measure throughput, as long as nothing is lost."""
    ca, state = sk.ca, sk.ca_state
    if state == OPEN:
        ca.pkts_acked = sample.pkts_acked & 0xFFFF
    if sample.rtt_us > 0:
        measure_rtt(sk, usecs_to_jiffies(sample.rtt_us, sk.hz))
    if not sk.ca_ops.params.use_bandwidth_switch:
        return
    if state in (OPEN, DISORDER):
        measure_throughput(sk, sk.tcp_jiffies32, sample.pkts_acked)
    else:
        ca.packet_count = 0
        ca.last_time = sk.tcp_jiffies32


def measure_rtt(sk: Sock, rtt: int) -> None:
    """Follow the extremes of the RTT [ticks]; the maximum only while nothing is wrong."""
    ca = sk.ca
    if rtt < ca.min_rtt or not ca.min_rtt:
        ca.min_rtt = rtt
    if sk.ca_state != OPEN:
        return
    if ca.max_rtt < ca.min_rtt:
        ca.max_rtt = ca.min_rtt
    if ca.max_rtt < rtt <= ca.max_rtt + msecs_to_jiffies(MAX_RTT_STEP_MS, sk.hz):
        ca.max_rtt = rtt


def measure_throughput(sk: Sock, now: int, acked: int) -> None:
    """Take a throughput sample once a window is acknowledged and an RTT is over."""
    ca = sk.ca
    ca.packet_count += acked
    elapsed = now - ca.last_time & U32_MAX
    if ca.packet_count < window_to_measure(sk, ca) or elapsed < ca.min_rtt or not ca.min_rtt:
        return
    sample = ca.packet_count * sk.hz // elapsed
    if since_congestion(ca, now) // ca.min_rtt <= SETTLING_RTTS:
        ca.bi = ca.min_b = ca.max_b = sample
    else:
        ca.bi = (3 * ca.bi + sample) // 4
        ca.max_b = max(ca.max_b, ca.bi)
        ca.min_b = min(ca.min_b, ca.max_b)
    ca.packet_count = 0
    ca.last_time = now


def window_to_measure(sk: Sock, ca: Htcp) -> int:
    """Return how many packets a throughput sample takes: a window, less one RTT of growth."""
    return sk.snd_cwnd - (ca.alpha >> SHIFT or 1) & U32_MAX


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, then alpha packets per window; each packet gained brings alpha up to date."""
    if not tcp_is_cwnd_limited(sk):
        return
    cwnd = sk.snd_cwnd
    if cwnd < sk.snd_ssthresh:
        tcp_slow_start(sk, acked)
        return
    ca = sk.ca
    if (sk.snd_cwnd_cnt * ca.alpha & U32_MAX) >> SHIFT < cwnd:
        sk.snd_cwnd_cnt += ca.pkts_acked
    else:
        if cwnd < sk.snd_cwnd_clamp:
            sk.snd_cwnd = cwnd + 1
        sk.snd_cwnd_cnt = 0
        update_alpha(sk, sk.tcp_jiffies32)
    ca.pkts_acked = 1


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the train from event to event: an ACK that grows the window, or completes a throughput
    sample. A new smallest RTT is left to the hooks.
    """
    ca = sk.ca
    rtts = -(-acks.rtt_us * sk.hz // USEC_PER_SEC)  # `usecs_to_jiffies`
    if reaches_clamp(sk, acks) or int(rtts.min()) < max(ca.min_rtt, 1) or not ca.min_rtt:
        return 0
    row, una = 0, memoryview(acks.una)
    measures = sk.ca_ops.params.use_bandwidth_switch
    while row < acks.n:
        sample = sample_row(sk, acks, row) if measures else acks.n
        grown = grow_rows(sk, acks, row, sample)
        if measures and grown > row:
            ca.packet_count += una[grown - 1] - acknowledged_before(acks, row)
        row = grown
        if row == sample < acks.n:
            now = (int(acks.t_ns[row]) + acks.jiffies0_ns) // acks.jiffy_ns
            measure_throughput(sk, now, int(acks.acked[row]))
            row = grow_rows(sk, acks, row, row + 1)
    follow_longest(ca, rtts, msecs_to_jiffies(MAX_RTT_STEP_MS, sk.hz))
    return acks.n


def sample_row(sk: Sock, acks: AckTrain, row: int) -> int:
    """Return the first ACK from ``row`` on that completes a throughput sample if the window stays
    as it is, ``acks.n`` for none.
    """
    ca = sk.ca
    counted = acknowledged_before(acks, row) - ca.packet_count
    full = bisect_left(memoryview(acks.una), counted + window_to_measure(sk, ca), row, acks.n)
    due_ns = (ca.last_time + ca.min_rtt) * acks.jiffy_ns - acks.jiffies0_ns
    return bisect_left(memoryview(acks.t_ns), due_ns, full, acks.n)


def grow_rows(sk: Sock, acks: AckTrain, row: int, stop: int) -> int:
    """Take rows of slow start, or those up to the next packet of growth; return the next row."""
    if row == stop:
        return row
    cwnd, ca = sk.snd_cwnd, sk.ca
    if cwnd < sk.snd_ssthresh:
        if sk.ca_ops.params.use_bandwidth_switch:
            stop = row + 1  # the window that a throughput sample takes changes with each ACK
        row, _ = slow_start(sk, acks, row, stop)
        ca.pkts_acked = int(acks.acked[row - 1]) & 0xFFFF
        return row
    needed = -(-(cwnd << SHIFT) // ca.alpha)  # packets worth one of growth
    counted = acknowledged_before(acks, row) - sk.snd_cwnd_cnt
    una = memoryview(acks.una)
    if sk.snd_cwnd_cnt >= needed:
        grows = row
    else:  # the ACK after the one that fills the counter
        grows = min(bisect_left(una, counted + needed, row, stop) + 1, stop)
    ca.pkts_acked = 1
    acks.cwnd[row:grows] = cwnd
    if grows > row:
        sk.snd_cwnd_cnt = una[grows - 1] - counted
    if grows == stop:
        return stop
    sk.snd_cwnd, sk.snd_cwnd_cnt = cwnd + 1, 0
    acks.cwnd[grows] = cwnd + 1
    update_alpha(sk, (int(acks.t_ns[grows]) + acks.jiffies0_ns) // acks.jiffy_ns)
    return grows + 1


def follow_longest(ca: Htcp, rtts: Column, step: int) -> None:
    """Follow the largest RTT over a train's samples, none below the smallest, as `measure_rtt`."""
    ca.max_rtt = max(ca.max_rtt, ca.min_rtt)
    row = 0
    while row < len(rtts):
        longer = (rtts[row:] > ca.max_rtt) & (rtts[row:] <= ca.max_rtt + step)
        if not longer.any():
            return
        row += int(longer.argmax())
        ca.max_rtt = int(rtts[row])


def update_alpha(sk: Sock, now: int) -> None:
    """Compute alpha by (1) or (2), the RTT scaling and (3)."""
    ca, hz = sk.ca, sk.hz
    factor = 1
    excess = since_congestion(ca, now) - hz
    if excess > 0:
        half = excess // 2
        factor += (10 * excess + (half * half & U32_MAX) // hz & U32_MAX) // hz
    if sk.ca_ops.params.use_rtt_scaling and ca.min_rtt:
        scale = (hz << 3) // (10 * ca.min_rtt)
        scale = min(max(scale, SCALE_MIN), SCALE_MAX)
        factor = (factor << 3) // scale or 1
    ca.alpha = 2 * factor * (ONE - ca.beta) & U32_MAX or ONE


def update_beta(sk: Sock) -> None:
    """Compute beta by (4), or fall back to 1/2 when the throughput has changed."""
    ca = sk.ca
    if sk.ca_ops.params.use_bandwidth_switch:
        now, before = ca.max_b, ca.old_max_b
        ca.old_max_b = now
        if not 4 * before <= 5 * now <= 6 * before:
            ca.beta = BETA_MIN
            ca.mode_switch = False
            return
    if ca.mode_switch and ca.min_rtt > msecs_to_jiffies(MIN_ADAPTIVE_RTT_MS, sk.hz) and ca.max_rtt:
        ca.beta = min(max((ca.min_rtt << SHIFT) // ca.max_rtt & 0xFF, BETA_MIN), BETA_MAX)
    else:
        ca.beta = BETA_MIN
        ca.mode_switch = True


def ssthresh(sk: Sock) -> int:
    """Adapt to the path as the epoch that ends has shown it, and back off to beta of the window."""
    ca = sk.ca
    update_beta(sk)
    update_alpha(sk, sk.tcp_jiffies32)
    if 0 < ca.min_rtt < ca.max_rtt:
        ca.max_rtt = ca.min_rtt + (ca.max_rtt - ca.min_rtt) * 95 // 100
    return max(sk.snd_cwnd * ca.beta >> SHIFT, MIN_CWND)


def set_state(sk: Sock, new_state: int) -> None:
    """Start a congestion epoch with a reduction; Delta counts from the reduction's end."""
    ca = sk.ca
    if new_state in REDUCTIONS:
        ca.undo_last_cong = ca.last_cong
        ca.undo_max_rtt = ca.max_rtt
        ca.undo_old_max_b = ca.old_max_b
        ca.last_cong = sk.tcp_jiffies32
    elif new_state == OPEN and ca.undo_last_cong:
        ca.last_cong = sk.tcp_jiffies32
        ca.undo_last_cong = 0


def undo_cwnd(sk: Sock) -> int:
    """Forget a congestion event that was none."""
    ca = sk.ca
    if ca.undo_last_cong:
        ca.last_cong = ca.undo_last_cong
        ca.max_rtt = ca.undo_max_rtt
        ca.old_max_b = ca.undo_old_max_b
        ca.undo_last_cong = 0
    return tcp_reno_undo_cwnd(sk)


htcp = TcpCongestionOps(
    name="htcp",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    pkts_acked=pkts_acked,
    private=Htcp,
    params=Params(),
    train=train,
)
