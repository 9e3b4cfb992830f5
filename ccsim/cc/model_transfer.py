"""What one implementation hands to the next: the keys of ``export_model`` in the algorithms' own
units.

Of a model: ``bw_bps`` payload [bit/s], ``min_rtt_us``, ``cwnd_packets``, ``ssthresh_packets``,
``w_max_packets`` (the window before the last reduction); what is not known is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_SEC
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.kernel.sock import Sock

__all__ = ["bandwidth_of", "export_path", "export_window", "import_ssthresh", "min_rtt_of"]

BW_SHIFT = 24  # bandwidths are in packets per microsecond, times 2**24
NO_RTT_US = U32_MAX


def export_path(sk: Sock, bw: int, min_rtt_us: int) -> dict[str, int]:
    """Return the model of an algorithm that measures bandwidth (packets/us << 24) and RTT."""
    model = {"cwnd_packets": sk.snd_cwnd}
    if bw:
        model["bw_bps"] = bw * sk.mss_cache * 8 * USEC_PER_SEC >> BW_SHIFT
    if 0 < min_rtt_us < NO_RTT_US:
        model["min_rtt_us"] = min_rtt_us
    return model


def export_window(sk: Sock, w_max: int = 0) -> dict[str, int]:
    """Return the model of an algorithm that remembers windows; ``w_max`` 0: none."""
    model = {"cwnd_packets": sk.snd_cwnd}
    if sk.snd_ssthresh < TCP_INFINITE_SSTHRESH:
        model["ssthresh_packets"] = sk.snd_ssthresh
    if w_max:
        model["w_max_packets"] = w_max
    return model


def bandwidth_of(sk: Sock, model: Mapping[str, int]) -> int:
    """Return the model's bandwidth [packets/us << 24], 0 if it has none."""
    bits = model.get("bw_bps", 0)
    return (max(bits, 0) << BW_SHIFT) // (sk.mss_cache * 8 * USEC_PER_SEC)


def min_rtt_of(model: Mapping[str, int]) -> int:
    """Return the model's least RTT [us], 2**32 - 1 if it has none."""
    rtt_us = model.get("min_rtt_us", NO_RTT_US)
    return rtt_us if rtt_us > 0 else NO_RTT_US


def import_ssthresh(sk: Sock, model: Mapping[str, int]) -> None:
    """Set where slow start ends: at the model's threshold, else at its BDP, if it knows one."""
    ssthresh = model.get("ssthresh_packets", 0)
    if ssthresh <= 0 and "bw_bps" in model and "min_rtt_us" in model:
        bits = model["bw_bps"] * model["min_rtt_us"] // USEC_PER_SEC
        ssthresh = bits // (8 * sk.mss_cache)
    if ssthresh > 0:
        sk.snd_ssthresh = max(ssthresh, 2)
