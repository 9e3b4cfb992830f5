"""What a model of a path knows of ACKs that arrive bunched, and of the BDP.

Source: ``bbr_update_ack_aggregation``, ``bbr_bdp``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.bandwidth import BW_SHIFT, BW_UNIT, NO_MIN_RTT
from ccsim.cc.fixed_point import U64_MAX, USEC_PER_MSEC
from ccsim.kernel.sock import Sock

__all__ = ["MAX_EPOCH_ACKED", "Aggregation", "bdp", "extra_in_flight", "track_aggregation"]

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
