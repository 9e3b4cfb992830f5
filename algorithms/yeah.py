"""YeAH-TCP: Scalable TCP while the queue is short, Reno while it is long.

Reference: Baiocchi, Castellani and Vacirca, PFLDnet 2007.

Once per round trip the smallest RTT tells how many packets of the window are queued, and how full
the path is:

    Q = (RTTmin - RTTbase) cwnd / RTTmin            (1)
    L = (RTTmin - RTTbase) / RTTbase                (2)

Fast mode (Q <= 80 and L <= 1/8) grows as Scalable TCP does. Otherwise the flow is in slow mode,
where it grows as Reno does, and it decongests, which means that it drains the queue before it
overflows:

    cwnd <- max(cwnd - min(Q, cwnd / 2), reno_count)   if Q > 80           (3)

``reno_count`` estimates the window of a Reno flow that competes, since such a flow never drains. A
loss takes Q packets, or an eighth of the window if that is more, half of it at most; half if the
flow has been in slow mode for 16 round trips:

    ssthresh = cwnd - min(max(Q, cwnd / 8), cwnd / 2)                      (4)

Deviation from the paper, as in Linux: ``reno_count`` is forgotten after 50 round trips of fast mode
without a loss, which need not follow each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX
from ccsim.cc.rtt_samples import (
    MIN_SAMPLES,
    NO_RTT_US,
    RttSamples,
    pkts_acked,
    take_rows,
)
from ccsim.cc.window_laws import by_rounds, reaches_clamp, reno_rows, snd_nxt_at
from ccsim.kernel.kfuncs import (
    after,
    tcp_cong_avoid_ai,
    tcp_is_cwnd_limited,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import CaEvent, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Yeah", "yeah"]

ALPHA = 80  # queued packets that fast mode tolerates
PHY = 8  # queueing delay that fast mode tolerates [1/PHY of the base RTT]
EPSILON = 1  # decongestion takes 2^-1 of the window at most
DELTA = 3  # a loss takes 2^-3 of the window at least
RHO = 16  # round trips of slow mode after which a loss takes half
ZETA = 50  # round trips of fast mode after which the Reno flow is forgotten
SCALABLE_PACKETS_PER_INCREASE = 100
MAX_SLOW_ROUNDS = 0xFFFFFF
CWND_CLAMP = U32_MAX // 128  # packets
MIN_CWND = 2  # packets

OPEN = int(CaState.OPEN)
RESTARTS = (int(CaEvent.CWND_RESTART), int(CaEvent.TX_START))


@dataclass(slots=True)
class Yeah(RttSamples):
    """What one connection remembers beside its RTTs."""

    beg_snd_nxt: int = 0  # the round ends when this byte is acknowledged
    rtt_valid: bool = False  # reported only: losses are not being repaired
    last_q: int = 0  # Q of the last round [packets]
    slow_rounds: int = 0  # round trips of slow mode in a row; 0: fast mode (doing_reno_now)
    fast_rounds: int = 0  # round trips of fast mode since the last loss (fast_count)
    reno_count: int = 0  # window of a competing Reno flow [packets]


def init(sk: Sock) -> None:
    """Start in fast mode."""
    measure_anew(sk)
    ca = sk.ca
    ca.slow_rounds = ca.last_q = 0
    ca.reno_count = MIN_CWND
    sk.snd_cwnd_clamp = min(sk.snd_cwnd_clamp, CWND_CLAMP)


def measure_anew(sk: Sock) -> None:
    """Forget the path's RTT, but not the mode."""
    sk.ca.base_rtt_us = NO_RTT_US
    enable(sk)


def enable(sk: Sock) -> None:
    """Begin a round with what is sent from now on."""
    sk.ca.rtt_valid = True
    start_round(sk)


def start_round(sk: Sock) -> None:
    """Begin a round, which ends when all that is in flight now is acknowledged."""
    sk.ca.beg_snd_nxt = sk.snd_nxt
    sk.ca.start_round()


