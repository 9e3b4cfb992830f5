"""Integer arithmetic as the kernel does it: fixed widths, ticks, units of bandwidth, C division, a
root without floating point."""

from __future__ import annotations

__all__ = [
    "BW_SHIFT",
    "BW_UNIT",
    "BW_WINDOW",
    "NO_MIN_RTT",
    "U32_MAX",
    "U64_MAX",
    "USEC_PER_MSEC",
    "USEC_PER_SEC",
    "cubic_root",
    "div_round_closest",
    "div_toward_zero",
    "jiffies_to_usecs",
    "msecs_to_jiffies",
    "require_range",
    "s32",
    "usecs_to_jiffies",
]

U32_MAX = 0xFFFFFFFF
U64_MAX = 0xFFFFFFFFFFFFFFFF
USEC_PER_SEC = 1_000_000
USEC_PER_MSEC = 1_000
BW_SHIFT = 24  # bandwidths are in packets per microsecond, times 2**24
BW_UNIT = 1 << BW_SHIFT
BW_WINDOW = 10  # rounds for which the greatest of them counts
NO_MIN_RTT = U32_MAX
_SIGN, _MASK = 0x80000000, 0xFFFFFFFF  # integers of C where this is compiled


def s32(value: int) -> int:
    """Return ``value`` as a signed 32-bit integer: the difference of two wrapping clocks."""
    return ((value + _SIGN) & _MASK) - _SIGN


def usecs_to_jiffies(usecs: int, hz: int) -> int:
    """Return the ticks of 1/``hz`` s that cover ``usecs``, rounded up (``usecs_to_jiffies``)."""
    return -(-usecs * hz // 1_000_000)


def msecs_to_jiffies(msecs: int, hz: int) -> int:
    """Return the ticks of 1/``hz`` s that cover ``msecs``, rounded up (``msecs_to_jiffies``)."""
    return -(-msecs * hz // 1000)


# For a six-bit a, 64 * cbrt(a) less 10, as tcp_cubic.c tabulates it (below 8 it is coarser).
_CBRT_SEED = bytes.fromhex(
    "00363636767676767b81868a8f93979c"
    "9da1a4a8aaadb0b3b5b9bbbec0c2c5c7"
    "c8caccced1d3d5d7d9dbdddee0e1e3e5"
    "e7e8eaecedeff0f2f4f5f6f8fafbfcfe"
)


def cubic_root(a: int) -> int:
    """Return the cube root of ``a`` (64 bits) as CUBIC does, on average 0.2 % off (``cubic_root``).

    A table gives the root of the top six bits; one Newton-Raphson step for x**3 = a refines it:
    x' = (2 x + a / (x (x - 1))) / 3, where dividing by 3 is a product with 341/1024.
    """
    bits = a.bit_length()
    if bits < 7:
        return (_CBRT_SEED[a] + 35) >> 6
    thirds = (bits * 84 >> 8) - 1  # 84/256 is about a third
    x = ((_CBRT_SEED[a >> thirds * 3] + 10) << thirds) >> 6
    x = 2 * x + a // (x * (x - 1))
    return x * 341 >> 10


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
