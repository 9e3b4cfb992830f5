"""From a bandwidth to a pacing rate, and from that to the bursts of segmentation offload."""

from __future__ import annotations

from ccsim.kernel.fixed_point import U64_MAX, USEC_PER_SEC
from ccsim.kernel.sock import Sock

__all__ = ["bytes_per_sec", "min_tso_segs", "paced_rate", "tso_segs_goal"]

PACED_USEC_PER_SEC = USEC_PER_SEC // 100 * 99  # pacing lies 1 % below the bandwidth
MIN_TSO_RATE = 1_200_000 >> 3  # bytes/s below which bursts are single packets
MAX_TSO_BYTES = 65536 - 1 - 320  # the largest burst less MAX_TCP_HEADER
MAX_TSO_SEGS = 0x7F


def bytes_per_sec(sk: Sock, bw: int, gain: int) -> int:
    """Return ``gain`` (<< 8) times ``bw`` (packets/us << 24) less 1 %, in 64 bits [bytes/s]."""
    scaled = (bw * sk.mss_cache * gain & U64_MAX) >> 8
    return (scaled * PACED_USEC_PER_SEC & U64_MAX) >> 24


def paced_rate(sk: Sock, bw: int, gain: int) -> int:
    """Return `bytes_per_sec`, as far as the socket allows it [bytes/s]."""
    scaled = (bw * sk.mss_cache * gain & U64_MAX) >> 8
    rate = (scaled * PACED_USEC_PER_SEC & U64_MAX) >> 24
    return rate if rate < sk.max_pacing_rate else sk.max_pacing_rate


def min_tso_segs(sk: Sock) -> int:
    """Return the least burst that offload should make: ``bbr_min_tso_segs`` [packets]."""
    return 1 if sk.pacing_rate < MIN_TSO_RATE else 2


def tso_segs_goal(sk: Sock) -> int:
    """Return the burst that offload will make: about a millisecond's worth [packets].

    ``bbr_tso_segs_goal``: not limited by what the device can take.
    """
    burst = sk.pacing_rate >> sk.pacing_shift
    segs = (burst if burst < MAX_TSO_BYTES else MAX_TSO_BYTES) // sk.mss_cache
    if segs < 2:
        return max(segs, min_tso_segs(sk))
    return segs if segs < MAX_TSO_SEGS else MAX_TSO_SEGS
