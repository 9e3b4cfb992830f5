"""In which units bandwidths are kept, and what stands for an RTT that is not known."""

from __future__ import annotations

from ccsim.cc.fixed_point import U32_MAX

__all__ = ["BW_SHIFT", "BW_UNIT", "BW_WINDOW", "NO_MIN_RTT"]

BW_SHIFT = 24  # bandwidths are in packets per microsecond, times 2**24
BW_UNIT = 1 << BW_SHIFT
BW_WINDOW = 10  # rounds for which the greatest of them counts
NO_MIN_RTT = U32_MAX
