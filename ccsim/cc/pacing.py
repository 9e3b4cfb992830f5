"""From a bandwidth to a pacing rate, and from that to the bursts of segmentation offload."""

from __future__ import annotations

from ccsim.cc.fixed_point import U32_MAX, U64_MAX, USEC_PER_MSEC, USEC_PER_SEC
from ccsim.kernel.sock import PACING_NEEDED, PACING_NONE, Sock
from ccsim.units import NS_PER_S

__all__ = [
    "bandwidth_info",
    "bytes_per_sec",
    "gap_at",
    "min_tso_segs",
    "pace_from_rtt",
    "paced_rate",
    "packets_at_departure",
    "start_pacing",
    "tso_segs_goal",
]

PACED_USEC_PER_SEC = USEC_PER_SEC // 100 * 99  # pacing lies 1 % below the bandwidth
MIN_TSO_RATE = 1_200_000 >> 3  # bytes/s below which bursts are single packets
MAX_TSO_BYTES = 65536 - 1 - 320  # the largest burst less MAX_TCP_HEADER
MAX_TSO_SEGS = 0x7F
NARROW_RATE = 1 << 35  # what, times a segment of 16 bits, has less than 64 bits in both products


def bytes_per_sec(sk: Sock, bw: int, gain: int) -> int:
    """Return ``gain`` (<< 8) times ``bw`` (packets/us << 24) less 1 %, in 64 bits [bytes/s]."""
    rate = bw * gain
    if rate < NARROW_RATE:
        return (rate * sk.mss_cache >> 8) * PACED_USEC_PER_SEC >> 24
    return wide_rate(rate, sk.mss_cache)


def wide_rate(rate: int, mss: int) -> int:
    """Return what `bytes_per_sec` does where the products, in 64 bits, may wrap."""
    scaled = (rate * mss & U64_MAX) >> 8
    return (scaled * PACED_USEC_PER_SEC & U64_MAX) >> 24


def paced_rate(sk: Sock, bw: int, gain: int) -> int:
    """Return `bytes_per_sec`, as far as the socket allows it [bytes/s]."""
    rate = bytes_per_sec(sk, bw, gain)
    return rate if rate < sk.max_pacing_rate else sk.max_pacing_rate


def gap_at(mss: int, rate: int) -> int:
    """Return the gap behind a packet of ``mss`` bytes at ``rate`` [bytes/s], in ns."""
    return mss * NS_PER_S // rate


def pace_from_rtt(sk: Sock, gain: int) -> None:
    """Pace at ``gain`` times a window per RTT, or per 1 ms where no RTT is known."""
    rtt_us = max(sk.srtt_us >> 3, 1) if sk.srtt_us else USEC_PER_MSEC
    sk.pacing_rate = paced_rate(sk, (sk.snd_cwnd << 24) // rtt_us & U32_MAX, gain)


def start_pacing(sk: Sock, gain: int) -> None:
    """Let the socket be paced from now on, by `pace_from_rtt` until bandwidths are known."""
    pace_from_rtt(sk, gain)
    if sk.pacing_status == PACING_NONE:
        sk.pacing_status = PACING_NEEDED


def bandwidth_info(
    sk: Sock, bw: int, min_rtt_us: int, pacing_gain: int, cwnd_gain: int
) -> dict[str, int]:
    """Return ``struct tcp_bbr_info``: bandwidth [bytes/s], least RTT [us], gains [1/256]."""
    return {
        "bw_Bps": bw * sk.mss_cache * USEC_PER_SEC >> 24,
        "min_rtt_us": min_rtt_us,
        "pacing_gain": pacing_gain,
        "cwnd_gain": cwnd_gain,
    }


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


def packets_at_departure(sk: Sock, bw: int, in_flight: int, growing: bool) -> int:
    """Return the packets that will be in the network when the next one may depart, with a burst
    more while they are ``growing`` (``bbr_packets_in_net_at_edt``)."""
    wait_us = max(sk.tcp_wstamp_ns - sk.tcp_clock_cache, 0) // 1000
    if growing:
        in_flight += tso_segs_goal(sk)
    return max(in_flight - (bw * wait_us >> 24), 0)
