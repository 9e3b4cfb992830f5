"""What BBRv3 allows a path after losses: a bound for long, and two until the next probe
(draft-ietf-ccwg-bbr-06, section 5.5.10).

Thresholds and factors (`Limits`) are in 1/1000.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccsim.cc.bbr3_model import DeliveryModel, reset_full_bw
from ccsim.cc.fixed_point import require_range
from ccsim.kernel.ops import CaState
from ccsim.kernel.sock import Sock

__all__ = [
    "UNBOUNDED",
    "InflightModel",
    "Limits",
    "adapt_short_term",
    "is_too_high",
    "note_loss",
    "raise_long_term",
    "raise_slope",
    "reset_short_term",
    "restore_state",
    "save_cwnd",
    "save_state",
    "with_headroom",
]

UNBOUNDED = 1 << 62  # "Infinity"
MIN_PIPE_CWND = 4
MAX_SLOPE = 30
NO_STATE = -1
RECOVERY = int(CaState.RECOVERY)


@dataclass(frozen=True)
class Limits:
    """Constants of the draft that a scenario may change (section 2), in 1/1000.

    loss_thresh: losses that a probe may cause; beta: what a reduction leaves at least; headroom:
    the part of the long-term bound left to others; drain_pacing_gain: 350 before draft-05.
    """

    loss_thresh: int = 20
    beta: int = 700
    headroom: int = 150
    drain_pacing_gain: int = 500

    def __post_init__(self) -> None:
        require_range("bbr3: loss_thresh", self.loss_thresh, 1, 999)
        require_range("bbr3: beta", self.beta, 1, 1000)
        require_range("bbr3: headroom", self.headroom, 0, 999)
        require_range("bbr3: drain_pacing_gain", self.drain_pacing_gain, 4, 1000)


@dataclass(slots=True)
class InflightModel(DeliveryModel):
    """The bounds on bandwidth and data in flight, how a probe raises them, and what a needless
    recovery gives back."""

    bw: int = 0  # the greatest bandwidth, as bounded in the short term
    bdp: int = 0  # of that bandwidth
    bw_shortterm: int = UNBOUNDED
    inflight_shortterm: int = UNBOUNDED
    inflight_longterm: int = UNBOUNDED
    bw_probe_up_rounds: int = 0
    bw_probe_up_acked: int = 0
    probe_up_acked_per_inc: int = UNBOUNDED
    is_bw_probe_sample: bool = False  # what is acknowledged was sent as a probe
    prev_probe_too_high: bool = False
    prior_cwnd: int = 0
    undo_state: int = NO_STATE  # the state that losses ended
    undo_bw_shortterm: int = 0
    undo_inflight_shortterm: int = 0
    undo_inflight_longterm: int = 0


def is_too_high(ca: InflightModel, limits: Limits) -> bool:
    """Report whether the losses exceed the threshold (``IsInflightTooHigh``)."""
    return ca.lost > 0 and ca.lost * 1000 > ca.tx_in_flight * limits.loss_thresh


def note_loss(sk: Sock, ca: InflightModel, limits: Limits, app_limited: bool) -> bool:
    """Take the losses of an ACK; report whether they are the first too many of a probe
    (``HandleLostPacket``)."""
    ca.is_loss_in_round = True
    ca.loss_events += 1
    if not ca.is_bw_probe_sample or not is_too_high(ca, limits):
        return False
    ca.prev_probe_too_high = True
    ca.is_bw_probe_sample = False  # react once a probe
    if not app_limited:
        bound_long_term(sk, ca, limits)
    return True


def bound_long_term(sk: Sock, ca: InflightModel, limits: Limits) -> None:
    """Bound the data in flight where losses exceeded the threshold (``HandleInflightTooHigh``).

    inflight_longterm = max(in flight at that loss, beta * min(BDP, cwnd)), where
    lost_prefix = (LossThresh * inflight_prev - lost_prev) / (1 - LossThresh) packets followed on
    what came before this ACK's losses (``InflightAtLoss``)
    """
    thresh = limits.loss_thresh
    inflight_prev, lost_prev = ca.tx_in_flight - ca.newly_lost, ca.lost - ca.newly_lost
    lost_prefix = (thresh * inflight_prev - 1000 * lost_prev) // (1000 - thresh)
    at_loss = inflight_prev + max(lost_prefix, 0)
    ca.inflight_longterm = max(at_loss, min(ca.bdp, sk.snd_cwnd) * limits.beta // 1000)


def raise_long_term(sk: Sock, ca: InflightModel, limits: Limits, acked: int, probing: bool) -> None:
    """Raise the long-term bound to what was borne; while probing also step by step."""
    if ca.inflight_longterm == UNBOUNDED or is_too_high(ca, limits):
        return
    ca.inflight_longterm = max(ca.inflight_longterm, ca.tx_in_flight)
    if probing:
        probe_upward(sk, ca, acked)


def with_headroom(ca: InflightModel, limits: Limits) -> int:
    """Return the long-term bound less what is left to others (``InflightWithHeadroom``)."""
    longterm = ca.inflight_longterm
    if longterm == UNBOUNDED:
        return UNBOUNDED
    return max(longterm - max(longterm * limits.headroom // 1000, 1), MIN_PIPE_CWND)


def raise_slope(sk: Sock, ca: InflightModel) -> None:
    """Let a probe raise the bound twice as fast in the round that begins: by 1, 2, 4, … packets."""
    ca.probe_up_acked_per_inc = max(sk.snd_cwnd >> ca.bw_probe_up_rounds, 1)
    ca.bw_probe_up_rounds = min(ca.bw_probe_up_rounds + 1, MAX_SLOPE)


def probe_upward(sk: Sock, ca: InflightModel, acked: int) -> None:
    """Raise the long-term bound while it is what limits the sender
    (``ProbeInflightLongtermUpward``)."""
    if not sk.is_cwnd_limited or sk.snd_cwnd < ca.inflight_longterm:
        return
    ca.bw_probe_up_acked += acked
    delta, ca.bw_probe_up_acked = divmod(ca.bw_probe_up_acked, ca.probe_up_acked_per_inc)
    ca.inflight_longterm += delta
    if ca.round_start:
        raise_slope(sk, ca)


def adapt_short_term(sk: Sock, ca: InflightModel, beta: int) -> None:
    """After a round with losses fall back to what it delivered, but by no more than ``beta`` allows
    (``AdaptLowerBoundsFromCongestion``).

    bw_shortterm = max(bw_latest, beta * bw_shortterm), and likewise inflight_shortterm
    """
    if ca.bw_shortterm == UNBOUNDED:
        ca.bw_shortterm = ca.max_bw
    if ca.inflight_shortterm == UNBOUNDED:
        ca.inflight_shortterm = sk.snd_cwnd
    ca.bw_shortterm = max(ca.bw_latest, ca.bw_shortterm * beta // 1000)
    ca.inflight_shortterm = max(ca.inflight_latest, ca.inflight_shortterm * beta // 1000)


def reset_short_term(ca: InflightModel) -> None:
    """Lift the short-term bounds."""
    ca.bw_shortterm = ca.inflight_shortterm = UNBOUNDED


def save_cwnd(sk: Sock, ca: InflightModel, known_good: bool) -> None:
    """Save the window; one of a recovery, or not ``known_good``, only if greater (``SaveCwnd``)."""
    if known_good and sk.ca_state < RECOVERY:
        ca.prior_cwnd = sk.snd_cwnd
    else:
        ca.prior_cwnd = max(ca.prior_cwnd, sk.snd_cwnd)


def save_state(sk: Sock, ca: InflightModel, known_good: bool) -> None:
    """Save window and bounds as losses begin (``SaveStateUponLoss``)."""
    save_cwnd(sk, ca, known_good)
    ca.undo_state = NO_STATE
    ca.undo_bw_shortterm = ca.bw_shortterm
    ca.undo_inflight_shortterm = ca.inflight_shortterm
    ca.undo_inflight_longterm = ca.inflight_longterm


def restore_state(ca: InflightModel) -> int:
    """Give the bounds back, as nothing was lost; return the state that losses ended, -1 for none
    (``HandleSpuriousLossDetection``)."""
    ca.is_loss_in_round = False
    reset_full_bw(ca, 0)
    ca.bw_shortterm = max(ca.bw_shortterm, ca.undo_bw_shortterm)
    ca.inflight_shortterm = max(ca.inflight_shortterm, ca.undo_inflight_shortterm)
    ca.inflight_longterm = max(ca.inflight_longterm, ca.undo_inflight_longterm)
    state, ca.undo_state = ca.undo_state, NO_STATE
    return state
