"""What happens when the pacer's turn comes: the next packet leaves (``tcp_pace_kick``,
``tcp_tsq_write``)."""

from __future__ import annotations

from ccsim.ints import heappop
from ccsim.kernel.ops import CaState
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import NEVER
from ccsim.tcp.output import cwnd_validate, write_xmit, xmit_retransmit_queue
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, LOST, RETRANS, SACKED
from ccsim.tcp.sock import SEGS_NEVER_PACED, TIMER_LOSS_PROBE, TIMER_REO, TIMER_RTO, TcpSock
from ccsim.tcp.xmit_timer import arm
from ccsim.units import NS_PER_S

__all__ = ["on_pacing_timer", "send_one", "send_paced"]

OPEN, RECOVERY = int(CaState.OPEN), int(CaState.RECOVERY)


def on_pacing_timer(sk: TcpSock) -> None:
    """Go on sending when the pacer allows (``tcp_pace_kick``, ``tcp_tsq_write``)."""
    sk.pacing_ns = NEVER
    if sk.ca_state == RECOVERY and send_one(sk):
        return
    if sk.lost_out > sk.retrans_out and sk.snd_cwnd > in_flight(sk):
        xmit_retransmit_queue(sk)
    write_xmit(sk)


def send_one(sk: TcpSock) -> bool:
    """Send in Recovery the one packet that the pacer lets out now, in less time than
    `xmit_retransmit_queue` and `write_xmit` take; False and nothing done where more may happen.
    """
    una, nxt = sk.una, sk.nxt
    lost_out, cwnd = sk.lost_out, sk.snd_cwnd
    flight = nxt - una - sk.sacked_out - lost_out + sk.retrans_out
    gap = _gap_ns(sk)
    if (
        not gap
        or sk.tcp_wstamp_ns > sk.tcp_clock_cache
        or flight <= 0
        or nxt - sk.packets.base >= sk.packets.capacity
        or sk.timer_kind == TIMER_LOSS_PROBE
        or sk.ecn_flags
    ):
        return False
    lost = _next_lost(sk) if sk.retrans_out < lost_out and flight < cwnd else -1
    limit = sk.write_limit if sk.write_limit < una + sk.rwnd else una + sk.rwnd
    if lost >= 0:
        _leave(sk, lost, gap)
        _account_retransmission(sk, lost)
    elif flight < cwnd and nxt < limit:
        _leave(sk, nxt, gap)
        sk.nxt = nxt = nxt + 1
    else:
        if flight >= cwnd:
            cwnd_validate(sk, True)
        return True
    full = flight + 1 >= cwnd
    # The timer is set for the next packet if there is one that the window lets out.
    if (full or nxt >= limit) and (lost < 0 or not sk.rtx_queue or sk.retrans_out >= lost_out):
        sk.pacing_ns = NEVER
    if lost < 0 or full:
        cwnd_validate(sk, full)
    return True


def _gap_ns(sk: TcpSock) -> int:
    """Return the gap that the pacer leaves behind each packet [ns]; 0 if there is none, or if it
    comes behind bursts or when the host is awake."""
    rate, host = sk.pacing_rate, sk.host
    if (
        not rate
        or sk.pacing_status == PACING_NONE
        or sk.data_segs_out < SEGS_NEVER_PACED
        or host.tso
        or host.awake_ns is not None
    ):
        return 0
    return sk.mss_cache * NS_PER_S // rate


def _next_lost(sk: TcpSock) -> int:
    """Take the lowest packet that is marked lost off the queue; -1 if there is none."""
    waiting, una = sk.rtx_queue, sk.una
    flags, base = sk.packets.flags, sk.packets.base
    while waiting:
        seq = heappop(waiting)
        if seq >= una and flags[seq - base] & (LOST | SACKED | RETRANS) == LOST:
            return seq
    return -1


