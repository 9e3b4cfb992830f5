"""More arithmetic of the kernel: C division, ticks as microseconds, ranges of parameters."""

from __future__ import annotations

from ccsim.cc.fixed_point import U32_MAX, USEC_PER_SEC

__all__ = ["div_round_closest", "div_toward_zero", "jiffies_to_usecs", "require_range"]


def div_toward_zero(dividend: int, divisor: int) -> int:
    """Return the quotient as C's ``/`` does, without its fraction (Python's ``//`` rounds down)."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def div_round_closest(dividend: int, divisor: int) -> int:
    """Return the quotient by a positive divisor, to the nearest integer, halves away from zero."""
    quotient = (abs(dividend) + divisor // 2) // divisor
    return quotient if dividend >= 0 else -quotient


def jiffies_to_usecs(ticks: int, hz: int) -> int:
    """Return ticks of 1/``hz`` s in microseconds, as the 32-bit number that the kernel reports."""
    return ticks * USEC_PER_SEC // hz & U32_MAX


def require_range(place: str, value: int, low: int, high: int) -> None:
    """Raise ValueError, naming ``place``, unless ``low`` <= ``value`` <= ``high``."""
    if not low <= value <= high:
        raise ValueError(f"{place}: expected {low} to {high}, got {value}")
