"""BBR version 3: send at the measured bandwidth, and heed losses beyond 2 %.

As BBR version 1 it measures the greatest delivery rate and the least RTT of a path, paces by the
one and keeps a multiple of their product in flight:

    BDP = bw * min_rtt,   pacing_rate = 0.99 * pacing_gain * bw,   cwnd = cwnd_gain * BDP   (5.6)

Beside that it learns how much the path bears. More than 2 % lost in a round while it probes sets a
long-term bound on the data in flight, which later probes raise by 1, 2, 4, … packets a round, and
below which it cruises with 15 % to spare; losses at other times set short-term bounds, which hold
until the next probe:

    inflight_longterm = max(in flight at the loss, 0.7 * min(BDP, cwnd))             (5.5.10.2)
    bw_shortterm = max(bw_latest, 0.7 * bw_shortterm), likewise inflight_shortterm   (5.5.10.3)

    state       pacing  cwnd   it ends with (5.3)
    STARTUP      2.77   2      three rounds without 25 % more, or a round that lost too much
    DRAIN        0.5    2      a BDP in flight, or three rounds
    DOWN         0.9    2      a BDP in flight, and headroom below the long-term bound
    CRUISE       1      2      2 to 3 s after DOWN began, or after as many rounds as Reno needs
    REFILL       1      2      a round
    UP           1.25   2.25   a full pipe, as STARTUP; or too many losses
    PROBE_RTT    1      0.5    200 ms and a round; it begins when 5 s brought no lower RTT

Reference: draft-ietf-ccwg-bbr-06; sections and procedures are its. Deviations: what was in flight
when a packet was sent is what was delivered and lost since; losses are judged once an ACK, with its
sample, and ranges lost are counted as ACKs that bring losses; extra_acked is kept over two windows
of five rounds, as in Linux. ECN marks count as losses (the draft says: as congestion).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccsim.cc import bbr3_bounds as bounds
from ccsim.cc import bbr3_model as path
from ccsim.cc import pacing
from ccsim.cc.bbr3_bounds import InflightModel, Limits
from ccsim.cc.bbr_model import bdp, track_aggregation
from ccsim.cc.fixed_point import U32_MAX, USEC_PER_MSEC, USEC_PER_SEC
from ccsim.cc.model_transfer import bandwidth_of, export_path, min_rtt_of
from ccsim.cc.pacing import paced_rate, tso_segs_goal
from ccsim.kernel.kfuncs import tcp_packets_in_flight
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaEvent, RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock

__all__ = ["Bbr3", "bbr3"]

STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT = range(7)
PROBE_BW = ("ProbeBW_DOWN", "ProbeBW_CRUISE", "ProbeBW_REFILL", "ProbeBW_UP")
PHASES = ("Startup", "Drain", *PROBE_BW, "ProbeRTT")
RECOVERY = 3  # CaState

UNIT = 1 << 8  # a gain of 1
PACING_GAIN = (709, 128, 230, 256, 256, 320, 256)
CWND_GAIN = (512, 512, 512, 512, 512, 576, 128)
ACCELERATING = (STARTUP, REFILL, UP)  # where a loss is no reason for short-term bounds
STARTUP_FULL_LOSS_CNT = 6
EXTRA_ACKED_ROUNDS = 5  # of each of two windows
DRAIN_ROUNDS = 3
PROBE_WAIT_US = 2 * USEC_PER_SEC  # and up to 1 s more
MAX_RENO_ROUNDS = 63
PROBE_RTT_US = 200 * USEC_PER_MSEC
MIN_PIPE_CWND = 4
INIT_CWND = 10


@dataclass(slots=True)
class Bbr3(InflightModel):
    """What BBRv3 remembers beside its model of the path: mstamps in us."""

    state: int = STARTUP
    drain_start_round: int = 0
    cycle_mstamp: int = 0  # when DOWN began,
    bw_probe_wait_us: int = 0  # and how long to wait from then
    acks_stopping: bool = False  # the last round of a probe's ACKs (ACKS_PROBE_STOPPING)
    prev_probe_precautionary: bool = False
    probe_rtt_done_mstamp: int = 0
    probe_rtt_round_done: bool = False
    idle_restart: bool = False


def cong_control(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    """Take one ACK: update the model, the state, then pacing rate and window (``UpdateOnACK``)."""
    ca: Bbr3 = sk.ca
    if rs.delivered >= 0 and rs.interval_us > 0:
        update_model(sk, ca, rs)
    else:
        ca.round_start = ca.loss_round_start = False
    in_flight = tcp_packets_in_flight(sk)
    if ca.state <= DRAIN:
        leave_startup(sk, ca, in_flight)
    if ca.full_bw_reached and not adapt_long_term(sk, ca, rs):
        update_cycle(sk, ca, in_flight)
    path.update_min_rtt(sk, ca, rs.rtt_us)
    if ca.probe_rtt_expired or ca.state == PROBE_RTT:
        check_probe_rtt(sk, ca, in_flight)
    if rs.delivered > 0:
        ca.idle_restart = False
    if ca.loss_round_start:
        path.advance_latest(ca, rs)
    ca.bw = min(ca.max_bw, ca.bw_shortterm)
    set_pacing_rate(sk, ca, pacing_gain(sk, ca))
    set_cwnd(sk, ca, rs.acked_sacked)


def leave_startup(sk: Sock, ca: Bbr3, in_flight: int) -> None:
    """Go on to DRAIN when the pipe is full, and from there when the queue is empty, or soon."""
    if ca.state == STARTUP and ca.full_bw_reached:
        ca.state = DRAIN
        ca.drain_start_round = ca.round_count
    if ca.state == DRAIN and (
        in_flight <= quantized(sk, ca, bdp(ca, ca.bw, UNIT))
        or ca.round_count > ca.drain_start_round + DRAIN_ROUNDS
    ):
        start_down(sk, ca)


def update_model(sk: Sock, ca: Bbr3, rs: RateSample) -> None:
    """Take a valid rate sample: losses, rounds, bandwidth, aggregation, a full pipe."""
    path.measure(sk, ca, rs)
    if ca.newly_lost:
        if not ca.is_loss_in_round:
            ca.loss_round_delivered = sk.delivered
            bounds.save_state(sk, ca, ca.state != PROBE_RTT)
        if bounds.note_loss(sk, ca, sk.ca_ops.params, rs.is_app_limited) and ca.state == UP:
            ca.undo_state = UP
            start_down(sk, ca)
    path.update_signals(sk, ca, rs)
    if ca.loss_round_start:
        end_loss_round(sk, ca)
    if rs.acked_sacked > 0:
        window = EXTRA_ACKED_ROUNDS if ca.full_bw_reached else 1
        track_aggregation(sk, ca, ca.bw, rs.acked_sacked, window)
    if ca.round_start and not ca.full_bw_now and not rs.is_app_limited:
        path.check_full_bw(ca)


def end_loss_round(sk: Sock, ca: Bbr3) -> None:
    """Once a round: after losses adapt the short-term model, or leave STARTUP if they are many."""
    params = sk.ca_ops.params
    if ca.state == STARTUP:
        many = ca.loss_events >= STARTUP_FULL_LOSS_CNT and sk.ca_state == RECOVERY
        if many and bounds.is_too_high(ca, params):
            ca.undo_state = STARTUP
            ca.full_bw_reached = ca.full_bw_now = True
            ca.inflight_longterm = max(bdp(ca, ca.max_bw, UNIT), ca.inflight_latest)
    elif ca.is_loss_in_round and ca.state not in ACCELERATING:
        bounds.adapt_short_term(sk, ca, params.beta)
    ca.is_loss_in_round = False
    ca.loss_events = 0


def start_down(sk: Sock, ca: Bbr3) -> None:
    """Enter DOWN, and choose the time of the next probe."""
    path.reset_latest(ca)
    ca.rounds_since_probe_up = sk.random.u32_below(2)
    ca.bw_probe_wait_us = PROBE_WAIT_US + sk.random.u32_below(USEC_PER_SEC + 1)
    ca.cycle_mstamp = sk.tcp_mstamp
    ca.acks_stopping = True
    path.start_round(sk, ca)
    ca.state = DOWN


def start_refill(sk: Sock, ca: Bbr3) -> None:
    """Enter REFILL, lifting the short-term bounds."""
    bounds.reset_short_term(ca)
    ca.bw_probe_up_rounds = ca.bw_probe_up_acked = 0
    ca.prev_probe_precautionary = False
    path.start_round(sk, ca)
    ca.state = REFILL


def start_up(sk: Sock, ca: Bbr3) -> None:
    """Enter UP."""
    ca.is_bw_probe_sample = True
    ca.acks_stopping = False
    path.start_round(sk, ca)
    path.reset_full_bw(ca, ca.rate)
    ca.state = UP
    bounds.raise_slope(sk, ca)


def update_cycle(sk: Sock, ca: Bbr3, in_flight: int) -> None:
    """Take the step that is due (``UpdateProbeBWCyclePhase``)."""
    state = ca.state
    if state in (DOWN, CRUISE):
        if is_time_to_probe(sk, ca):
            start_refill(sk, ca)
        elif state == DOWN and in_flight <= min(
            bounds.with_headroom(ca, sk.ca_ops.params),
            quantized(sk, ca, bdp(ca, ca.max_bw, UNIT)),
        ):
            ca.state = CRUISE
    elif state == REFILL:
        if ca.round_start:
            start_up(sk, ca)
    elif state == UP and is_time_to_go_down(sk, ca, in_flight):
        ca.prev_probe_too_high = False  # no high loss yet
        start_down(sk, ca)


def adapt_long_term(sk: Sock, ca: Bbr3, rs: RateSample) -> bool:
    """Follow a probe's feedback, and raise the long-term bound where more was borne; report whether
    the state has changed."""
    if ca.round_start and ca.acks_stopping:
        ca.is_bw_probe_sample = ca.acks_stopping = False
        if DOWN <= ca.state <= UP:
            if not rs.is_app_limited:
                path.advance_max_bw(ca)
            if ca.prev_probe_precautionary and not ca.prev_probe_too_high:
                start_refill(sk, ca)
                return True
    bounds.raise_long_term(sk, ca, sk.ca_ops.params, rs.acked_sacked, ca.state == UP)
    return False


def is_time_to_probe(sk: Sock, ca: Bbr3) -> bool:
    """Report whether the wait is over, or Reno would by now have grown by a window's worth."""
    if sk.tcp_mstamp > ca.cycle_mstamp + ca.bw_probe_wait_us:
        return True
    return ca.rounds_since_probe_up >= min(ca.bdp, sk.snd_cwnd, MAX_RENO_ROUNDS)


