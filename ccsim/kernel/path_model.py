"""What BBR measures of a path: rounds, bandwidth, least RTT, ACK aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ccsim.kernel.fixed_point import U32_MAX, U64_MAX, USEC_PER_MSEC
from ccsim.kernel.minmax import Samples, no_samples, running_max, settled_until
from ccsim.kernel.ops import RateSample
from ccsim.kernel.policer import Policer
from ccsim.kernel.sock import Sock

__all__ = [
    "BW_SHIFT",
    "BW_UNIT",
    "NO_MIN_RTT",
    "PathModel",
    "adopt_path",
    "bdp",
    "extra_in_flight",
    "stamp_min_rtt",
    "track_aggregation",
    "track_rate",
]

BW_SHIFT = 24  # bandwidths are in packets per microsecond, times 2**24
BW_UNIT = 1 << BW_SHIFT
BW_WINDOW = 10  # rounds
NO_MIN_RTT = U32_MAX
INIT_CWND = 10
SIGN = 0x80000000  # set in the 32-bit difference a - b when a comes before b
AGGREGATION_ROUNDS = 5  # half of the window in which the greatest excess counts
AGGREGATION_MAX_US = 100 * USEC_PER_MSEC
MAX_EPOCH_ACKED = (1 << 20) - 1


@dataclass(slots=True)
class PathModel(Policer):
    """Rounds, the greatest delivery rate of ten rounds, RTprop, and the excess of bunched ACKs.

    Mstamps are in microseconds, stamps in ticks.
    """

    samples: Samples = ((0, 0), (0, 0), (0, 0))  # the bandwidth's filter,
    max_bw: int = 0  # its maximum,
    third_bw: int = 0  # the least value that changes it,
    settled_until: int = 0  # and the round until which that holds
    rtt_cnt: int = 0  # rounds
    round_start: bool = False  # this ACK begins one
    next_rtt_delivered: int = 0  # it ends with a packet sent after so many were delivered
    min_rtt_us: int = 0  # RTprop,
    min_rtt_stamp: int = 0  # when it was measured,
    min_rtt_mstamp: int = 0  # and the same in us
    ack_epoch_mstamp: int = 0
    ack_epoch_acked: int = 0
    extra_acked: int = 0  # the greatest excess of this half of the window,
    extra_acked_before: int = 0  # and of the previous half
    extra_acked_rounds: int = 0


class Aggregating(Protocol):
    """What `track_aggregation` and `bdp` need of a model: rounds, RTprop, the excess of ACKs."""

    round_start: bool
    min_rtt_us: int
    ack_epoch_mstamp: int
    ack_epoch_acked: int
    extra_acked: int
    extra_acked_before: int
    extra_acked_rounds: int


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
        ca.samples = running_max(ca.samples, BW_WINDOW, ca.rtt_cnt, bw & U32_MAX)
        ca.max_bw = ca.samples[0][1]
        ca.third_bw = ca.samples[2][1]
        ca.settled_until = settled_until(ca.samples, BW_WINDOW)


def track_aggregation(
    sk: Sock, ca: Aggregating, bw: int, acked: int, rounds: int = AGGREGATION_ROUNDS
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
    if epoch_acked <= expected or epoch_acked + acked > MAX_EPOCH_ACKED:
        epoch_acked = expected = 0
        ca.ack_epoch_mstamp = sk.delivered_mstamp
    epoch_acked += acked
    ca.ack_epoch_acked = epoch_acked if epoch_acked < MAX_EPOCH_ACKED else MAX_EPOCH_ACKED
    extra = epoch_acked - expected
    if extra > ca.extra_acked:
        ca.extra_acked = max(ca.extra_acked, min(extra, sk.snd_cwnd))


def extra_in_flight(ca: PathModel, bw: int) -> int:
    """Return the allowance for ACKs that arrive bunched, at most 100 ms' worth [packets]."""
    extra = ca.extra_acked
    if ca.extra_acked_before > extra:
        extra = ca.extra_acked_before
    limit = bw * AGGREGATION_MAX_US >> BW_SHIFT
    return extra if extra < limit else limit


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


def bdp(ca: Aggregating, bw: int, gain: int) -> int:
    """Return ``gain * bw * RTprop``, rounded up; the initial window without an RTT [packets]."""
    if ca.min_rtt_us == NO_MIN_RTT:
        return INIT_CWND
    scaled = (bw * ca.min_rtt_us * gain & U64_MAX) >> 8
    return (scaled + BW_UNIT - 1) >> BW_SHIFT
