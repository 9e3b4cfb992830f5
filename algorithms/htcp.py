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

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.kernel.fixed_point import U32_MAX, msecs_to_jiffies, usecs_to_jiffies
from ccsim.kernel.hook_train import hook_train
from ccsim.kernel.kfuncs import tcp_is_cwnd_limited, tcp_reno_undo_cwnd, tcp_slow_start
from ccsim.kernel.ops import AckSample, CaState, TcpCongestionOps

if TYPE_CHECKING:
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


def since_congestion(sk: Sock) -> int:
    """Return Delta, the time since the last congestion event [ticks]."""
    return sk.tcp_jiffies32 - sk.ca.last_cong & U32_MAX


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
        measure_throughput(sk, sample.pkts_acked)
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


def measure_throughput(sk: Sock, acked: int) -> None:
    """Take a throughput sample once a window is acknowledged and an RTT is over."""
    ca = sk.ca
    ca.packet_count += acked
    one_rtt_of_growth = ca.alpha >> SHIFT or 1
    elapsed = sk.tcp_jiffies32 - ca.last_time & U32_MAX
    if (
        ca.packet_count < (sk.snd_cwnd - one_rtt_of_growth & U32_MAX)
        or elapsed < ca.min_rtt
        or not ca.min_rtt
    ):
        return
    sample = ca.packet_count * sk.hz // elapsed
    if since_congestion(sk) // ca.min_rtt <= SETTLING_RTTS:
        ca.bi = ca.min_b = ca.max_b = sample
    else:
        ca.bi = (3 * ca.bi + sample) // 4
        ca.max_b = max(ca.max_b, ca.bi)
        ca.min_b = min(ca.min_b, ca.max_b)
    ca.packet_count = 0
    ca.last_time = sk.tcp_jiffies32


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
        update_alpha(sk)
    ca.pkts_acked = 1


def update_alpha(sk: Sock) -> None:
    """Compute alpha by (1) or (2), the RTT scaling and (3)."""
    ca, hz = sk.ca, sk.hz
    factor = 1
    excess = since_congestion(sk) - hz
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
    update_alpha(sk)
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
    train=hook_train,
)