def is_time_to_go_down(sk: Sock, ca: Bbr3, in_flight: int) -> bool:
    """Report whether UP has found the bandwidth, or come to a bound that was too much before."""
    if ca.prev_probe_too_high and in_flight >= ca.inflight_longterm:
        ca.prev_probe_precautionary = True
        return True
    if sk.is_cwnd_limited and sk.snd_cwnd >= ca.inflight_longterm:
        path.reset_full_bw(ca, ca.rate)  # the bound limits the bandwidth
        return False
    return ca.full_bw_now


def check_probe_rtt(sk: Sock, ca: Bbr3, in_flight: int) -> None:
    """Enter ProbeRTT, and wait there until half a BDP is in flight, then 200 ms and a round."""
    if ca.state != PROBE_RTT:
        if ca.idle_restart:
            return  # the idle time has emptied the queue
        bounds.save_cwnd(sk, ca, True)
        ca.state = PROBE_RTT
        ca.probe_rtt_done_mstamp = 0
        ca.acks_stopping = True
        path.start_round(sk, ca)
    sk.app_limited = (sk.delivered + in_flight) & U32_MAX or 1  # low rates do not count
    if ca.probe_rtt_done_mstamp:
        ca.probe_rtt_round_done |= ca.round_start
        if ca.probe_rtt_round_done:
            leave_probe_rtt(sk, ca)
    elif in_flight <= probe_rtt_cwnd(ca):
        ca.probe_rtt_done_mstamp = sk.tcp_mstamp + PROBE_RTT_US
        ca.probe_rtt_round_done = False
        path.start_round(sk, ca)