def set_state(sk: Sock, new_state: int) -> None:
    """Begin a round where the repair of losses ends."""
    if new_state == OPEN:
        enable(sk)
    else:
        sk.ca.rtt_valid = False


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle time the path may be another."""
    if event in RESTARTS:
        measure_anew(sk)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Slow start, then the growth of the mode; once per round trip, look at the queue."""
    if not tcp_is_cwnd_limited(sk):
        return
    ca = sk.ca
    in_slow_start = sk.snd_cwnd < sk.snd_ssthresh
    if in_slow_start:
        acked = tcp_slow_start(sk, acked)
    if acked or not in_slow_start:
        tcp_cong_avoid_ai(sk, law_of(ca)(sk.snd_cwnd), acked)
    if after(ack, ca.beg_snd_nxt):
        if ca.cnt_rtt > MIN_SAMPLES:
            end_round(sk, ca)
        start_round(sk)


def law_of(ca: Yeah) -> Callable[[int], int]:
    """Return the mode's law: from the window to the packets that cost one packet of growth."""
    return reno_law if ca.slow_rounds else scalable_law


def reno_law(cwnd: int) -> int:
    """Return what a packet of growth costs in slow mode."""
    return cwnd


def scalable_law(cwnd: int) -> int:
    """Return what a packet of growth costs in fast mode."""
    return min(cwnd, SCALABLE_PACKETS_PER_INCREASE)


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train round by round, up to a decision that decongests."""
    if reaches_clamp(sk, acks):
        return 0

    def grow(first: int, stop: int) -> int:
        done = reno_rows(sk, acks, first, stop, law_of(sk.ca))
        take_rows(sk.ca, acks, first, done)
        return done

    def end(row: int) -> None:
        grow(row, row + 1)
        sk.ca.beg_snd_nxt = snd_nxt_at(sk, acks, row)
        if sk.ca.cnt_rtt > MIN_SAMPLES:
            end_round(sk, sk.ca)
        sk.ca.start_round()

    return by_rounds(sk, acks, lambda: sk.ca.beg_snd_nxt, grow, end)


def end_round(sk: Sock, ca: Yeah) -> None:
    """Choose the mode by (1) and (2)."""
    queueing_us = ca.min_rtt_us - ca.base_rtt_us
    queue = sk.snd_cwnd * queueing_us // ca.min_rtt_us & U32_MAX
    if queue > ALPHA or queueing_us > ca.base_rtt_us // PHY:
        slow_round(sk, ca, queue)
    else:
        fast_round(ca)
    ca.last_q = queue


def slow_round(sk: Sock, ca: Yeah, queue: int) -> None:
    """Decongest by (3) and let the imagined Reno flow grow by a packet."""
    cwnd = sk.snd_cwnd
    if queue > ALPHA and cwnd > ca.reno_count:
        cwnd = max(cwnd - min(queue, cwnd >> EPSILON), ca.reno_count)
        sk.snd_cwnd = sk.snd_ssthresh = cwnd
    if ca.reno_count <= MIN_CWND:
        ca.reno_count = max(cwnd >> 1, MIN_CWND)
    else:
        ca.reno_count += 1
    ca.slow_rounds = min(ca.slow_rounds + 1, MAX_SLOW_ROUNDS)


def fast_round(ca: Yeah) -> None:
    """Go over to fast mode, and forget the Reno flow after many round trips of it."""
    ca.fast_rounds += 1
    if ca.fast_rounds > ZETA:
        ca.reno_count = MIN_CWND
        ca.fast_rounds = 0
    ca.slow_rounds = 0


def ssthresh(sk: Sock) -> int:
    """Reduce by (4)."""
    ca, cwnd = sk.ca, sk.snd_cwnd
    reduction = max(cwnd >> 1, MIN_CWND)
    if ca.slow_rounds < RHO:
        reduction = max(min(ca.last_q, reduction), cwnd >> DELTA)
    ca.fast_rounds = 0
    ca.reno_count = max(ca.reno_count >> 1, MIN_CWND)
    return max(cwnd - reduction, MIN_CWND)


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcpvegas_info``: RTTs in microseconds."""
    ca = sk.ca
    return {
        "enabled": int(ca.rtt_valid),
        "rttcnt": ca.cnt_rtt,
        "rtt": ca.base_rtt_us,
        "minrtt": ca.min_rtt_us,
    }


yeah = TcpCongestionOps(
    name="yeah",
    init=init,
    ssthresh=ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    cwnd_event=cwnd_event,
    pkts_acked=pkts_acked,
    get_info=get_info,
    private=Yeah,
    train=train,
)
