"""Round-trip time and retransmission timeout (RFC 6298 as ``tcp_rtt_estimator`` computes it)."""

from __future__ import annotations

from ccsim.tcp.sock import TcpSock

__all__ = ["end_of_round", "rtt_estimator", "set_rto", "update_rtt"]


def rtt_estimator(sk: TcpSock, m: int) -> None:
    """Fold one RTT sample ``m`` [us] into ``srtt_us`` (<< 3) and the deviation, which is raised at
    once and lowered once a round trip."""
    srtt = sk.srtt_us
    if not srtt:
        sk.srtt_us = max(1, m << 3)
        sk.mdev_us = m << 1
        sk.rttvar_us = sk.mdev_max_us = max(sk.mdev_us, sk.host.rto_min_us)
        sk.rtt_nxt = sk.nxt
        return
    m -= srtt >> 3
    sk.srtt_us = srtt + m or 1
    mdev = sk.mdev_us
    if m < 0:
        m = -m - (mdev >> 2)
        if m > 0:
            m >>= 3
    else:
        m -= mdev >> 2
    mdev += m
    sk.mdev_us = mdev
    if mdev > sk.mdev_max_us:
        sk.mdev_max_us = mdev
        if mdev > sk.rttvar_us:
            sk.rttvar_us = mdev
    if sk.una > sk.rtt_nxt:
        end_of_round(sk, sk.nxt)


def end_of_round(sk: TcpSock, nxt: int) -> None:
    """Let the deviation fall towards the largest of the round that has ended; the next ends at
    ``nxt``."""
    if sk.mdev_max_us < sk.rttvar_us:
        sk.rttvar_us -= (sk.rttvar_us - sk.mdev_max_us) >> 2
    sk.rtt_nxt = nxt
    sk.mdev_max_us = sk.host.rto_min_us


def set_rto(sk: TcpSock) -> None:
    """RTO = SRTT + max(G, K·RTTVAR) (RFC 6298 2.3), in ticks, rounded up (``__tcp_set_rto``)."""
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)


def update_rtt(sk: TcpSock, seq_rtt_us: int, ca_rtt_us: int) -> None:
    """Take an RTT sample: ``seq_rtt_us`` for the estimator, ``ca_rtt_us`` for the minimum
    (``tcp_ack_update_rtt``)."""
    if ca_rtt_us < sk.rtt_min_us:
        # A sample of zero counts as one tick, as Linux has it.
        sk.rtt_min_us = ca_rtt_us or sk.host.jiffy_ns // 1000
    rtt_estimator(sk, seq_rtt_us)
    sk.rto_jiffies = -(-((sk.srtt_us >> 3) + sk.rttvar_us) * 1000 // sk.host.jiffy_ns)  # set_rto
    sk.backoff = 0
