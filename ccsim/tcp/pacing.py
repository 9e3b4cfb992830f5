"""The pacing rate of senders whose algorithm does not set one (``tcp_update_pacing_rate``)."""

from __future__ import annotations

from collections.abc import Iterable

from ccsim.cc.pacing import gap_at
from ccsim.kernel.sock import PACING_NONE
from ccsim.tcp.sock import SEGS_NEVER_PACED, TcpSock

__all__ = [
    "departure_after",
    "gap_ns",
    "pacing_due",
    "pacing_rate",
    "pacing_rates",
    "update_pacing_rate",
]

US_PER_S = 1_000_000
UNIT = US_PER_S // 100 << 3  # srtt_us is kept << 3, the ratios are per cent
MANY = 1 << 22  # packets; of more, if they are large, the products may pass 64 bits


def pacing_rate(sk: TcpSock, cwnd: int, packets_out: int, srtt_us: int) -> int:
    """Return max(cwnd, packets_out)·MSS/srtt, doubled in slow start, ×1.2 else [bytes/s]
    (``tcp_update_pacing_rate``)."""
    ratio = sk.host.pacing_ss_ratio if cwnd < sk.snd_ssthresh >> 1 else sk.host.pacing_ca_ratio
    packets = cwnd if cwnd > packets_out else packets_out
    if packets > MANY:
        return _rate_of_many(sk, ratio, packets, srtt_us)
    rate = sk.mss_cache * UNIT * ratio * packets
    if srtt_us:
        rate //= srtt_us
    return rate if rate < sk.max_pacing_rate else sk.max_pacing_rate


def _rate_of_many(sk: TcpSock, ratio: int, packets: int, srtt_us: int) -> int:
    return min(sk.mss_cache * UNIT * ratio * packets // (srtt_us or 1), sk.max_pacing_rate)


def pacing_rates(
    sk: TcpSock,
    ssthresh: int,
    cwnds: Iterable[int],
    packets_out: Iterable[int],
    srtts_us: Iterable[int],
) -> list[int]:
    """Return `pacing_rate` for columns of windows, packets in flight and smoothed RTTs, none of
    them 0, with another ``ssthresh``."""
    unit = sk.mss_cache * UNIT
    starting, avoiding = unit * sk.host.pacing_ss_ratio, unit * sk.host.pacing_ca_ratio
    half, most = ssthresh >> 1, sk.max_pacing_rate
    rates = []
    for cwnd, out, srtt_us in zip(cwnds, packets_out, srtts_us, strict=True):
        rate = (starting if cwnd < half else avoiding) * (cwnd if cwnd > out else out) // srtt_us
        rates.append(rate if rate < most else most)
    return rates


def update_pacing_rate(sk: TcpSock) -> None:
    """Set the pacing rate of a sender whose algorithm does not; it is enforced only while pacing is
    needed."""
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, sk.nxt - sk.una, sk.srtt_us)


def gap_ns(sk: TcpSock, segs_out: int) -> int:
    """Return the gap that the pacer leaves behind a packet, ``segs_out`` others after the
    connection's first [ns]; 0 if it leaves none: at an unlimited rate, and behind the first."""
    rate = sk.pacing_rate
    if not rate or sk.pacing_status == PACING_NONE or segs_out < SEGS_NEVER_PACED:
        return 0
    return gap_at(sk.mss_cache, rate)


def departure_after(stamp_ns: int, now_ns: int, gap: int) -> int:
    """Return when the next packet may leave after one that leaves now and was to leave at
    ``stamp_ns``: ``gap`` later, less half of it at most for what this one is late
    (``tcp_update_skb_after_send``)."""
    half, late = gap >> 1, now_ns - stamp_ns
    return now_ns + gap - (half if half < late else late)


def pacing_due(sk: TcpSock) -> int:
    """Return when the pacer's turn comes [ns]: when the next packet may leave, or once the host is
    awake to see it."""
    awake_ns = sk.host.awake_ns
    if awake_ns is None:
        return sk.tcp_wstamp_ns
    return awake_ns(sk.tcp_wstamp_ns)
