"""What BBR measures of a path: ACKs that arrive bunched, a policer by its losses, rounds, bandwidth
and least RTT.

Source: ``bbr_update_ack_aggregation``, ``bbr_bdp``, ``bbr_lt_bw_sampling``, ``bbr_update_bw``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.fixed_point import (
    BW_SHIFT,
    BW_UNIT,
    BW_WINDOW,
    NO_MIN_RTT,
    U32_MAX,
    U64_MAX,
    USEC_PER_MSEC,
    s32,
)
from ccsim.cc.minmax import Samples, no_samples, running_max, settled_until
from ccsim.cc.pacing import bytes_per_sec
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import Sock

__all__ = [
    "MAX_EPOCH_ACKED",
    "Aggregation",
    "PathModel",
    "Policer",
    "adopt_path",
    "bdp",
    "extra_in_flight",
    "forget_policer",
    "held_long_enough",
    "policer_found",
    "stamp_min_rtt",
    "track_aggregation",
    "track_rate",
]


INIT_CWND = 10
AGGREGATION_ROUNDS = 5  # half of the window in which the greatest excess counts
AGGREGATION_MAX_US = 100 * USEC_PER_MSEC
MAX_EPOCH_ACKED = (1 << 20) - 1
MOST_ACKED = MAX_EPOCH_ACKED
NARROW_RATE = 1 << 35  # a rate, and a time in us, whose product has less than 64 bits
NARROW_US = 1 << 28


@dataclass(slots=True)
class Aggregation:
    """Rounds, RTprop, and the excess of bunched ACKs; mstamps in microseconds."""

    round_start: bool = False  # this ACK begins one
    min_rtt_us: int = 0  # RTprop
    ack_epoch_mstamp: int = 0
    ack_epoch_acked: int = 0
    extra_acked: int = 0  # the greatest excess of this half of the window,
    extra_acked_before: int = 0  # and of the previous half
    extra_acked_rounds: int = 0


def track_aggregation(
    sk: Sock, ca: Aggregation, bw: int, acked: int, rounds: int = AGGREGATION_ROUNDS
) -> None:
    """Measure how many more packets are acknowledged than ``bw`` delivers in the same time.

    An epoch begins whenever no more came than expected (``bbr_update_ack_aggregation``). The
    greatest excess counts for twice ``rounds`` at most.
    """
    if ca.round_start:
        ca.extra_acked_rounds += 1
        if ca.extra_acked_rounds >= rounds:
            ca.extra_acked_rounds = 0
            ca.extra_acked_before, ca.extra_acked = ca.extra_acked, 0
    epoch_acked = ca.ack_epoch_acked
    epoch_us = sk.delivered_mstamp - ca.ack_epoch_mstamp
    expected = bw * epoch_us >> BW_SHIFT if epoch_us > 0 else 0
    if epoch_acked <= expected or epoch_acked + acked > MOST_ACKED:
        epoch_acked = expected = 0
        ca.ack_epoch_mstamp = sk.delivered_mstamp
    epoch_acked += acked
    ca.ack_epoch_acked = epoch_acked if epoch_acked < MOST_ACKED else MOST_ACKED
    extra = epoch_acked - expected
    if extra > ca.extra_acked:
        ca.extra_acked = max(ca.extra_acked, min(extra, sk.snd_cwnd))


def extra_in_flight(ca: Aggregation, bw: int) -> int:
    """Return the allowance for ACKs that arrive bunched, at most 100 ms' worth [packets]."""
    extra = ca.extra_acked
    if ca.extra_acked_before > extra:
        extra = ca.extra_acked_before
    limit = bw * AGGREGATION_MAX_US >> BW_SHIFT
    return extra if extra < limit else limit


def bdp(ca: Aggregation, bw: int, gain: int) -> int:
    """Return ``gain * bw * RTprop``, rounded up; the initial window without an RTT [packets]."""
    rtt_us = ca.min_rtt_us
    if rtt_us == NO_MIN_RTT:
        return INIT_CWND
    rate = bw * gain
    if rate < NARROW_RATE and rtt_us < NARROW_US:
        return ((rate * rtt_us >> 8) + BW_UNIT - 1) >> BW_SHIFT
    return wide_bdp(rate, rtt_us)


def wide_bdp(rate: int, rtt_us: int) -> int:
    """Return what `bdp` does where the product, in 64 bits, may wrap."""
    scaled = (rate * rtt_us & U64_MAX) >> 8
    return (scaled + BW_UNIT - 1) >> BW_SHIFT


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


SIGN = 0x80000000  # set in the 32-bit difference a - b when a comes before b


@dataclass(slots=True)
class PathModel(Policer):
    """Rounds, and the greatest delivery rate of ten; mstamps in microseconds, stamps in ticks."""

    samples: Samples = ((0, 0), (0, 0), (0, 0))  # the bandwidth's filter,
    max_bw: int = 0  # its maximum,
    third_bw: int = 0  # the least value that changes it,
    settled_until: int = 0  # and the round until which that holds
    rtt_cnt: int = 0  # rounds
    next_rtt_delivered: int = 0  # one ends with a packet sent after that many were delivered
    min_rtt_stamp: int = 0  # when RTprop was measured,
    min_rtt_mstamp: int = 0  # and the same in us


def track_rate(sk: Sock, ca: PathModel, rs: RateSample) -> None:
    """Count rounds, and feed a valid rate sample to the bandwidth's filter (``bbr_update_bw``)."""
    if (rs.prior_delivered - ca.next_rtt_delivered) & SIGN:
        ca.round_start = False
    else:  # a packet sent in this round is delivered
        ca.next_rtt_delivered = sk.delivered
        ca.rtt_cnt += 1
        ca.round_start = True
    bw = (rs.delivered << BW_SHIFT) // rs.interval_us
    if bw < ca.third_bw and ca.rtt_cnt <= ca.settled_until:
        return
    if not rs.is_app_limited or bw >= ca.max_bw:
        samples = running_max(ca.samples, BW_WINDOW, ca.rtt_cnt, bw & U32_MAX)
        if samples is not ca.samples:
            ca.samples = samples
            ca.max_bw = samples[0][1]
            ca.third_bw = samples[2][1]
            ca.settled_until = settled_until(samples, BW_WINDOW)


def adopt_path(sk: Sock, ca: PathModel, bw: int, min_rtt_us: int) -> None:
    """Take over what another implementation has measured: bandwidth, 0 for none, and least RTT,
    2**32 - 1 for none."""
    if min_rtt_us < NO_MIN_RTT:
        ca.min_rtt_us = min_rtt_us
        stamp_min_rtt(sk, ca)
    if bw:
        ca.samples = no_samples(ca.rtt_cnt, bw & U32_MAX)
        ca.max_bw = ca.third_bw = bw & U32_MAX
        ca.settled_until = settled_until(ca.samples, BW_WINDOW)


def stamp_min_rtt(sk: Sock, ca: PathModel) -> None:
    """Let the least RTT's window begin now."""
    ca.min_rtt_stamp = sk.tcp_jiffies32
    ca.min_rtt_mstamp = sk.tcp_mstamp
