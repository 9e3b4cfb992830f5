"""Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation, ``tcp_rate.c``)."""

from __future__ import annotations

from ccsim.kernel.ops import RateSample
from ccsim.tcp.packets import APP_LIMITED, EVER_RETRANS, RETRANS, SACKED
from ccsim.tcp.sock import TcpSock

__all__ = ["begin_sample", "check_app_limited", "skb_delivered", "skb_sent", "take_sample"]


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
    rs.prior_delivered = 0
    rs.prior_mstamp = 0
    rs.rtt_us = -1
    rs.interval_us = 0
    rs.is_ack_delayed = False
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
    """Complete the sample of an ACK that delivered and lost so many packets (``tcp_rate_gen``)."""
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
    ack_us = now_us - rs.prior_mstamp
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
