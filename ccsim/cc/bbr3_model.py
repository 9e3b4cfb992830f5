"""What BBRv3 measures of a path: rounds, bandwidth, least RTT, a full pipe
(draft-ietf-ccwg-bbr-06, section 5.5).

Bandwidths are in packets per microsecond, times 2**24; the rest is in packets and microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ccsim.cc.bbr_model import Aggregation
from ccsim.cc.fixed_point import BW_SHIFT, NO_MIN_RTT
from ccsim.kernel.ops import RateSample
from ccsim.kernel.sock import Sock

__all__ = [
    "DeliveryModel",
    "adopt",
    "advance_latest",
    "advance_max_bw",
    "begin_measuring",
    "check_full_bw",
    "measure",
    "reset_full_bw",
    "reset_latest",
    "start_round",
    "update_min_rtt",
    "update_signals",
]

MIN_RTT_WINDOW_US = 10_000_000  # BBR.MinRTTFilterLen
PROBE_RTT_INTERVAL_US = 5_000_000
FULL_BW_ROUNDS = 3


@dataclass(slots=True)
class DeliveryModel(Aggregation):
    """The present sample, the last round, and the greatest bandwidth and least RTT of late; bunched
    ACKs (5.5.9) are `Aggregation`'s.

    ``loss_log`` holds how many packets were lost or marked in all, by how many were delivered.
    """

    # this ACK: its rate, what its packet had in flight when sent, how much was lost since then
    rate: int = 0
    tx_in_flight: int = 0
    lost: int = 0
    newly_lost: int = 0
    loss_log: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    # rounds (5.5.1)
    round_count: int = 0
    next_round_delivered: int = 0
    rounds_since_probe_up: int = 0
    # bandwidth: the greatest of two ProbeBW cycles (5.5.3)
    max_bw: int = 0
    bw_of_cycle: int = 0
    bw_of_last_cycle: int = 0
    # a full pipe: three rounds without 25 % more (5.3.1.2)
    full_bw: int = 0
    full_bw_count: int = 0
    full_bw_now: bool = False
    full_bw_reached: bool = False
    # the last round's greatest, and whether it lost anything (5.5.10)
    bw_latest: int = 0
    inflight_latest: int = 0
    loss_round_delivered: int = 0
    loss_round_start: bool = False
    is_loss_in_round: bool = False
    loss_events: int = 0  # ACKs that brought losses in this round
    # the least RTT of 10 s, which is that of two windows of 5 s (5.3.4.3)
    min_rtt_mstamp: int = 0
    probe_rtt_min_us: int = 0
    probe_rtt_min_mstamp: int = 0
    probe_rtt_expired: bool = False


def begin_measuring(sk: Sock, ca: DeliveryModel) -> None:
    """Start from what the socket knows: how much it has delivered and lost, and its least RTT."""
    ca.loss_log = [(sk.delivered, sk.lost + sk.delivered_ce)]
    ca.next_round_delivered = ca.loss_round_delivered = sk.delivered
    ca.min_rtt_us = ca.probe_rtt_min_us = sk.rtt_min_us
    ca.min_rtt_mstamp = ca.probe_rtt_min_mstamp = ca.ack_epoch_mstamp = sk.tcp_mstamp


def adopt(sk: Sock, ca: DeliveryModel, bw: int, min_rtt_us: int) -> None:
    """Take over what another implementation has measured: bandwidth, 0 for none, and least RTT,
    2**32 - 1 for none. A bandwidth is that of a full pipe."""
    if min_rtt_us < NO_MIN_RTT:
        ca.min_rtt_us = ca.probe_rtt_min_us = min_rtt_us
    if bw:
        ca.max_bw = ca.bw_of_cycle = ca.full_bw = bw
        ca.full_bw_reached = True


def start_round(sk: Sock, ca: DeliveryModel) -> None:
    """Let the present round end with the delivery of a packet not yet sent."""
    ca.next_round_delivered = sk.delivered


def measure(sk: Sock, ca: DeliveryModel, rs: RateSample) -> None:
    """Work out what a valid sample says: delivery rate, losses since its packet was sent, and how
    much was in flight then.

    All that was in flight has since been delivered or lost, so it need not be stored with each
    packet. A packet marked by ECN counts as lost (section 3.7).
    """
    ca.rate = (rs.delivered << BW_SHIFT) // rs.interval_us
    log = ca.loss_log
    total = sk.lost + sk.delivered_ce
    ca.newly_lost = total - log[-1][1]
    if ca.newly_lost:
        log.append((sk.delivered, total))
    while len(log) > 1 and log[1][0] <= rs.prior_delivered:
        del log[0]
    ca.lost = total - log[0][1]
    ca.tx_in_flight = rs.delivered + ca.lost


def update_signals(sk: Sock, ca: DeliveryModel, rs: RateSample) -> None:
    """Count rounds, and keep the greatest rates and deliveries (``UpdateLatestDeliverySignals``,
    ``UpdateMaxBw``)."""
    rate, prior_delivered = ca.rate, rs.prior_delivered
    if rate > ca.bw_latest:
        ca.bw_latest = rate
    if rs.delivered > ca.inflight_latest:
        ca.inflight_latest = rs.delivered
    ca.loss_round_start = prior_delivered >= ca.loss_round_delivered
    if ca.loss_round_start:
        ca.loss_round_delivered = sk.delivered
    ca.round_start = prior_delivered >= ca.next_round_delivered
    if ca.round_start:
        ca.next_round_delivered = sk.delivered
        ca.round_count += 1
        ca.rounds_since_probe_up += 1
    if rate > ca.bw_of_cycle and (rate >= ca.max_bw or not rs.is_app_limited):
        ca.bw_of_cycle = rate
        if rate > ca.max_bw:
            ca.max_bw = rate


def advance_max_bw(ca: DeliveryModel) -> None:
    """Begin another cycle of the bandwidth's filter, unless this one saw nothing
    (``AdvanceMaxBwFilter``)."""
    if ca.bw_of_cycle:
        ca.max_bw = ca.bw_of_last_cycle = ca.bw_of_cycle
        ca.bw_of_cycle = 0


def advance_latest(ca: DeliveryModel, rs: RateSample) -> None:
    """Begin another round of the latest signals (``AdvanceLatestDeliverySignals``)."""
    ca.bw_latest = ca.rate
    ca.inflight_latest = rs.delivered


def reset_latest(ca: DeliveryModel) -> None:
    """Forget the last round (``ResetCongestionSignals``)."""
    ca.is_loss_in_round = False
    ca.bw_latest = ca.inflight_latest = 0


def check_full_bw(ca: DeliveryModel) -> None:
    """Count a round that brings less than 25 % more; three make a full pipe
    (``CheckFullBWReached``)."""
    if ca.rate * 4 >= ca.full_bw * 5:
        reset_full_bw(ca, ca.rate)
        return
    ca.full_bw_count += 1
    if ca.full_bw_count >= FULL_BW_ROUNDS:
        ca.full_bw_now = ca.full_bw_reached = True


def reset_full_bw(ca: DeliveryModel, rate: int) -> None:
    """Look for a full pipe from now on, from this rate (``ResetFullBW``)."""
    ca.full_bw = rate
    ca.full_bw_count = 0
    ca.full_bw_now = False


def update_min_rtt(sk: Sock, ca: DeliveryModel, rtt_us: int) -> None:
    """Take an RTT sample, -1 for none, and notice when 5 s brought none as low
    (``UpdateMinRTT``)."""
    now = sk.tcp_mstamp
    ca.probe_rtt_expired = now > ca.probe_rtt_min_mstamp + PROBE_RTT_INTERVAL_US
    if rtt_us >= 0 and (rtt_us < ca.probe_rtt_min_us or ca.probe_rtt_expired):
        ca.probe_rtt_min_us = rtt_us
        ca.probe_rtt_min_mstamp = now
    if ca.probe_rtt_min_us < ca.min_rtt_us or now > ca.min_rtt_mstamp + MIN_RTT_WINDOW_US:
        ca.min_rtt_us = ca.probe_rtt_min_us
        ca.min_rtt_mstamp = ca.probe_rtt_min_mstamp
