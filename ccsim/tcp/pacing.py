"""The pacing rate of senders whose algorithm does not set one (``tcp_update_pacing_rate``)."""

from __future__ import annotations

from ccsim.tcp.sock import TcpSock

__all__ = ["pacing_due", "pacing_rate", "update_pacing_rate"]

US_PER_S = 1_000_000


def pacing_rate(sk: TcpSock, cwnd: int, packets_out: int, srtt_us: int) -> int:
    """Return max(cwnd, packets_out)·MSS/srtt, doubled in slow start, ×1.2 else [bytes/s]
    (``tcp_update_pacing_rate``)."""
    ratio = sk.host.pacing_ss_ratio if cwnd < sk.snd_ssthresh >> 1 else sk.host.pacing_ca_ratio
    rate = sk.mss_cache * (US_PER_S // 100 << 3) * ratio * max(cwnd, packets_out)
    return min(rate // srtt_us if srtt_us else rate, sk.max_pacing_rate)


def update_pacing_rate(sk: TcpSock) -> None:
    """Set the pacing rate of a sender whose algorithm does not; it is enforced only while pacing is
    needed."""
    sk.pacing_rate = pacing_rate(sk, sk.snd_cwnd, sk.nxt - sk.una, sk.srtt_us)


def pacing_due(sk: TcpSock) -> int:
    """Return when the pacer's turn comes [ns]: when the next packet may leave, or once the host is
    awake to see it."""
    awake_ns = sk.host.awake_ns
    return sk.tcp_wstamp_ns if awake_ns is None else awake_ns(sk.tcp_wstamp_ns)
