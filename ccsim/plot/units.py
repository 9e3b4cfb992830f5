"""The units of the axes: one for a panel, such that its ticks have at most four digits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Unit", "packets_unit", "rate_unit", "rtt_unit", "time_text"]


@dataclass(frozen=True)
class Unit:
    """An axis unit: its name and how many base units (bit/s, packets, µs) it is."""

    name: str
    size: float


def rate_unit(rate_bps: float) -> Unit:
    """Return Mbit/s, unless the highest rate shown calls for Gbit/s or kbit/s."""
    if rate_bps >= 9e9:
        return Unit("Gbit/s", 1e9)
    return Unit("Mbit/s", 1e6) if rate_bps >= 1e6 else Unit("kbit/s", 1e3)


def packets_unit(packets: float) -> Unit:
    """Return packets, or thousands of them before the axis, with its headroom, reaches 10,000."""
    return Unit("1000 packets", 1e3) if packets >= 8_000 else Unit("packets", 1.0)


def rtt_unit(rtt_us: float) -> Unit:
    """Return ms, but µs for what stays below one millisecond, and s for many seconds."""
    if rtt_us >= 9e6:
        return Unit("s", 1e6)
    return Unit("ms", 1e3) if rtt_us >= 1e3 else Unit("µs", 1.0)


def time_text(t_ns: int) -> str:
    """Return a short time: ``100 ms``, ``2 s``, ``50 µs``."""
    for name, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if t_ns >= size:
            return f"{t_ns / size:g} {name}"
    return f"{t_ns} ns"
