"""What happens when the pacer's turn comes: the next packet leaves (``tcp_pace_kick``,
``tcp_tsq_write``)."""

from __future__ import annotations

from ccsim.kernel.ops import CaState
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.ecn import TCP_ECN_QUEUE_CWR
from ccsim.tcp.host import NEVER
from ccsim.tcp.output import cwnd_validate, write_xmit, xmit_retransmit_queue
from ccsim.tcp.pacing import departure_after, gap_ns
from ccsim.tcp.packets import APP_LIMITED
from ccsim.tcp.sock import TIMER_LOSS_PROBE, TcpSock

__all__ = ["on_pacing_timer", "send_paced"]

OPEN = int(CaState.OPEN)


def on_pacing_timer(sk: TcpSock) -> None:
    """Go on sending when the pacer allows (``tcp_pace_kick``, ``tcp_tsq_write``)."""
    sk.pacing_ns = NEVER
    if sk.lost_out > sk.retrans_out and sk.snd_cwnd > in_flight(sk):
        xmit_retransmit_queue(sk)
    write_xmit(sk)


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
    host = sk.host
    gap = 0 if host.tso or host.awake_ns is not None else gap_ns(sk, sk.data_segs_out)
    if not gap or sk.timer_settled or sk.timer_kind != TIMER_LOSS_PROBE:
        return False
    packets = sk.packets
    base = packets.base
    end = min(una + cwnd, sk.write_limit - 1, base + packets.capacity, una + sk.rwnd)
    t, stamp = sk.pacing_ns, sk.tcp_wstamp_ns
    first = seq
    if sk.ecn_flags & TCP_ECN_QUEUE_CWR or seq >= end or seq - una < 2 or stamp > t:
        return False
    rto_ns = (packets.tx_us[una - base] + sk.rto_jiffies * host.jiffy_us) * 1000
    if t < rto_ns < sk.timer_ns:  # of a probe that an ACK has set: what is sent brings it forward
        sk.timer_ns = rto_ns
        until_ns = min(until_ns, rto_ns)
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
        t = stamp = departure_after(stamp, t, gap)
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
