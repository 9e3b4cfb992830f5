"""Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation, ``tcp_rate.c``)."""

from __future__ import annotations

from bisect import bisect_right

from ccsim.kernel.ops import RateSample
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, RETRANS, SACKED
from ccsim.tcp.sock import TcpSock

__all__ = [
    "CE_MASK",
    "begin_sample",
    "ce_delivered",
    "check_app_limited",
    "note_ce",
    "skb_delivered",
    "skb_sent",
    "take_sample",
]

CE_MASK = (1 << 20) - 1  # TCPCB_DELIVERED_CE_MASK: as many bits as an skb has for it
CE_KEPT = 64  # changes of delivered_ce that are kept before the oldest are looked through


def note_ce(sk: TcpSock) -> None:
    """Remember how ``delivered_ce`` stands, which has changed, for packets that leave from now on.

    Linux stamps each packet with it; here ``delivered``, which is stamped, says which value was
    in force.
    """
    changes = sk.ce_changes
    changes.append((sk.delivered, sk.delivered_ce))
    if len(changes) > CE_KEPT and sk.nxt > sk.una:
        oldest = sk.packets.delivered[sk.una - sk.packets.base]
        settled = bisect_right(changes, (oldest, sk.delivered_ce)) - 1
        del changes[: max(settled, 0)]


def ce_delivered(sk: TcpSock, delivered: int) -> int:
    """Return ``delivered_ce`` when ``delivered`` stood at that value."""
    changes = sk.ce_changes
    at = bisect_right(changes, (delivered, sk.delivered_ce)) - 1
    return changes[at][1] if at >= 0 else 0


def skb_sent(sk: TcpSock, i: int, now_us: int) -> None:
    """Stamp row ``i``, transmitted at ``now_us``, with the state of delivery
    (``tcp_rate_skb_sent``).

    Call it before ``nxt`` counts the packet: with nothing in flight a new bubble of delivery
    begins.
    """
    packets = sk.packets
    if sk.nxt == sk.una:
        sk.first_tx_us = sk.delivered_mstamp = now_us
    packets.tx_us[i] = now_us
    packets.first_tx_us[i] = sk.first_tx_us
    packets.delivered_us[i] = sk.delivered_mstamp
    packets.delivered[i] = sk.delivered
    if sk.app_limited:
        packets.flags[i] |= APP_LIMITED
    else:
        packets.flags[i] &= ~APP_LIMITED


def begin_sample(sk: TcpSock) -> RateSample:
    """Empty the socket's rate sample for the ACK that is about to be processed."""
    rs = sk.rate_sample
    rs.prior_delivered = rs.prior_delivered_ce = 0
    rs.prior_mstamp = 0
    rs.last_end_seq = 0
    rs.rtt_us = -1
    rs.interval_us = rs.snd_interval_us = rs.rcv_interval_us = 0
    rs.delivered_ce = 0
    rs.is_app_limited = rs.is_retrans = rs.is_ack_delayed = False
    return rs


def skb_delivered(sk: TcpSock, i: int, rs: RateSample) -> None:
    """Let row ``i``, newly delivered, bear the sample if it is the latest sent so far
    (``tcp_rate_skb_delivered``)."""
    packets = sk.packets
    stamp = packets.delivered_us[i]
    if stamp < 0:
        return  # it has been counted when it was SACKed
    tx_us = packets.tx_us[i]
    flags = packets.flags[i]
    end = i + packets.base
    # Of two packets sent in the same microsecond the later number was sent later.
    if (
        not rs.prior_delivered
        or tx_us > sk.first_tx_us
        or (tx_us == sk.first_tx_us and end > sk.sample_end)
    ):
        sk.sample_end = end
        rs.prior_delivered = packets.delivered[i]
        rs.prior_mstamp = stamp
        rs.is_app_limited = bool(flags & APP_LIMITED)
        rs.is_retrans = bool(flags & (RETRANS | EVER_RETRANS))
        sk.first_tx_us = tx_us
        rs.interval_us = tx_us - packets.first_tx_us[i]
    if flags & SACKED:
        packets.delivered_us[i] = -1


def take_sample(sk: TcpSock, rs: RateSample, delivered: int, lost: int) -> None:
    """Complete the sample of an ACK that delivered and lost these packets (``tcp_rate_gen``)."""
    if sk.app_limited and sk.delivered > sk.app_limited:
        sk.app_limited = 0
    now_us = sk.tcp_mstamp
    if delivered:
        sk.delivered_mstamp = now_us
    rs.acked_sacked = delivered
    rs.losses = lost
    if not rs.prior_delivered:
        rs.delivered = rs.interval_us = -1
        return
    rs.delivered = sk.delivered - rs.prior_delivered
    if sk.delivered_ce:
        rs.prior_delivered_ce = ce_delivered(sk, rs.prior_delivered)
        rs.delivered_ce = sk.delivered_ce - rs.prior_delivered_ce & CE_MASK
    rs.last_end_seq = (sk.sample_end + 1) * sk.mss_cache
    rs.snd_interval_us = rs.interval_us
    rs.rcv_interval_us = ack_us = now_us - rs.prior_mstamp
    if ack_us > rs.interval_us:
        rs.interval_us = ack_us
    # An interval below the minimum RTT comes from a spurious retransmission or ACK compression.
    if rs.interval_us < sk.rtt_min_us:
        rs.interval_us = -1


def check_app_limited(sk: TcpSock) -> None:
    """Mark what follows as limited by the application, if it is
    (``tcp_rate_check_app_limited``)."""
    in_flight = sk.nxt - sk.una - sk.sacked_out - sk.lost_out + sk.retrans_out
    if sk.write_limit <= sk.nxt and in_flight < sk.snd_cwnd and sk.lost_out <= sk.retrans_out:
        sk.app_limited = (sk.delivered + in_flight) or 1
