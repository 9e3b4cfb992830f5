"""BBR version 1: send at the measured bandwidth, with one BDP in flight.

The bandwidth is the greatest delivery rate of ten rounds, RTprop the least RTT of ten seconds:

    BDP = bw * RTprop,   pacing_rate = pacing_gain * bw,   cwnd = cwnd_gain * BDP
                                    (draft-cardwell-iccrg-bbr-congestion-control-00, section 4.2)

Startup doubles the rate each round (gain 2/ln 2) until three rounds bring less than 25 % more;
Drain empties the queue so made; ProbeBW cycles the gain through 5/4, 3/4 and six times 1;
ProbeRTT, every ten seconds without a new least RTT, lets the window fall to four packets.

Reference: the draft of 2017 and Cardwell et al.: "BBR: Congestion-Based Congestion Control" (ACM
Queue 14/5, 2016), in the form of Linux's tcp_bbr.c. Deviations from the draft, all of them Linux's:
paced 1 % below the bandwidth; the window gets three TSO bursts more, rounded up to even, and what
ACK aggregation makes arrive in excess of the bandwidth; a policer's rate is recognised by losses
and held for 48 rounds; a recovery starts with a round of packet conservation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccsim.cc.bbr_model import (
    PathModel,
    adopt_path,
    bdp,
    extra_in_flight,
    forget_policer,
    held_long_enough,
    policer_found,
    stamp_min_rtt,
    track_aggregation,
    track_rate,
)
from ccsim.cc.bbr_train import ProbingTrain
from ccsim.cc.fixed_point import U32_MAX, USEC_PER_SEC, msecs_to_jiffies
from ccsim.cc.model_transfer import bandwidth_of, export_path, min_rtt_of
from ccsim.cc.pacing import (
    bandwidth_info,
    min_tso_segs,
    pace_from_rtt,
    paced_rate,
    packets_at_departure,
    start_pacing,
    tso_segs_goal,
)
from ccsim.kernel.kfuncs import after, tcp_packets_in_flight
from ccsim.kernel.ops import (
    TCP_CONG_NON_RESTRICTED,
    TCP_INFINITE_SSTHRESH,
    CaEvent,
    RateSample,
    TcpCongestionOps,
)
from ccsim.kernel.sock import Sock

__all__ = ["Bbr", "bbr"]

STARTUP, DRAIN, PROBE_BW, PROBE_RTT = range(4)
RECOVERY, LOSS = 3, 4  # CaState, as plain integers: they are compared on each ACK

GAIN_SHIFT = 8
UNIT = 1 << GAIN_SHIFT  # a gain of 1
HIGH_GAIN = UNIT * 2885 // 1000 + 1  # 2/ln 2: doubles the rate each round
PHASE_GAINS = (UNIT * 5 // 4, UNIT * 3 // 4, *(UNIT,) * 6)  # pacing gains of ProbeBW
PHASE_RAND = 7  # ProbeBW starts in any phase but the second
CWND_GAIN = UNIT * 2  # in ProbeBW
GAINS = {  # pacing and window gain of the other modes
    STARTUP: (HIGH_GAIN, HIGH_GAIN),
    DRAIN: (UNIT * 1000 // 2885, HIGH_GAIN),
    PROBE_RTT: (UNIT, UNIT),
}
FULL_BW_GROWTH = UNIT * 5 // 4
FULL_BW_ROUNDS = 3
MIN_RTT_WINDOW_SEC = 10
RTT_WINDOW_US = MIN_RTT_WINDOW_SEC * USEC_PER_SEC
PROBE_RTT_MS = 200
MIN_CWND, INIT_CWND = 4, 10


@dataclass(slots=True)
class Bbr(PathModel):
    """What BBR remembers beside the path: gains << 8, mstamps in us, stamps in ticks."""

    mode: int = STARTUP
    pacing_gain: int = 0
    cwnd_gain: int = 0
    full_bw: int = 0
    full_bw_cnt: int = 0
    full_bw_reached: bool = False
    probe_rtt_done_stamp: int = 0
    probe_rtt_round_done: bool = False
    has_seen_rtt: bool = False
    cycle_idx: int = 0  # ProbeBW's phase
    cycle_mstamp: int = 0
    prior_cwnd: int = 0  # the window to return to
    prev_ca_state: int = 0
    packet_conservation: bool = False
    idle_restart: bool = False


def cong_control(sk: Sock, ack: int, flag: int, rs: RateSample) -> None:
    """Take one ACK: update the model of the path, then pacing rate and window (``bbr_main``)."""
    ca: Bbr = sk.ca
    if rs.delivered >= 0 and rs.interval_us > 0:
        track_rate(sk, ca, rs)
        if rs.losses or ca.round_start or (ca.lt_is_sampling and rs.is_app_limited):
            end_round(sk, ca, rs)
        bw = ca.lt_bw if ca.lt_use_bw else ca.max_bw
        if rs.acked_sacked > 0:
            track_aggregation(sk, ca, bw, rs.acked_sacked)
    else:
        ca.round_start = False
        bw = ca.lt_bw if ca.lt_use_bw else ca.max_bw
    if ca.mode == PROBE_BW:
        is_full_length = sk.delivered_mstamp - ca.cycle_mstamp > ca.min_rtt_us
        if is_full_length if ca.pacing_gain == UNIT else probed(sk, ca, rs, bw, is_full_length):
            next_phase(sk, ca)
    elif ca.mode == DRAIN or (ca.mode == STARTUP and ca.full_bw_reached):
        drain(sk, ca, bw)
    if (
        0 <= rs.rtt_us < ca.min_rtt_us
        or sk.tcp_mstamp - ca.min_rtt_mstamp > RTT_WINDOW_US
        or ca.mode == PROBE_RTT
    ):
        update_min_rtt(sk, ca, rs)
    if rs.delivered > 0:
        ca.idle_restart = False
    if ca.mode == PROBE_BW:
        ca.pacing_gain = UNIT if ca.lt_use_bw else PHASE_GAINS[ca.cycle_idx]
        ca.cwnd_gain = CWND_GAIN
    else:
        ca.pacing_gain, ca.cwnd_gain = GAINS[ca.mode]
    set_pacing_rate(sk, ca, bw, ca.pacing_gain)
    set_cwnd(sk, ca, rs, bw)


def end_round(sk: Sock, ca: Bbr, rs: RateSample) -> None:
    """Do what is done once a round, or at losses: look for a policer, and for Startup's end."""
    look_for_policer(sk, ca, rs.losses, rs.is_app_limited)
    if not ca.round_start:
        return
    ca.packet_conservation = False
    if ca.full_bw_reached or rs.is_app_limited:
        return
    if ca.max_bw >= ca.full_bw * FULL_BW_GROWTH >> GAIN_SHIFT:
        ca.full_bw, ca.full_bw_cnt = ca.max_bw, 0
    else:  # not the growth that a doubled rate brings on a path not yet full
        ca.full_bw_cnt += 1
        ca.full_bw_reached = ca.full_bw_cnt >= FULL_BW_ROUNDS


