"""What a sender has measured of its path, at any moment and on any path of the code.

``rate_sample`` holds the delivery rate of an ACK, but not after a train. The stamps of the packets
in flight are the same either way (draft-cheng-iccrg-delivery-rate-estimation, section 3.2), so the
rate is worked out from the oldest of them.
"""

from __future__ import annotations

from ccsim.kernel.policy import PathSample
from ccsim.tcp.cwnd import in_flight
from ccsim.tcp.packets import EVER_RETRANS, RETRANS, SACKED
from ccsim.tcp.sock import TcpSock

__all__ = ["path_sample"]

USED = SACKED | RETRANS | EVER_RETRANS  # rows whose stamps are gone or new


def path_sample(sk: TcpSock) -> PathSample:
    """Return windows, RTTs and the latest delivery rate.

    delivered = C.delivered - P.delivered,   interval = C.delivered_time - P.delivered_time

    for P the oldest packet in flight that was sent once. Only the ACK elapsed time counts: P is
    about to be acknowledged. None shorter than half the least RTT is taken: it is a burst's.
    """
    delivered, interval_us = _rate(sk)
    if 2 * interval_us < sk.rtt_min_us or delivered <= 0:
        delivered = interval_us = 0
    return PathSample(
        snd_cwnd=sk.snd_cwnd,
        in_flight=in_flight(sk),
        delivered=delivered,
        interval_us=interval_us,
        rtt_min_us=sk.rtt_min_us,
        srtt_us=sk.srtt_us >> 3,
        mss_bytes=sk.mss_cache,
        initial_window=sk.host.initial_window,
    )


def _rate(sk: TcpSock) -> tuple[int, int]:
    packets = sk.packets
    for i in range(sk.una - packets.base, sk.nxt - packets.base):
        if not packets.flags[i] & USED and packets.delivered_us[i] >= 0:
            return (
                sk.delivered - packets.delivered[i],
                sk.delivered_mstamp - packets.delivered_us[i],
            )
    return 0, 0
