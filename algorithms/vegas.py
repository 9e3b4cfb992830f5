"""TCP Vegas: keep a few packets queued, reading from the RTT how many.

Reference: Brakmo and Peterson, JSAC 1995.

With an empty queue the window would come back after BaseRTT, the smallest RTT seen; it comes back
after RTT. The difference is how many packets wait in queues:

    Diff = (Expected - Actual) BaseRTT = cwnd (RTT - BaseRTT) / RTT          (1)

Once per RTT, Vegas adds a packet if Diff < alpha, removes one if Diff > beta, and leaves slow
start, with the window that fits BaseRTT, if Diff > gamma:

    target = cwnd BaseRTT / RTT                                             (2)

Deviations from the paper, as in Linux: (1) divides by BaseRTT, not RTT; RTT is the smallest sample
of the last round trip, which makes it robust against delayed ACKs; fewer than three samples in a
round trip make it a Reno round; slow start doubles every round trip, not every other;
retransmission is the host's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, require_range
from ccsim.cc.rtt_samples import (
    MIN_SAMPLES,
    NO_RTT_US,
    RttSamples,
    pkts_acked,
    take_rows,
)
from ccsim.cc.window_laws import by_rounds, reaches_clamp, seq_of, slow_start, snd_nxt_at
from ccsim.kernel.kfuncs import (
    after,
    tcp_reno_cong_avoid,
    tcp_reno_ssthresh,
    tcp_reno_undo_cwnd,
    tcp_slow_start,
)
from ccsim.kernel.ops import CaEvent, CaState, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Params", "Vegas", "vegas"]

MIN_CWND = 2  # packets

OPEN = int(CaState.OPEN)
CWR, RECOVERY = int(CaState.CWR), int(CaState.RECOVERY)
RESTARTS = (int(CaEvent.CWND_RESTART), int(CaEvent.TX_START))


@dataclass(frozen=True)
class Params:
    """Module parameters, bounds on Diff [packets]: grow below alpha, shrink above beta, end slow
    start above gamma."""

    alpha: int = 2
    beta: int = 4
    gamma: int = 1

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            require_range(f"vegas: {name}", getattr(self, name), 0, U32_MAX >> 1)


@dataclass(slots=True)
class Vegas(RttSamples):
    """What one connection remembers beside its RTTs."""

    beg_snd_nxt: int = 0  # the round ends when this byte is acknowledged
    doing_vegas_now: bool = False  # False: Reno, after a loss


def init(sk: Sock) -> None:
    """Forget the path."""
    sk.ca.base_rtt_us = NO_RTT_US
    enable(sk)


def enable(sk: Sock) -> None:
    """Begin a round with what is sent from now on."""
    ca = sk.ca
    ca.doing_vegas_now = True
    ca.beg_snd_nxt = sk.snd_nxt
    ca.start_round()


def set_state(sk: Sock, new_state: int) -> None:
    """While losses are repaired, RTTs say little: be Reno until the state is Open again."""
    if new_state == OPEN:
        enable(sk)
    else:
        sk.ca.doing_vegas_now = False


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle time the path may be another."""
    if event in RESTARTS:
        init(sk)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Decide once per round trip; in between, only slow start grows the window."""
    ca = sk.ca
    if not ca.doing_vegas_now:
        tcp_reno_cong_avoid(sk, ack, acked)
    elif after(ack, ca.beg_snd_nxt):
        ca.beg_snd_nxt = sk.snd_nxt
        decide(sk, ack, acked)
    elif sk.snd_cwnd < sk.snd_ssthresh:
        tcp_slow_start(sk, acked)


def decide(sk: Sock, ack: int, acked: int) -> None:
    """End a round: by what its RTTs tell, or as Reno if they are too few."""
    ca = sk.ca
    if ca.cnt_rtt <= MIN_SAMPLES:
        tcp_reno_cong_avoid(sk, ack, acked)
    else:
        end_round(sk, acked)
    ca.start_round()


def train(sk: Sock, acks: AckTrain) -> int:
    """Take a train round by round, up to a decision that shrinks the window."""
    if reaches_clamp(sk, acks) or not sk.ca.doing_vegas_now:
        return 0

    def grow(first: int, stop: int) -> int:
        """Take rows within a round: only slow start grows the window."""
        row = first
        if sk.snd_cwnd < sk.snd_ssthresh:
            row, _ = slow_start(sk, acks, first, stop)
        acks.cwnd[row:stop] = sk.snd_cwnd
        take_rows(sk.ca, acks, first, stop)
        return stop

    def end(row: int) -> None:
        take_rows(sk.ca, acks, row, row + 1)
        sk.ca.beg_snd_nxt = snd_nxt_at(sk, acks, row)
        decide(sk, seq_of(sk, acks, int(acks.una[row])), int(acks.acked[row]))

    return by_rounds(sk, acks, lambda: sk.ca.beg_snd_nxt, grow, end)


def end_round(sk: Sock, acked: int) -> None:
    """Compare Diff (1) with its bounds and move the window by a packet, or out of slow start."""
    params = sk.ca_ops.params
    rtt_us, base_us = sk.ca.min_rtt_us, sk.ca.base_rtt_us
    cwnd = sk.snd_cwnd
    diff = (cwnd * (rtt_us - base_us) & U32_MAX) // base_us
    if cwnd < sk.snd_ssthresh:
        if diff > params.gamma:
            target = cwnd * base_us // rtt_us
            sk.snd_cwnd = min(cwnd, target + 1)
            limit_ssthresh(sk)
        else:
            tcp_slow_start(sk, acked)
    elif diff > params.beta:
        sk.snd_cwnd = cwnd - 1
        limit_ssthresh(sk)
    elif diff < params.alpha:
        sk.snd_cwnd = cwnd + 1
    if sk.snd_cwnd < MIN_CWND:
        sk.snd_cwnd = MIN_CWND
    elif sk.snd_cwnd > sk.snd_cwnd_clamp:
        sk.snd_cwnd = sk.snd_cwnd_clamp
    sk.snd_ssthresh = tcp_current_ssthresh(sk)


def limit_ssthresh(sk: Sock) -> None:
    """Stay out of slow start: it begins below the window."""
    sk.snd_ssthresh = min(sk.snd_ssthresh, sk.snd_cwnd)


def tcp_current_ssthresh(sk: Sock) -> int:
    """Return ssthresh, outside reductions at least 3/4 of the window (``tcp_current_ssthresh``)."""
    if sk.ca_state in (CWR, RECOVERY):
        return sk.snd_ssthresh
    return max(sk.snd_ssthresh, (sk.snd_cwnd >> 1) + (sk.snd_cwnd >> 2))


def get_info(sk: Sock) -> dict[str, int]:
    """Return ``struct tcpvegas_info``: RTTs in microseconds."""
    ca = sk.ca
    return {
        "enabled": int(ca.doing_vegas_now),
        "rttcnt": ca.cnt_rtt,
        "rtt": ca.base_rtt_us,
        "minrtt": ca.min_rtt_us,
    }


vegas = TcpCongestionOps(
    name="vegas",
    init=init,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    set_state=set_state,
    cwnd_event=cwnd_event,
    pkts_acked=pkts_acked,
    get_info=get_info,
    private=Vegas,
    params=Params(),
    train=train,
)