def look_for_policer(sk: Sock, ca: Bbr, losses: int, app_limited: bool) -> None:
    """Look for a policer's rate, or hold the one found for 48 rounds of ProbeBW."""
    if not ca.lt_use_bw:
        if policer_found(sk, ca, losses, ca.round_start, app_limited):
            ca.pacing_gain = UNIT
    elif ca.mode == PROBE_BW and ca.round_start and held_long_enough(sk, ca):
        probe_bandwidth(sk, ca)


def drain(sk: Sock, ca: Bbr, bw: int) -> None:
    """Leave Startup for Drain, and Drain once no more than the BDP is in flight."""
    target = with_bursts(sk, ca, bdp(ca, ca.max_bw, UNIT))
    if ca.mode == STARTUP:
        ca.mode = DRAIN
        sk.snd_ssthresh = target  # tells observers what BBR takes the BDP for
    if packets_at_departure(sk, bw, tcp_packets_in_flight(sk), ca.pacing_gain > UNIT) <= target:
        probe_bandwidth(sk, ca)


def probe_bandwidth(sk: Sock, ca: Bbr) -> None:
    """Enter ProbeBW in a random phase, so that flows do not probe at the same time."""
    ca.mode = PROBE_BW
    ca.cycle_idx = len(PHASE_GAINS) - 1 - sk.random.u32_below(PHASE_RAND)
    next_phase(sk, ca)


