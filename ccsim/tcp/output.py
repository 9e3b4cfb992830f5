"""Transmission: what the window and the pacer allow, retransmissions, probes and timers (``tcp_output.c``, ``tcp_timer.c``)."""

from __future__ import annotations

from ccsim.kernel.ops import CaEvent, CaState
from ccsim.kernel.sock import PACING_NONE, UNLIMITED_RATE
from ccsim.tcp.cwnd import (
    ca_event,
    current_ssthresh,
    cwnd_reduction,
    enter_loss,
    enter_recovery,
    in_flight,
)
from ccsim.tcp.host import NEVER, TIMEOUT_MIN_US
from ccsim.tcp.packets import EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import mark_lost
from ccsim.tcp.rate import check_app_limited, skb_sent
from ccsim.tcp.sock import (
    SEGS_NEVER_PACED,
    TIMER_LOSS_PROBE,
    TIMER_NONE,
    TIMER_REO,
    TIMER_RTO,
    TcpSock,
)

__all__ = [
    "cwnd_restart_after_idle",
    "on_pacing_timer",
    "on_timer",
    "rearm_rto",
    "schedule_loss_probe",
    "set_xmit_timer",
    "write_xmit",
    "xmit_retransmit_queue",
]

OPEN, DISORDER, CWR, RECOVERY, LOSS = (int(state) for state in CaState)
NS_PER_S = 1_000_000_000


def write_xmit(sk: TcpSock, *, probe: bool = False) -> bool:
    """Send new data while window and pacer allow; ``probe`` sends one packet beyond the window (``tcp_write_xmit``).

    Returns whether something was sent.
    """
    now_ns = sk.tcp_clock_cache
    packets = sk.packets
    limit = sk.write_limit
    out_t, out_seq = sk.out_t, sk.out_seq
    left_out = sk.sacked_out + sk.lost_out - sk.retrans_out
    paced = sk.pacing_status != PACING_NONE
    first = nxt = sk.nxt
    end = sk.una + left_out + sk.snd_cwnd  # nxt may grow up to here
    if probe and nxt >= end:
        end = nxt + 1
    if end > limit:
        end = limit
    if probe and end > nxt + 1:
        end = nxt + 1
    if nxt < end and end - packets.base > packets.capacity:
        packets.make_room(sk.una, nxt, end - nxt)
    while nxt < end:
        if paced and sk.tcp_wstamp_ns > now_ns:
            sk.pacing_ns = sk.tcp_wstamp_ns
            break
        if nxt - left_out == sk.una:
            ca_event(sk, CaEvent.TX_START)
        _transmit_new(sk, nxt, now_ns, paced)
        out_t.append(now_ns)
        out_seq.append(nxt)
        nxt += 1
    sent = nxt > first
    limited = nxt - left_out - sk.una >= sk.snd_cwnd
    if sent:
        if first == sk.una or sk.timer_kind == TIMER_LOSS_PROBE:
            rearm_rto(sk)
        if sk.ca_state in (CWR, RECOVERY):
            sk.prr_out += nxt - first
        if not probe:
            schedule_loss_probe(sk, advancing_rto=False)
    if sent or limited:
        _cwnd_validate(sk, limited)
    if nxt >= limit:
        check_app_limited(sk)
    return sent


