"""What tc computes for RED before the kernel sees it: the weight, the slope, the table of idle
times (``tc_red_eval_*`` of iproute2)."""

from __future__ import annotations

import math

from ccsim.net.qdisc.parameters import QdiscError
from ccsim.net.qdisc.red_verdict import STAB_SIZE

__all__ = ["idle_table", "slope", "weight"]

NO_DAMPING = 31
LOGS = 32


def weight(kind: str, low: int, burst: int, avpkt: int) -> int:
    """Return Wlog: the average follows within about ``burst`` packets of ``avpkt`` bytes."""
    least = burst + 1 - low / avpkt
    if least >= 1:
        for wlog in range(1, LOGS):
            w = 0.5**wlog
            if least <= (1 - (1 - w) ** burst) / w:
                return wlog
    raise QdiscError(
        f"{kind}: burst: expected at least {math.ceil(low / avpkt)} packets, min over avpkt, "
        f"and not many more, got {burst}; set a burst near (2·min + max)/(3·avpkt)"
    )


def slope(kind: str, low: int, high: int, probability: float) -> int:
    """Return Plog: the probability falls to 0 from ``probability`` at ``high`` down to ``low``."""
    if high <= low:
        return 0
    step = probability / (high - low)
    for plog in range(LOGS):
        if step > 1:
            return plog
        step *= 2
    raise QdiscError(
        f"{kind}: probability: expected more than {(high - low) / 2**LOGS:.3g} for thresholds "
        f"{high - low} bytes apart, got {probability}"
    )


def idle_table(wlog: int, avpkt: int, rate: int) -> tuple[int, tuple[int, ...]]:
    """Return Scell_log, and by how many bits each time without packets shifts the average;
    ``rate`` [byte/s] is that of the line."""
    packet_us = 1e6 * avpkt / rate
    decay = -math.log(1 - 0.5**wlog) / packet_us / math.log(2)
    longest = NO_DAMPING / decay
    for scell_log in range(LOGS):
        if longest / (1 << scell_log) < 512:
            break
    shifts = (min(NO_DAMPING, int((k << scell_log) * decay)) for k in range(1, STAB_SIZE - 1))
    return scell_log, (0, *shifts, NO_DAMPING)