def next_phase(sk: Sock, ca: Bbr) -> None:
    """Enter the next of ProbeBW's phases."""
    ca.cycle_idx = (ca.cycle_idx + 1) % len(PHASE_GAINS)
    ca.cycle_mstamp = sk.delivered_mstamp


def probed(sk: Sock, ca: Bbr, rs: RateSample, bw: int, is_full_length: bool) -> bool:
    """Report whether a phase with a gain above or below 1 is over: it waits for its effect."""
    if is_full_length != (ca.pacing_gain > UNIT):
        return is_full_length
    target = probe_target(sk, ca)
    in_flight = packets_at_departure(sk, bw, rs.prior_in_flight, ca.pacing_gain > UNIT)
    if ca.pacing_gain > UNIT:
        return rs.losses > 0 or in_flight >= target
    return in_flight <= target


def probe_target(sk: Sock, ca: Bbr) -> int:
    """Return how many packets in flight a phase's gain is to bring about."""
    return with_bursts(sk, ca, bdp(ca, ca.max_bw, max(ca.pacing_gain, UNIT)))


def is_steady(sk: Sock, ca: Bbr) -> bool:
    """Report whether ProbeBW goes through its phases, undisturbed by losses or a pause."""
    disturbed = ca.packet_conservation or ca.idle_restart or ca.prev_ca_state != sk.ca_state
    return ca.mode == PROBE_BW and not disturbed


def update_min_rtt(sk: Sock, ca: Bbr, rs: RateSample) -> None:
    """Keep the least RTT of the window; when it has run out, enter ProbeRTT to measure anew."""
    rtt_us = rs.rtt_us
    expired = after(sk.tcp_jiffies32, ca.min_rtt_stamp + MIN_RTT_WINDOW_SEC * sk.hz)
    if rtt_us >= 0 and (rtt_us < ca.min_rtt_us or (expired and not rs.is_ack_delayed)):
        ca.min_rtt_us = rtt_us
        stamp_min_rtt(sk, ca)
    if expired and not ca.idle_restart and ca.mode != PROBE_RTT:
        ca.mode = PROBE_RTT
        save_cwnd(sk, ca)
        ca.probe_rtt_done_stamp = 0
    if ca.mode == PROBE_RTT:
        probe_rtt(sk, ca)


def probe_rtt(sk: Sock, ca: Bbr) -> None:
    """Wait until the window has emptied, then 200 ms and a round; rates do not count meanwhile."""
    in_flight = tcp_packets_in_flight(sk)
    sk.app_limited = (sk.delivered + in_flight) & U32_MAX or 1
    if ca.probe_rtt_done_stamp:
        ca.probe_rtt_round_done |= ca.round_start
        if ca.probe_rtt_round_done:
            leave_probe_rtt(sk, ca)
    elif in_flight <= MIN_CWND:
        wait = msecs_to_jiffies(PROBE_RTT_MS, sk.hz)
        ca.probe_rtt_done_stamp = (sk.tcp_jiffies32 + wait) & U32_MAX
        ca.probe_rtt_round_done = False
        ca.next_rtt_delivered = sk.delivered


