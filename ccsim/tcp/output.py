"""Transmission: what the window and the pacer allow, retransmissions, probes and timers
(``tcp_output.c``, ``tcp_timer.c``)."""

from __future__ import annotations

from ccsim.cc.pacing import gap_at
from ccsim.ints import heappop
from ccsim.kernel.ops import CaEvent, CaState
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.cwnd import (
    ca_event,
    current_ssthresh,
    cwnd_reduction,
    enter_loss,
    enter_recovery,
    in_flight,
)
from ccsim.tcp.ecn import send_cwr
from ccsim.tcp.host import NEVER
from ccsim.tcp.pacing import departure_after, gap_ns, pacing_due
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.rack import mark_lost
from ccsim.tcp.rate import skb_sent
from ccsim.tcp.sock import (
    SEGS_NEVER_PACED,
    TIMER_LOSS_PROBE,
    TIMER_NONE,
    TIMER_REO,
    TIMER_RTO,
    TcpSock,
)
from ccsim.tcp.tso import transmit_bursts
from ccsim.tcp.xmit_timer import arm, rearm_rto, schedule_loss_probe, set_xmit_timer, settle_timer

__all__ = [
    "cwnd_restart_after_idle",
    "cwnd_validate",
    "on_timer",
    "rearm_rto",
    "schedule_loss_probe",
    "set_xmit_timer",
    "settle_timer",
    "write_xmit",
    "xmit_retransmit_queue",
]

OPEN, DISORDER, CWR, RECOVERY, LOSS = (int(state) for state in CaState)


def write_xmit(sk: TcpSock, probe: bool = False) -> bool:
    """Send new data while window and pacer allow; ``probe`` sends one packet beyond the window
    (``tcp_write_xmit``).

    Returns whether something was sent.
    """
    first = sk.nxt
    left_out = sk.sacked_out + sk.lost_out - sk.retrans_out
    end = sk.una + left_out + sk.snd_cwnd  # nxt may grow up to here
    if probe:
        end = first + 1
    if end > sk.write_limit:
        end = sk.write_limit
    if end > sk.una + sk.rwnd:
        end = sk.una + sk.rwnd
    if first < end:
        if end - sk.packets.base > sk.packets.capacity:
            sk.packets.make_room(sk.una, first, end - first)
        if sk.pacing_status == PACING_NONE:
            _transmit(sk, end, left_out)
        elif sk.host.tso:
            transmit_bursts(sk, end, left_out)
        else:
            _transmit_paced(sk, end, left_out)
    nxt = sk.nxt
    limited = nxt - left_out - sk.una >= sk.snd_cwnd
    if nxt > first:
        sk.lsnd_ns = sk.tcp_clock_cache
        sk.data_segs_out += nxt - first
        if sk.ecn_flags:
            send_cwr(sk, first)
        if sk.ca_state in (CWR, RECOVERY):
            sk.prr_out += nxt - first
        probing = not probe and schedule_loss_probe(sk, advancing_rto=False)
        if not probing and (first == sk.una or sk.timer_kind == TIMER_LOSS_PROBE):
            rearm_rto(sk)
        cwnd_validate(sk, limited)
    elif limited:
        cwnd_validate(sk, limited)
    return nxt > first


def _transmit(sk: TcpSock, end: int, left_out: int) -> None:
    """Send all new packets before ``end`` at once (``tcp_transmit_skb``,
    ``tcp_event_new_data_sent``)."""
    now_ns, now_us = sk.tcp_clock_cache, sk.tcp_mstamp
    seq = sk.nxt
    sk.tcp_wstamp_ns = now_ns
    if seq - left_out == sk.una:
        ca_event(sk, CaEvent.TX_START)
    if seq == sk.una:
        sk.first_tx_us = sk.delivered_mstamp = now_us
    packets = sk.packets
    delivered, delivered_us, first_tx_us = sk.delivered, sk.delivered_mstamp, sk.first_tx_us
    flags = APP_LIMITED if sk.app_limited else 0
    base = packets.base
    for i in range(seq - base, end - base):
        packets.tx_us[i] = now_us
        packets.delivered[i] = delivered
        packets.delivered_us[i] = delivered_us
        packets.first_tx_us[i] = first_tx_us
        packets.flags[i] = flags
        sk.out_t.append(now_ns)
        sk.out_seq.append(i + base)
    sk.nxt = end