def _transmit_new(sk: TcpSock, seq: int, now_ns: int, paced: bool) -> None:
    """Stamp one new packet and count it (``tcp_transmit_skb``, ``tcp_event_new_data_sent``)."""
    sk.packets.flags[seq - sk.packets.base] = 0
    skb_sent(sk, seq - sk.packets.base, now_ns // 1000)
    if paced:
        _pace(sk, now_ns)
    else:
        sk.tcp_wstamp_ns = now_ns
    sk.data_segs_out += 1
    sk.lsndtime = sk.tcp_jiffies32
    sk.nxt = seq + 1


def _pace(sk: TcpSock, now_ns: int) -> None:
    """Set when the next packet may leave; half a gap of lateness is forgiven (``tcp_update_skb_after_send``)."""
    prior = sk.tcp_wstamp_ns
    stamp = prior if prior > now_ns else now_ns
    rate = sk.pacing_rate
    if rate and rate != UNLIMITED_RATE and sk.data_segs_out >= SEGS_NEVER_PACED:
        gap = sk.mss_cache * NS_PER_S // rate
        stamp += gap - min(gap // 2, stamp - prior)
    sk.tcp_wstamp_ns = stamp


def _cwnd_validate(sk: TcpSock, limited: bool) -> None:
    """Note whether the window was the limit (``tcp_cwnd_validate``, RFC 2861)."""
    out = sk.nxt - sk.una
    if (
        sk.una >= sk.cwnd_usage_nxt
        or limited
        or (not sk.is_cwnd_limited and out > sk.max_packets_out)
    ):
        sk.is_cwnd_limited = limited
        sk.max_packets_out = out
        sk.cwnd_usage_nxt = sk.nxt
    if sk.is_cwnd_limited or (sk.snd_cwnd < sk.snd_ssthresh and sk.snd_cwnd < 2 * sk.max_packets_out):
        sk.snd_cwnd_used = 0
        sk.snd_cwnd_stamp = sk.tcp_jiffies32
        return
    sk.snd_cwnd_used = max(sk.snd_cwnd_used, out)
    idle = sk.tcp_jiffies32 - sk.snd_cwnd_stamp >= sk.rto_jiffies
    if sk.host.slow_start_after_idle and idle and sk.ca_ops.cong_control is None:
        _application_limited(sk)


def _application_limited(sk: TcpSock) -> None:
    """Let an unused window decay by half of what is not used (``tcp_cwnd_application_limited``)."""
    if sk.ca_state == OPEN:
        used = max(sk.snd_cwnd_used, sk.host.initial_window)
        if used < sk.snd_cwnd:
            sk.snd_ssthresh = current_ssthresh(sk)
            sk.snd_cwnd = (sk.snd_cwnd + used) >> 1
        sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp = sk.tcp_jiffies32


def cwnd_restart_after_idle(sk: TcpSock) -> None:
    """Halve the window for each RTO of silence before new data is written (``tcp_slow_start_after_idle_check``)."""
    if not sk.host.slow_start_after_idle or sk.nxt > sk.una or sk.ca_ops.cong_control is not None:
        return
    delta = sk.tcp_jiffies32 - sk.lsndtime
    if delta <= sk.rto_jiffies:
        return
    ca_event(sk, CaEvent.CWND_RESTART)
    sk.snd_ssthresh = current_ssthresh(sk)
    cwnd = sk.snd_cwnd
    restart = min(sk.host.initial_window, cwnd)
    delta -= sk.rto_jiffies
    while delta > 0 and cwnd > restart:
        cwnd >>= 1
        delta -= sk.rto_jiffies
    sk.snd_cwnd = max(cwnd, restart)
    sk.snd_cwnd_stamp = sk.tcp_jiffies32
    sk.snd_cwnd_used = 0


def _retransmit(sk: TcpSock, seq: int) -> None:
    """Send packet ``seq`` again (``__tcp_retransmit_skb``)."""
    if not in_flight(sk):
        ca_event(sk, CaEvent.TX_START)
    now_ns = sk.tcp_clock_cache
    i = seq - sk.packets.base
    skb_sent(sk, i, now_ns // 1000)
    sk.packets.flags[i] |= EVER_RETRANS
    if sk.pacing_status != PACING_NONE:
        _pace(sk, now_ns)
    else:
        sk.tcp_wstamp_ns = now_ns
    sk.data_segs_out += 1
    sk.total_retrans += 1
    sk.lsndtime = sk.tcp_jiffies32
    sk.rack_retransmits.append((now_ns // 1000, seq))
    sk.out_t.append(now_ns)
    sk.out_seq.append(seq)


def _retransmit_skb(sk: TcpSock, seq: int) -> None:
    """Retransmit as part of recovery, with its accounts (``tcp_retransmit_skb``)."""
    _retransmit(sk, seq)
    sk.packets.flags[seq - sk.packets.base] |= RETRANS
    sk.retrans_out += 1
    if not sk.retrans_stamp_ms:
        sk.retrans_stamp_ms = sk.host.timestamp_ms(sk.tcp_mstamp)
    sk.undo_retrans = max(sk.undo_retrans, 0) + 1


def xmit_retransmit_queue(sk: TcpSock) -> None:
    """Retransmit what is marked lost, lowest first, as window and pacer allow (``tcp_xmit_retransmit_queue``)."""
    flags, base = sk.packets.flags, sk.packets.base
    una = sk.una
    seq = sk.rtx_hint if sk.rtx_hint > una else una
    rearm = False
    while seq < sk.nxt:
        if sk.pacing_status != PACING_NONE and sk.tcp_wstamp_ns > sk.tcp_clock_cache:
            sk.pacing_ns = sk.tcp_wstamp_ns
            break
        if sk.snd_cwnd <= in_flight(sk) or sk.retrans_out >= sk.lost_out:
            break
        state = flags[seq - base]
        if state & LOST and not state & (SACKED | RETRANS):
            _retransmit_skb(sk, seq)
            if sk.ca_state in (CWR, RECOVERY):
                sk.prr_out += 1
            if seq == una and sk.timer_kind != TIMER_REO:
                rearm = True
        seq += 1
    _advance_hint(sk)
    if rearm:
        _arm(sk, TIMER_RTO, sk.rto_jiffies)


def _advance_hint(sk: TcpSock) -> None:
    """Move the hint over packets that do not wait for retransmission."""
    flags, base = sk.packets.flags, sk.packets.base
    seq = max(sk.rtx_hint, sk.una)
    while seq < sk.nxt:
        state = flags[seq - base]
        if not state & (RETRANS | SACKED):
            break
        seq += 1
    sk.rtx_hint = seq


def _arm(sk: TcpSock, kind: int, delay_jiffies: int, *, pace: bool = True) -> None:
    """Set the retransmission timer (``tcp_reset_xmit_timer``)."""
    host = sk.host
    if pace and sk.tcp_wstamp_ns > sk.tcp_clock_cache and sk.pacing_status != PACING_NONE:
        delay_jiffies += -(-(sk.tcp_wstamp_ns - sk.tcp_clock_cache) // host.jiffy_ns)
    delay_jiffies = min(delay_jiffies, host.rto_max_ns // host.jiffy_ns)
    sk.timer_kind = kind
    sk.timer_ns = host.expiry_ns(sk.tcp_clock_cache, delay_jiffies)


def _rto_delta_us(sk: TcpSock) -> int:
    """Return how far ahead the RTO of the oldest packet lies [us], negative if overdue (``tcp_rto_delta_us``)."""
    sent_us = sk.packets.tx_us[sk.una - sk.packets.base]
    return sent_us + sk.rto_jiffies * (sk.host.jiffy_ns // 1000) - sk.tcp_mstamp


def rearm_rto(sk: TcpSock) -> None:
    """Restart the RTO, or stop it when nothing is outstanding (``tcp_rearm_rto``)."""
    if sk.nxt == sk.una:
        sk.timer_kind = TIMER_NONE
        sk.timer_ns = NEVER
        return
    rto = sk.rto_jiffies
    if sk.timer_kind in (TIMER_REO, TIMER_LOSS_PROBE):
        rto = sk.host.us_to_jiffies(max(_rto_delta_us(sk), 1))
    _arm(sk, TIMER_RTO, rto)


def schedule_loss_probe(sk: TcpSock, *, advancing_rto: bool) -> bool:
    """Set the probe timer to two round trips, unless the RTO comes first (RFC 8985 section 7.2,
    ``tcp_schedule_loss_probe``)."""
    host = sk.host
    out = sk.nxt - sk.una
    if not out or not host.early_retrans or sk.ca_state not in (OPEN, CWR):
        return False
    if sk.srtt_us:
        timeout_us = (sk.srtt_us >> 2) + (host.rto_min_us if out == 1 else TIMEOUT_MIN_US)
    else:
        timeout_us = host.rto_initial_ns // 1000
    timeout = host.us_to_jiffies(timeout_us)
    jiffy_us = host.jiffy_ns // 1000
    rto_delta = sk.rto_jiffies * jiffy_us if advancing_rto else _rto_delta_us(sk)
    if rto_delta > 0:
        timeout = min(timeout, host.us_to_jiffies(rto_delta))
    _arm(sk, TIMER_LOSS_PROBE, timeout)
    return True


def set_xmit_timer(sk: TcpSock) -> None:
    """After an ACK: the loss probe if it may be, else the RTO (``tcp_set_xmit_timer``)."""
    if not schedule_loss_probe(sk, advancing_rto=True):
        rearm_rto(sk)


def on_pacing_timer(sk: TcpSock) -> None:
    """Go on sending when the pacer allows (``tcp_pace_kick``, ``tcp_tsq_write``)."""
    sk.pacing_ns = NEVER
    if sk.lost_out > sk.retrans_out and sk.snd_cwnd > in_flight(sk):
        xmit_retransmit_queue(sk)
    write_xmit(sk)


def on_timer(sk: TcpSock) -> None:
    """Handle the retransmission timer (``tcp_write_timer_handler``)."""
    kind = sk.timer_kind
    sk.timer_ns = NEVER
    if sk.nxt == sk.una:
        sk.timer_kind = TIMER_NONE
    elif kind == TIMER_REO:
        _reo_timeout(sk)
    elif kind == TIMER_LOSS_PROBE:
        _send_loss_probe(sk)
    else:
        sk.timer_kind = TIMER_NONE
        _retransmit_timer(sk)


def _reo_timeout(sk: TcpSock) -> None:
    """Judge again what waited for the reordering window (``tcp_rack_reo_timeout``)."""
    prior = in_flight(sk)
    lost = sk.lost
    mark_lost(sk)
    if prior != in_flight(sk):
        if sk.ca_state != RECOVERY:
            enter_recovery(sk, ece=False)
            if sk.ca_ops.cong_control is None:
                cwnd_reduction(sk, 1, sk.lost - lost, una_advanced=False)
        xmit_retransmit_queue(sk)
    if sk.timer_kind != TIMER_RTO:
        rearm_rto(sk)


def _send_loss_probe(sk: TcpSock) -> None:
    """Send new data, or the last packet again, to learn of a lost tail (``tcp_send_loss_probe``)."""
    if sk.tlp_high_seq >= 0:
        rearm_rto(sk)
        return
    sk.tlp_retrans = False
    if sk.nxt < sk.write_limit:
        if not write_xmit(sk, probe=True):
            rearm_rto(sk)
            return
    else:
        _retransmit(sk, sk.nxt - 1)
        sk.tlp_retrans = True
    sk.tlp_high_seq = sk.nxt
    sk.counters["tlps"] += 1
    sk.on_event(sk, "tlp", {"new_data": int(not sk.tlp_retrans)})
    sk.timer_kind = TIMER_NONE  # so that the RTO starts from now
    rearm_rto(sk)


def _retransmit_timer(sk: TcpSock) -> None:
    """The RTO itself (RFC 6298 section 5, ``tcp_retransmit_timer``)."""
    enter_loss(sk)
    sk.icsk_retransmits += 1
    sk.counters["rtos"] += 1
    sk.on_event(sk, "rto", {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh, "backoff": sk.backoff})
    _retransmit_skb(sk, sk.una)
    sk.backoff += 1
    jiffies_max = sk.host.rto_max_ns // sk.host.jiffy_ns
    sk.rto_jiffies = min(sk.rto_jiffies << 1, jiffies_max)
    _arm(sk, TIMER_RTO, sk.rto_jiffies, pace=False)