def leave_probe_rtt(sk: Sock, ca: Bbr) -> None:
    """Restore window and mode once ProbeRTT has lasted long enough."""
    if not ca.probe_rtt_done_stamp or not after(sk.tcp_jiffies32, ca.probe_rtt_done_stamp):
        return
    stamp_min_rtt(sk, ca)
    sk.snd_cwnd = max(sk.snd_cwnd, ca.prior_cwnd)
    ca.mode = STARTUP
    if ca.full_bw_reached:
        probe_bandwidth(sk, ca)


def set_pacing_rate(sk: Sock, ca: Bbr, bw: int, gain: int) -> None:
    """Pace at ``gain * bw``; until the path is known to be full, only ever faster."""
    if not ca.has_seen_rtt and sk.srtt_us:
        ca.has_seen_rtt = True
        pace_from_rtt(sk, HIGH_GAIN)
    rate = paced_rate(sk, bw, gain)
    if ca.full_bw_reached or rate > sk.pacing_rate:
        sk.pacing_rate = rate


def with_bursts(sk: Sock, ca: Bbr, cwnd: int) -> int:
    """Return ``cwnd`` with room for bursts on the way, and for delayed ACKs: even [packets]."""
    cwnd = (cwnd + 3 * tso_segs_goal(sk) + 1) & ~1
    return cwnd + 2 if ca.cycle_idx == 0 and ca.mode == PROBE_BW else cwnd


def set_cwnd(sk: Sock, ca: Bbr, rs: RateSample, bw: int) -> None:
    """Move the window by what is acknowledged towards the BDP and its allowances."""
    acked = rs.acked_sacked
    cwnd = sk.snd_cwnd
    if acked:
        if rs.losses or ca.packet_conservation or ca.prev_ca_state != sk.ca_state:
            cwnd = recover(sk, ca, rs.losses, acked)
        if not ca.packet_conservation:
            target = cwnd_target(sk, ca, bw)
            if ca.full_bw_reached:
                cwnd = cwnd + acked if cwnd + acked < target else target
            elif cwnd < target or sk.delivered < INIT_CWND:
                cwnd += acked
            if cwnd < MIN_CWND:
                cwnd = MIN_CWND
    if ca.mode == PROBE_RTT:
        cwnd = min(cwnd, MIN_CWND)
    sk.snd_cwnd = cwnd if cwnd < sk.snd_cwnd_clamp else sk.snd_cwnd_clamp


def cwnd_target(sk: Sock, ca: Bbr, bw: int) -> int:
    """Return the window that is aimed at: the gain's BDP with its allowances [packets]."""
    target = bdp(ca, bw, ca.cwnd_gain)
    if ca.full_bw_reached:
        target += extra_in_flight(ca, bw)
    return with_bursts(sk, ca, target)


def recover(sk: Sock, ca: Bbr, losses: int, acked: int) -> int:
    """Return the window at losses and at a recovery's start, in its first round, and at its end."""
    cwnd, before, now = sk.snd_cwnd, ca.prev_ca_state, sk.ca_state
    if losses:
        cwnd = max(cwnd - losses, 1)
    if now == RECOVERY and before != RECOVERY:
        ca.packet_conservation = True
        ca.next_rtt_delivered = sk.delivered
        cwnd = tcp_packets_in_flight(sk) + acked
    elif before >= RECOVERY > now:
        cwnd = max(cwnd, ca.prior_cwnd)
        ca.packet_conservation = False
    ca.prev_ca_state = now
    if ca.packet_conservation:
        cwnd = max(cwnd, tcp_packets_in_flight(sk) + acked)
    return cwnd


def save_cwnd(sk: Sock, ca: Bbr) -> None:
    """Remember the window for the end of a recovery or of ProbeRTT."""
    known_good = ca.prev_ca_state < RECOVERY and ca.mode != PROBE_RTT
    ca.prior_cwnd = sk.snd_cwnd if known_good else max(ca.prior_cwnd, sk.snd_cwnd)