def _transmit_paced(sk: TcpSock, end: int, left_out: int) -> None:
    """Send new packets before ``end`` while the pacer allows; a packet's departure sets when the
    next may leave (`departure_after`).
    """
    now_ns, now_us = sk.tcp_clock_cache, sk.tcp_mstamp
    packets = sk.packets
    segs_out = sk.data_segs_out
    seq = sk.nxt
    while seq < end:
        stamp = sk.tcp_wstamp_ns
        if stamp > now_ns:
            sk.pacing_ns = pacing_due(sk)
            return
        if seq - left_out == sk.una:
            ca_event(sk, CaEvent.TX_START)
        if seq == sk.una:
            sk.first_tx_us = sk.delivered_mstamp = now_us
        i = seq - packets.base
        packets.tx_us[i] = now_us
        packets.delivered[i] = sk.delivered
        packets.delivered_us[i] = sk.delivered_mstamp
        packets.first_tx_us[i] = sk.first_tx_us
        packets.flags[i] = APP_LIMITED if sk.app_limited else 0
        sk.tcp_wstamp_ns = departure_after(stamp, now_ns, gap_ns(sk, segs_out))
        sk.out_t.append(now_ns)
        sk.out_seq.append(seq)
        segs_out += 1
        seq += 1
        sk.nxt = seq


def _pace(sk: TcpSock, now_ns: int) -> None:
    """Let a retransmission take its turn at the pacer, as `_transmit_paced` does for new data."""
    stamp = sk.tcp_wstamp_ns
    sk.tcp_wstamp_ns = now_ns
    if sk.pacing_status != PACING_NONE and sk.pacing_rate and sk.data_segs_out >= SEGS_NEVER_PACED:
        gap = gap_at(sk.mss_cache, sk.pacing_rate)
        sk.tcp_wstamp_ns = departure_after(stamp, max(stamp, now_ns), gap)


def cwnd_validate(sk: TcpSock, limited: bool) -> None:
    """Note whether the window was the limit (``tcp_cwnd_validate``, RFC 2861)."""
    out = sk.nxt - sk.una
    if (
        limited
        or sk.una >= sk.cwnd_usage_nxt
        or (not sk.is_cwnd_limited and out > sk.max_packets_out)
    ):
        sk.is_cwnd_limited = limited
        sk.max_packets_out = out
        sk.cwnd_usage_nxt = sk.nxt
    if sk.is_cwnd_limited or (
        sk.snd_cwnd < sk.snd_ssthresh and sk.snd_cwnd < 2 * sk.max_packets_out
    ):
        sk.snd_cwnd_used = 0
        sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
        return
    if out > sk.snd_cwnd_used:
        sk.snd_cwnd_used = out
    if sk.ca_ops.cong_control is None and sk.host.slow_start_after_idle:
        host = sk.host
        if host.jiffies(sk.tcp_clock_cache) - host.jiffies(sk.snd_cwnd_stamp_ns) >= sk.rto_jiffies:
            _application_limited(sk)


def _application_limited(sk: TcpSock) -> None:
    """Let an unused window decay by half of what is not used (``tcp_cwnd_application_limited``)."""
    # A writer that waits for room in the send buffer (SOCK_NOSPACE) is no limit.
    waits = sk.nospace or sk.write_limit - sk.una >= sk.host.sndbuf_packets
    if sk.ca_state == OPEN and not waits:
        used = max(sk.snd_cwnd_used, sk.host.initial_window)
        if used < sk.snd_cwnd:
            sk.snd_ssthresh = current_ssthresh(sk)
            sk.snd_cwnd = (sk.snd_cwnd + used) >> 1
        sk.snd_cwnd_used = 0
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache


def cwnd_restart_after_idle(sk: TcpSock) -> None:
    """Halve the window for each RTO of silence before new data is written
    (``tcp_slow_start_after_idle_check``)."""
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
    sk.snd_cwnd_stamp_ns = sk.tcp_clock_cache
    sk.snd_cwnd_used = 0


def _retransmit(sk: TcpSock, seq: int) -> None:
    """Send packet ``seq`` again (``__tcp_retransmit_skb``)."""
    if not in_flight(sk):
        ca_event(sk, CaEvent.TX_START)
    now_ns = sk.tcp_clock_cache
    i = seq - sk.packets.base
    skb_sent(sk, i, now_ns // 1000)
    sk.packets.flags[i] |= EVER_RETRANS
    _pace(sk, now_ns)
    sk.data_segs_out += 1
    sk.total_retrans += 1
    sk.lsnd_ns = now_ns
    sk.rack_resent.append(seq)
    sk.rack_resent_us.append(now_ns // 1000)
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
    """Retransmit what is marked lost, lowest first, as window and pacer allow
    (``tcp_xmit_retransmit_queue``)."""
    flags, base = sk.packets.flags, sk.packets.base
    una = sk.una
    waiting = sk.rtx_queue
    rearm = False
    while waiting and sk.retrans_out < sk.lost_out:
        if sk.tcp_wstamp_ns > sk.tcp_clock_cache and sk.pacing_status != PACING_NONE:
            sk.pacing_ns = pacing_due(sk)
            break
        if sk.snd_cwnd <= in_flight(sk):
            break
        seq = heappop(waiting)
        if seq < una or flags[seq - base] & (LOST | SACKED | RETRANS) != LOST:
            continue
        _retransmit_skb(sk, seq)
        if sk.ca_state in (CWR, RECOVERY):
            sk.prr_out += 1
        if seq == una and sk.timer_kind != TIMER_REO:
            rearm = True
    if rearm:
        arm(sk, TIMER_RTO, sk.rto_jiffies)


def on_timer(sk: TcpSock) -> None:
    """Handle the retransmission timer (``tcp_write_timer_handler``)."""
    kind = sk.timer_kind
    sk.timer_ns = NEVER
    sk.timer_settled = True
    sk.timer_ran_tick = sk.tcp_jiffies32
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
    """Send new data, or the last packet again, to learn of a lost tail
    (``tcp_send_loss_probe``)."""
    if sk.tlp_high >= 0:
        rearm_rto(sk)
        return
    sk.tlp_retrans = False
    if sk.nxt < min(sk.write_limit, sk.una + sk.rwnd):
        if not write_xmit(sk, probe=True):
            rearm_rto(sk)
            return
    else:
        _retransmit(sk, sk.nxt - 1)
        sk.tlp_retrans = True
    sk.tlp_high = sk.nxt
    sk.counters["tlps"] += 1
    sk.on_event(sk, "tlp", {"new_data": int(not sk.tlp_retrans)})
    sk.timer_kind = TIMER_NONE  # so that the RTO starts from now
    rearm_rto(sk)


def _retransmit_timer(sk: TcpSock) -> None:
    """The RTO itself (RFC 6298 section 5, ``tcp_retransmit_timer``)."""
    enter_loss(sk)
    sk.icsk_retransmits += 1
    sk.counters["rtos"] += 1
    sk.on_event(
        sk, "rto", {"snd_cwnd": sk.snd_cwnd, "ssthresh": sk.snd_ssthresh, "backoff": sk.backoff}
    )
    _retransmit_skb(sk, sk.una)
    sk.backoff += 1
    jiffies_max = sk.host.rto_max_ns // sk.host.jiffy_ns
    sk.rto_jiffies = min(sk.rto_jiffies << 1, jiffies_max)
    arm(sk, TIMER_RTO, sk.rto_jiffies, pace=False)
