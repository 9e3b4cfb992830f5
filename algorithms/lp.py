"""TCP-LP: take only what others leave, by yielding when a queue builds.

Reference: Kuzmanovic and Knightly, INFOCOM 2003.

The sender watches the one-way delay d of its packets, through TCP timestamps, so that queues on the
way back do not disturb. Its smoothed value sd, above a threshold between the smallest and the
largest delay seen, means that somebody else needs the path:

    sd >= dmin + 0.15 (dmax - dmin)                      (1)

The first time, the window is halved, and an inference phase of three RTTs begins, in which it must
not grow. If (1) holds in that phase again, the window falls to one packet. Otherwise growth is
Reno's.

The two clocks need not agree, since only differences of d count, but their rates must: the peer's
ticks per second are estimated from its timestamps.

sd is scaled by 8, d is in ticks of 1 ms.

Deviations from the paper, as in Linux: one smoothing constant, 1/8; a largest delay counts only
when it was seen twice; after each reduction dmin and dmax start anew from sd and 2 sd; d is
unsigned, so it is a huge number when the peer's clock is behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC
from ccsim.cc.window_laws import reno_train
from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import AckSample, TcpCongestionOps

if TYPE_CHECKING:
    from ccsim.cc.train import AckTrain
    from ccsim.kernel.sock import Sock

__all__ = ["Lp", "lp"]

TIMESTAMP_HZ = 1000  # our own timestamps, and the unit of d
HZ_SHIFT = 6  # smoothing of the peer's clock rate
DELAY_SHIFT = 3  # smoothing of d
THRESHOLD_PERCENT = 15
INFERENCE_RTTS = 3
NO_DELAY = U32_MAX


@dataclass(slots=True)
class Lp:
    """What one connection remembers; times and delays in ms."""

    sowd: int = 0  # sd, scaled by 8
    owd_min: int = 0
    owd_max: int = 0
    owd_max_rsv: int = 0  # a larger delay that was seen only once
    remote_hz: int = 0  # ticks per second of the peer's timestamps; 0: unknown
    remote_ref_time: int = 0  # the last ACK's timestamp
    local_ref_time: int = 0  # and the one of ours that it echoed
    last_drop: int = 0  # when the window was last reduced; 0: never
    inference: int = 0  # length of the inference phase
    within_inference: bool = False


def init(sk: Sock) -> None:
    """Start without a delay."""
    sk.ca = Lp(owd_min=NO_DELAY)


def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
    """Grow as Reno does, but not in an inference phase."""
    if not sk.ca.within_inference:
        tcp_reno_cong_avoid(sk, ack, acked)


def pkts_acked(sk: Sock, sample: AckSample) -> None:
    """Take a delay sample and yield if (1) holds."""
    ca = sk.ca
    now = sk.tcp_mstamp // USEC_PER_MSEC & U32_MAX
    if sample.rtt_us > 0:
        measure(sk)
    round_trip = now - sk.rcv_tsecr & U32_MAX
    if 0 < round_trip <= U32_MAX >> 1:
        ca.inference = INFERENCE_RTTS * round_trip & U32_MAX
    since_drop = now - ca.last_drop & U32_MAX
    ca.within_inference = bool(ca.last_drop) and since_drop < ca.inference
    spread = ca.owd_max - ca.owd_min & U32_MAX
    margin = (THRESHOLD_PERCENT * spread & U32_MAX) // 100
    if ca.sowd >> DELAY_SHIFT >= (ca.owd_min + margin & U32_MAX):
        back_off(sk, now)


def back_off(sk: Sock, now: int) -> None:
    """Halve the window, or leave one packet in an inference phase; measure the range of d anew."""
    ca = sk.ca
    ca.owd_min = ca.sowd >> DELAY_SHIFT
    ca.owd_max = ca.owd_max_rsv = ca.sowd >> DELAY_SHIFT - 1
    sk.snd_cwnd = 1 if ca.within_inference else max(sk.snd_cwnd >> 1, 1)
    ca.last_drop = now


def measure(sk: Sock) -> None:
    """Take a sample of d: follow its range and smooth it."""
    ca = sk.ca
    estimate_remote_hz(sk)
    owd = one_way_delay(sk)
    if not owd:
        return
    if owd < ca.owd_min:
        ca.owd_min = owd
    if owd > ca.owd_max:
        follow_maximum(ca, owd)
    if ca.sowd:
        ca.sowd = ca.sowd + owd - (ca.sowd >> DELAY_SHIFT) & U32_MAX
    else:
        ca.sowd = owd << DELAY_SHIFT & U32_MAX


def follow_maximum(ca: Lp, owd: int) -> None:
    """Raise the maximum to the second largest delay seen."""
    if owd <= ca.owd_max_rsv:
        ca.owd_max = owd
        return
    ca.owd_max = ca.owd_max_rsv or owd
    ca.owd_max_rsv = owd


def one_way_delay(sk: Sock) -> int:
    """Return d [ms], plus the difference of the two clocks; 0 if the peer's rate is unknown."""
    remote_hz = sk.ca.remote_hz
    if not remote_hz:
        return 0
    return sk.rcv_tsval * (TIMESTAMP_HZ // remote_hz) - sk.rcv_tsecr & U32_MAX


def estimate_remote_hz(sk: Sock) -> None:
    """Smooth the rate of the peer's clock: how far it and ours moved between two ACKs."""
    ca = sk.ca
    tsval, tsecr = sk.rcv_tsval, sk.rcv_tsecr
    known = ca.remote_ref_time and ca.local_ref_time
    if known and tsval != ca.remote_ref_time and tsecr != ca.local_ref_time:
        remote_ticks = tsval - ca.remote_ref_time & U32_MAX
        local_ticks = tsecr - ca.local_ref_time & U32_MAX
        rate = (TIMESTAMP_HZ * remote_ticks & U32_MAX) // local_ticks
        smoothed = ca.remote_hz << HZ_SHIFT
        smoothed = smoothed + rate - ca.remote_hz if smoothed else rate << HZ_SHIFT
        ca.remote_hz = smoothed >> HZ_SHIFT & U32_MAX
    ca.remote_ref_time, ca.local_ref_time = tsval, tsecr


def train(sk: Sock, acks: AckTrain) -> int:
    """Take the whole train where the host shows no timestamps, so that no delay is ever measured:
    what is left is Reno.
    """
    ca = sk.ca
    timestamps = sk.rcv_tsval or sk.rcv_tsecr or ca.remote_ref_time or ca.local_ref_time
    first_ms, last_ms = (int(t_us) // USEC_PER_MSEC for t_us in (acks.t_us[0], acks.t_us[-1]))
    if timestamps or not 0 < first_ms <= last_ms <= U32_MAX >> 1:
        return 0
    if ca != Lp(owd_min=NO_DELAY, inference=ca.inference):
        return 0
    taken = reno_train(sk, acks)
    if taken:
        ca.inference = INFERENCE_RTTS * (int(acks.t_us[taken - 1]) // USEC_PER_MSEC) & U32_MAX
    return taken


lp = TcpCongestionOps(
    name="lp",
    init=init,
    ssthresh=tcp_reno_ssthresh,
    undo_cwnd=tcp_reno_undo_cwnd,
    cong_avoid=cong_avoid,
    pkts_acked=pkts_acked,
    private=Lp,
    train=train,
)
