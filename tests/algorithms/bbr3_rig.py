"""A BBRv3 sender, ACK by ACK: a packet a millisecond, 40 ms, so a BDP of 40 packets and rounds of
40 ACKs."""

from __future__ import annotations

from typing import Any

from ccsim.kernel.ops import RateSample
from tests.algorithms.shipped_rig import HostSock, connect, shipped

bbr3 = shipped("bbr3")
RTT_US = 40_000
BDP = 40
ONE_A_MS = (1 << 24) // 1000  # a packet a millisecond
STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT = range(7)


def sender(params: dict[str, int] | None = None, **fields: Any) -> HostSock:
    start: dict[str, Any] = {"snd_cwnd": 10, "delivered": 1, "rtt_min_us": RTT_US}
    start |= {"srtt_us": RTT_US << 3, "tcp_mstamp": 5_000_000, "packets_out": 500}
    return connect("bbr3", params, **{**start, **fields})


def ack(sk: HostSock, flight: int = BDP, **fields: Any) -> None:
    """Acknowledge a packet 1 ms later, sent when ``flight`` fewer were delivered, an RTT ago."""
    sk.tcp_mstamp += 1000
    sk.tcp_clock_cache = sk.tcp_mstamp * 1000
    sk.delivered += 1
    sk.delivered_mstamp = sk.tcp_mstamp
    rs = RateSample()
    rs.prior_delivered = sk.delivered - flight
    rs.delivered, rs.interval_us, rs.rtt_us, rs.acked_sacked = flight, flight * 1000, RTT_US, 1
    for field, value in fields.items():
        setattr(rs, field, value)
    sk.lost += rs.losses
    bbr3.cong_control(sk, 0, 0, rs)


def acks(sk: HostSock, count: int, **fields: Any) -> None:
    for _ in range(count):
        ack(sk, **fields)


def rounds(sk: HostSock, count: int, **fields: Any) -> None:
    acks(sk, count * BDP, **fields)


def until(sk: HostSock, state: int, limit: int = 20_000, **fields: Any) -> int:
    """Acknowledge until the state is reached; return how many ACKs that took."""
    for count in range(limit):
        if sk.ca.state == state:
            return count
        ack(sk, **fields)
    raise AssertionError(f"state {state} was not reached within {limit} ACKs")


def cruising(**fields: Any) -> HostSock:
    sk = sender(**fields)
    rounds(sk, 5)
    sk.packets_out = BDP
    until(sk, CRUISE)
    return sk


def probing(**fields: Any) -> HostSock:
    sk = cruising(**fields)
    until(sk, UP)
    return sk