def _leave(sk: TcpSock, seq: int, gap: int) -> None:
    """Put packet ``seq`` on the wire, with the state of delivery that it bears
    (``tcp_rate_skb_sent``); the next may leave ``gap`` later, less half of it at most for what this
    one is late (``tcp_update_skb_after_send``)."""
    packets = sk.packets
    now_ns = sk.tcp_clock_cache
    half, late = gap >> 1, now_ns - sk.tcp_wstamp_ns
    sk.tcp_wstamp_ns = sk.pacing_ns = now_ns + gap - (half if half < late else late)
    i = seq - packets.base
    packets.tx_us[i] = sk.tcp_mstamp
    packets.delivered[i] = sk.delivered
    packets.delivered_us[i] = sk.delivered_mstamp
    packets.first_tx_us[i] = sk.first_tx_us
    packets.flags[i] = packets.flags[i] & ~APP_LIMITED | (APP_LIMITED if sk.app_limited else 0)
    sk.out_t.append(now_ns)
    sk.out_seq.append(seq)
    sk.lsnd_ns = now_ns
    sk.data_segs_out += 1
    sk.prr_out += 1


def _account_retransmission(sk: TcpSock, seq: int) -> None:
    """Account a retransmission that has just left (``tcp_retransmit_skb``)."""
    sk.packets.flags[seq - sk.packets.base] |= EVER_RETRANS | RETRANS
    sk.total_retrans += 1
    sk.retrans_out += 1
    sk.undo_retrans = (sk.undo_retrans if sk.undo_retrans > 0 else 0) + 1
    sk.rack_resent.append(seq)
    sk.rack_resent_us.append(sk.tcp_mstamp)
    if not sk.retrans_stamp_ms:
        sk.retrans_stamp_ms = sk.host.timestamp_ms(sk.tcp_mstamp)
    if seq == sk.una and sk.timer_kind != TIMER_REO:
        arm(sk, TIMER_RTO, sk.rto_jiffies)


def send_paced(sk: TcpSock, until_ns: int) -> bool:
    """Send in plain order what the pacer lets out before ``until_ns``, each packet at its time, as
    one `on_pacing_timer` after the other would, in less time; False and nothing done if the order
    is not plain.

    Nothing but sending happens before ``until_ns``. The loss probe, which every packet sets anew,
    is only marked to be set anew from the last one.
    """
    if sk.sacked_out or sk.lost_out or sk.ca_state != OPEN:
        return False
    una, seq, cwnd = sk.una, sk.nxt, sk.snd_cwnd
    gap = _gap_ns(sk)
    if not gap or sk.timer_settled or sk.timer_kind != TIMER_LOSS_PROBE:
        return False
    packets = sk.packets
    base = packets.base
    end = min(una + cwnd, sk.write_limit - 1, base + packets.capacity, una + sk.rwnd)
    t, stamp = sk.pacing_ns, sk.tcp_wstamp_ns
    first = seq
    if sk.ecn_flags & TCP_ECN_QUEUE_CWR or seq >= end or seq - una < 2 or stamp > t:
        return False
    rto_ns = (packets.tx_us[una - base] + sk.rto_jiffies * sk.host.jiffy_us) * 1000
    if t < rto_ns < sk.timer_ns:  # of a probe that an ACK has set: what is sent brings it forward
        sk.timer_ns = rto_ns
        until_ns = min(until_ns, rto_ns)
    half = gap >> 1
    delivered, delivered_us, first_tx_us = sk.delivered, sk.delivered_mstamp, sk.first_tx_us
    flags = APP_LIMITED if sk.app_limited else 0
    one_by_one = sk.ca_ops.cong_control is None  # then an unused window may decay between two
    while seq < end and t < until_ns:
        i = seq - base
        packets.tx_us[i] = t // 1000
        packets.delivered[i] = delivered
        packets.delivered_us[i] = delivered_us
        packets.first_tx_us[i] = first_tx_us
        packets.flags[i] = flags
        sk.out_t.append(t)
        sk.out_seq.append(seq)
        seq += 1
        sk.tcp_clock_cache = t
        late = t - stamp
        t = stamp = t + gap - (half if half < late else late)
        if one_by_one:
            sk.nxt = seq
            cwnd_validate(sk, seq - una >= cwnd)
            end = min(end, una + sk.snd_cwnd)
    sk.nxt = seq
    sk.tcp_wstamp_ns = stamp
    sk.lsnd_ns = last_ns = sk.tcp_clock_cache
    sk.tcp_mstamp = last_ns // 1000
    sk.data_segs_out += seq - first
    sk.timer_resend = True
    sk.pacing_ns = stamp if seq - una < min(sk.snd_cwnd, sk.rwnd) else NEVER
    if not one_by_one:
        cwnd_validate(sk, seq - una >= cwnd)
    return True