def ssthresh(sk: Sock) -> int:
    """Remember the window; a loss changes no threshold."""
    save_cwnd(sk, sk.ca)
    return sk.snd_ssthresh


def undo_cwnd(sk: Sock) -> int:
    """Look anew for the full bandwidth after a needless reduction; the window stays."""
    sk.ca.full_bw = sk.ca.full_bw_cnt = 0
    forget_policer(sk, sk.ca)
    return sk.snd_cwnd


def set_state(sk: Sock, new_state: int) -> None:
    """Treat a timeout as a round's end with a loss."""
    if new_state == LOSS:
        sk.ca.prev_ca_state, sk.ca.full_bw, sk.ca.round_start = LOSS, 0, True
        look_for_policer(sk, sk.ca, losses=1, app_limited=False)


def init(sk: Sock) -> None:
    """Start from what the socket knows: its window, its RTT, how much it has delivered so far."""
    ca = sk.ca
    ca.next_rtt_delivered, ca.min_rtt_us = sk.delivered, sk.rtt_min_us
    stamp_min_rtt(sk, ca)
    ca.has_seen_rtt = sk.srtt_us > 0
    start_pacing(sk, HIGH_GAIN)
    forget_policer(sk, ca)
    ca.ack_epoch_mstamp = sk.tcp_mstamp
    sk.snd_ssthresh = TCP_INFINITE_SSTHRESH


def cwnd_event(sk: Sock, event: int) -> None:
    """After an idle period of the application send at the bandwidth, without probing."""
    if event != CaEvent.TX_START or not sk.app_limited:
        return
    ca = sk.ca
    ca.idle_restart = True
    ca.ack_epoch_mstamp, ca.ack_epoch_acked = sk.tcp_mstamp, 0
    if ca.mode == PROBE_BW:
        set_pacing_rate(sk, ca, ca.lt_bw if ca.lt_use_bw else ca.max_bw, UNIT)
    elif ca.mode == PROBE_RTT:
        leave_probe_rtt(sk, ca)


def import_model(sk: Sock, model: Mapping[str, int]) -> None:
    """Take over bandwidth and least RTT; with a bandwidth Startup has nothing to find."""
    ca = sk.ca
    adopt_path(sk, ca, bandwidth_of(sk, model), min_rtt_of(model))
    if ca.max_bw:
        ca.full_bw, ca.full_bw_cnt, ca.full_bw_reached = ca.max_bw, FULL_BW_ROUNDS, True
        probe_bandwidth(sk, ca)
        set_pacing_rate(sk, ca, ca.max_bw, UNIT)


def phase(sk: Sock) -> str:
    """Return the name of the mode."""
    return ("Startup", "Drain", "ProbeBW", "ProbeRTT")[sk.ca.mode]


def get_info(sk: Sock) -> dict[str, int]:
    """Return what ``ss -i`` shows: bandwidth [bytes/s], least RTT [us], gains [1/256]."""
    ca = sk.ca
    bw = ca.lt_bw if ca.lt_use_bw else ca.max_bw
    return bandwidth_info(sk, bw, ca.min_rtt_us, ca.pacing_gain, ca.cwnd_gain)


bbr = TcpCongestionOps(
    name="bbr",
    flags=TCP_CONG_NON_RESTRICTED,
    private=Bbr,
    init=init,
    cong_control=cong_control,
    ssthresh=ssthresh,
    undo_cwnd=undo_cwnd,
    set_state=set_state,
    cwnd_event=cwnd_event,
    min_tso_segs=min_tso_segs,
    sndbuf_expand=lambda sk: 3,  # windows in the send buffer: losses and their repair take three
    get_info=get_info,
    train=ProbingTrain(cong_control, is_steady, cwnd_target, probe_target, UNIT, RTT_WINDOW_US),
    export_model=lambda sk: export_path(sk, sk.ca.max_bw, sk.ca.min_rtt_us),
    import_model=import_model,
    phase=phase,
)
