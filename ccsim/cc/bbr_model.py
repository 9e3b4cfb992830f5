"""What BBR measures of a path: rounds, bandwidth, least RTT; ACK aggregation is `aggregation`'s."""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.bandwidth import BW_SHIFT, BW_WINDOW, NO_MIN_RTT
from ccsim.cc.fixed_point import U32_MAX
from ccsim.cc.minmax import Samples, no_samples, running_max, settled_until
from ccsim.cc.policer import Policer
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import Sock

__all__ = [
    "PathModel",
    "adopt_path",
    "stamp_min_rtt",
    "track_rate",
]

SIGN = 0x80000000  # set in the 32-bit difference a - b when a comes before b


@dataclass(slots=True)
class PathModel(Policer):
    """Rounds, and the greatest delivery rate of ten; mstamps in microseconds, stamps in ticks."""

    samples: Samples = ((0, 0), (0, 0), (0, 0))  # the bandwidth's filter,
    max_bw: int = 0  # its maximum,
    third_bw: int = 0  # the least value that changes it,
    settled_until: int = 0  # and the round until which that holds
    rtt_cnt: int = 0  # rounds
    next_rtt_delivered: int = 0  # one ends with a packet sent after so many were delivered
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
