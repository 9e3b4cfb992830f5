"""Recognition of a policer by its losses: the long-term bandwidth of Linux's BBR.

Source: ``bbr_lt_bw_sampling``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.ack_aggregation import Aggregation
from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, s32
from ccsim.cc.pacing import bytes_per_sec
from ccsim.kernel.sock import Sock

__all__ = ["Policer", "forget_policer", "held_long_enough", "policer_found"]

MIN_ROUNDS = 4  # an interval lasts 4 to 16 rounds
MAX_ROUNDS = 16
HOLD_ROUNDS = 48  # how long a recognised rate should be held
LOSS_OF_256 = 50  # packets lost that make an interval suspicious
RATIO = 8  # two rates are alike when they differ by an eighth,
DIFF_BYTES_PER_SEC = 500  # or by so little


@dataclass(slots=True)
class Policer(Aggregation):
    """The present interval (packets, ms), and the rate of the last one (packets/us << 24)."""

    lt_is_sampling: bool = False
    lt_use_bw: bool = False  # a policer's rate is known: lt_bw
    lt_bw: int = 0
    lt_rtt_cnt: int = 0  # rounds of this interval
    lt_last_delivered: int = 0
    lt_last_lost: int = 0
    lt_last_ms: int = 0


def policer_found(sk: Sock, ca: Policer, losses: int, new_round: bool, app_limited: bool) -> bool:
    """Take one ACK; return True when two like intervals, each between losses, show a rate."""
    if not ca.lt_is_sampling:
        if not losses:
            return False
        _start_interval(sk, ca)
        ca.lt_is_sampling = True
    if not app_limited:
        ca.lt_rtt_cnt += new_round
    if app_limited or ca.lt_rtt_cnt > MAX_ROUNDS:
        forget_policer(sk, ca)
    elif losses and ca.lt_rtt_cnt >= MIN_ROUNDS:
        return _end_interval(sk, ca)
    return False


def _end_interval(sk: Sock, ca: Policer) -> bool:
    """Compare the rate of the interval that ends now, if it lost enough, with the previous."""
    lost = (sk.lost - ca.lt_last_lost) & U32_MAX
    delivered = (sk.delivered - ca.lt_last_delivered) & U32_MAX
    interval_ms = s32(sk.delivered_mstamp // USEC_PER_MSEC - ca.lt_last_ms)
    if not delivered or lost << 8 < LOSS_OF_256 * delivered or interval_ms < 1:
        return False
    if interval_ms >= U32_MAX // USEC_PER_MSEC:
        forget_policer(sk, ca)
        return False
    return _same_rate(sk, ca, (delivered << 24) // (interval_ms * USEC_PER_MSEC) & U32_MAX)


def _same_rate(sk: Sock, ca: Policer, bw: int) -> bool:
    difference = bw - ca.lt_bw if bw > ca.lt_bw else ca.lt_bw - bw
    alike = (
        difference * RATIO <= ca.lt_bw
        or bytes_per_sec(sk, difference, 1 << 8) <= DIFF_BYTES_PER_SEC
    )
    if ca.lt_bw and alike:
        ca.lt_bw = (bw + ca.lt_bw) >> 1
        ca.lt_use_bw = True
        ca.lt_rtt_cnt = 0
        return True
    ca.lt_bw = bw
    _start_interval(sk, ca)
    return False


def _start_interval(sk: Sock, ca: Policer) -> None:
    ca.lt_last_ms = sk.delivered_mstamp // USEC_PER_MSEC
    ca.lt_last_delivered = sk.delivered
    ca.lt_last_lost = sk.lost
    ca.lt_rtt_cnt = 0


def held_long_enough(sk: Sock, ca: Policer) -> bool:
    """Count a round at the rate found; forget it after 48, and then return True."""
    ca.lt_rtt_cnt += 1
    if ca.lt_rtt_cnt < HOLD_ROUNDS:
        return False
    forget_policer(sk, ca)
    return True


def forget_policer(sk: Sock, ca: Policer) -> None:
    """Forget the rate found, and wait for the next loss."""
    ca.lt_bw = 0
    ca.lt_use_bw = ca.lt_is_sampling = False
    _start_interval(sk, ca)