def leave_probe_rtt(sk: Sock, ca: Bbr3) -> None:
    """Return to CRUISE, or to STARTUP, once ProbeRTT has lasted long enough."""
    if not ca.probe_rtt_done_mstamp or sk.tcp_mstamp <= ca.probe_rtt_done_mstamp:
        return
    ca.probe_rtt_min_mstamp = sk.tcp_mstamp
    sk.snd_cwnd = max(sk.snd_cwnd, ca.prior_cwnd)
    bounds.reset_short_term(ca)
    ca.state = STARTUP
    if ca.full_bw_reached:
        start_down(sk, ca)
        ca.state = CRUISE


def probe_rtt_cwnd(ca: Bbr3) -> int:
    """Return half a BDP, at least 4 packets."""
    return max(bdp(ca, ca.bw, CWND_GAIN[PROBE_RTT]), MIN_PIPE_CWND)


def pacing_gain(sk: Sock, ca: Bbr3) -> int:
    """Return the state's pacing gain [1/256]."""
    if ca.state == DRAIN:
        return sk.ca_ops.params.drain_pacing_gain * UNIT // 1000
    return PACING_GAIN[ca.state]


def set_pacing_rate(sk: Sock, ca: Bbr3, gain: int) -> None:
    """Pace at ``gain * bw`` less 1 %; until the path is known to be full, only ever faster."""
    rate = paced_rate(sk, ca.bw, gain)
    if ca.full_bw_reached or rate > sk.pacing_rate:
        sk.pacing_rate = max(rate, 1)


def quantized(sk: Sock, ca: Bbr3, cwnd: int) -> int:
    """Return ``cwnd`` with room for the bursts of offload (``QuantizationBudget``) [packets]."""
    cwnd = max(cwnd, 3 * tso_segs_goal(sk), MIN_PIPE_CWND)
    return cwnd + 2 if ca.state == UP else cwnd


def set_cwnd(sk: Sock, ca: Bbr3, acked: int) -> None:
    """Move the window by what is acknowledged towards the BDP's multiple, then bound it."""
    ca.bdp = bdp(ca, ca.bw, UNIT)
    extra = max(ca.extra_acked, ca.extra_acked_before)
    max_inflight = quantized(sk, ca, bdp(ca, ca.bw, CWND_GAIN[ca.state]) + extra)
    cwnd = sk.snd_cwnd
    if ca.full_bw_reached:
        cwnd = min(cwnd + acked, max_inflight)
    elif cwnd < max_inflight or sk.delivered < INIT_CWND:
        cwnd += acked
    bound = ca.inflight_shortterm
    if ca.state in (CRUISE, PROBE_RTT):
        bound = min(bound, bounds.with_headroom(ca, sk.ca_ops.params))
    elif ca.state >= DOWN:
        bound = min(bound, ca.inflight_longterm)
    if ca.state == PROBE_RTT:
        bound = min(bound, probe_rtt_cwnd(ca))
    sk.snd_cwnd = min(max(min(cwnd, bound), MIN_PIPE_CWND), sk.snd_cwnd_clamp)


def ssthresh(sk: Sock) -> int:
    """Remember window and bounds as a recovery begins; a loss changes no threshold."""
    bounds.save_state(sk, sk.ca, sk.ca.state != PROBE_RTT)
    return sk.snd_ssthresh


def set_state(sk: Sock, new_state: int) -> None:
    """Restore the window when a recovery ends."""
    if new_state < RECOVERY <= sk.ca_state:
        sk.snd_cwnd = max(sk.snd_cwnd, sk.ca.prior_cwnd)


def undo_cwnd(sk: Sock) -> int:
    """Restore the bounds, and the probe that a needless recovery ended."""
    ca = sk.ca
    ended = bounds.restore_state(ca)
    if ended == STARTUP:
        ca.full_bw_reached = False
        if ca.state != PROBE_RTT:
            ca.state = STARTUP
    elif ended == UP and ca.state not in (UP, PROBE_RTT):
        start_refill(sk, ca)
    return max(sk.snd_cwnd, ca.prior_cwnd)


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle period of the application send at the bandwidth, without probing."""
    if event != CaEvent.TX_START or not sk.app_limited:
        return
    ca = sk.ca
    ca.idle_restart = True
    ca.ack_epoch_mstamp = sk.tcp_mstamp
    ca.ack_epoch_acked = 0
    if DOWN <= ca.state <= UP:
        set_pacing_rate(sk, ca, UNIT)
    elif ca.state == PROBE_RTT:
        leave_probe_rtt(sk, ca)


def init(sk: Sock) -> None:
    """Start from what the socket knows: its window, its RTT, how much it has delivered so far."""
    path.begin_measuring(sk, sk.ca)
    pacing.start_pacing(sk, PACING_GAIN[STARTUP])
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH


def export_model(sk: Sock) -> dict[str, int]:
    """Return bandwidth and least RTT for the next implementation."""
    return export_path(sk, sk.ca.bw, sk.ca.min_rtt_us)


def import_model(sk: Sock, model: Mapping[str, int]) -> None:
    """Take over bandwidth and least RTT; with a bandwidth the pipe is known, and DOWN follows."""
    ca = sk.ca
    path.adopt(sk, ca, bandwidth_of(sk, model), min_rtt_of(model))
    if ca.full_bw_reached:
        ca.bw = ca.max_bw
        start_down(sk, ca)
        set_pacing_rate(sk, ca, pacing_gain(sk, ca))


def get_info(sk: Sock) -> dict[str, int]:
    """Return what ``ss -i`` shows: bandwidth [bytes/s], least RTT [us], gains [1/256]."""
    ca = sk.ca
    return pacing.bandwidth_info(sk, ca.bw, ca.min_rtt_us, pacing_gain(sk, ca), CWND_GAIN[ca.state])


bbr3 = TcpCongestionOps(
    name="bbr3",
    params=Limits(),
    private=Bbr3,
    init=init,
    cong_control=cong_control,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    set_state=set_state,
    cwnd_event=cwnd_event,
    min_tso_segs=pacing.min_tso_segs,
    get_info=get_info,
    export_model=export_model,
    import_model=import_model,
    phase=lambda sk: PHASES[sk.ca.state],
)
