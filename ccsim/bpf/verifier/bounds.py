"""What is known of a number: known bits, ranges as signed and unsigned, in 64 and in 32 bits.

The rules are those of Linux 6.18 (``tnum.c``, ``reg_bounds_sync`` and kin), so that a range is
provable here when it is there. Values never change; operations on them are remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["UNKNOWN", "Bounds", "known", "sync", "unsigned_below"]

U64 = (1 << 64) - 1
U32 = (1 << 32) - 1
S64_MIN, S64_MAX = -(1 << 63), (1 << 63) - 1
S32_MIN, S32_MAX = -(1 << 31), (1 << 31) - 1
HIGH = U64 ^ U32
_REMEMBERED = 1 << 14


class Bounds(NamedTuple):
    """``value`` and ``mask``: bits that are known, bits that are not (``struct tnum``); then the
    least and greatest value, inclusive.
    """

    value: int
    mask: int
    smin: int
    smax: int
    umin: int
    umax: int
    s32_min: int
    s32_max: int
    u32_min: int
    u32_max: int

    @property
    def const(self) -> bool:
        """Whether all 64 bits are known."""
        return not self.mask

    @property
    def const32(self) -> bool:
        """Whether the lower 32 bits are known."""
        return not self.mask & U32


UNKNOWN = Bounds(0, U64, S64_MIN, S64_MAX, 0, U64, S32_MIN, S32_MAX, 0, U32)


def s64(value: int) -> int:
    """Return the low 64 bits as a signed number."""
    return (value & U64 ^ 1 << 63) - (1 << 63)


def s32(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    return (value & U32 ^ 1 << 31) - (1 << 31)


@lru_cache(_REMEMBERED)
def known(value: int) -> Bounds:
    """Return the bounds of a constant (its low 64 bits)."""
    u, low = value & U64, value & U32
    signed, short = s64(u), s32(low)
    return Bounds(u, 0, signed, signed, u, u, short, short, low, low)


@lru_cache(64)
def unsigned_below(bits: int) -> Bounds:
    """Return the bounds of any number of that many bits."""
    return sync(UNKNOWN._replace(mask=(1 << bits) - 1))


@lru_cache(64)
def signed_of(bits: int) -> Bounds:
    """Return the bounds of any number of that many bits, sign-extended to 64."""
    top = 1 << bits - 1
    return sync(UNKNOWN._replace(smin=-top, smax=top - 1, s32_min=max(-top, S32_MIN)))


def tnum_range(low: int, high: int) -> tuple[int, int]:
    """Return the known bits of all numbers from ``low`` to ``high``."""
    bits = (low ^ high).bit_length()
    if bits > 63:
        return 0, U64
    mask = (1 << bits) - 1
    return low & ~mask, mask


def tnum_intersect(av: int, am: int, bv: int, bm: int) -> tuple[int, int]:
    """Return the value and mask of what is in both of two sets (``tnum_intersect``)."""
    mask = am & bm
    return (av | bv) & ~mask & U64, mask


@lru_cache(_REMEMBERED)
def sync(b: Bounds) -> Bounds:
    """Return bounds that say no less, each part made as narrow as the others allow
    (``reg_bounds_sync``).
    """
    if b.umin == b.umax and not b.mask:
        return known(b.value)
    b = _update(b)
    for _ in range(3):
        before, b = b, _deduce(b)
        if before == b:
            break
    return _update(_offset(b))


def _update(b: Bounds) -> Bounds:
    """Learn ranges from known bits (``__update_reg_bounds``)."""
    value, mask = b.value, b.mask
    most = value | mask
    low, low_most = value & U32, most & U32
    low_mask = mask & U32
    return Bounds(
        value,
        mask,
        max(b.smin, s64(value | mask & 1 << 63)),
        min(b.smax, s64(value | mask & S64_MAX)),
        max(b.umin, value),
        min(b.umax, most),
        max(b.s32_min, s32(low | low_mask & 1 << 31)),
        min(b.s32_max, s32(low | low_mask & S32_MAX)),
        max(b.u32_min, low),
        min(b.u32_max, low_most),
    )


def _deduce(b: Bounds) -> Bounds:
    """Learn ranges from ranges (``__reg_deduce_bounds``)."""
    value, mask, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max = b
    # 32 bits from 64
    if umin >> 32 == umax >> 32:
        u32_min, u32_max = max(u32_min, umin & U32), min(u32_max, umax & U32)
        if s32(umin) <= s32(umax):
            s32_min, s32_max = max(s32_min, s32(umin)), min(s32_max, s32(umax))
    if smin >> 32 == smax >> 32:
        if smin & U32 <= smax & U32:
            u32_min, u32_max = max(u32_min, smin & U32), min(u32_max, smax & U32)
        if s32(smin) <= s32(smax):
            s32_min, s32_max = max(s32_min, s32(smin)), min(s32_max, s32(smax))
    if (umin >> 32) + 1 & U32 == umax >> 32 and s32(umin) < 0 <= s32(umax):
        s32_min, s32_max = max(s32_min, s32(umin)), min(s32_max, s32(umax))
    if (smin >> 32) + 1 & U32 == smax >> 32 & U32 and s32(smin) < 0 <= s32(smax):
        s32_min, s32_max = max(s32_min, s32(smin)), min(s32_max, s32(smax))
    if s32(u32_min) <= s32(u32_max):
        s32_min, s32_max = max(s32_min, s32(u32_min)), min(s32_max, s32(u32_max))
    if s32_min & U32 <= s32_max & U32:
        u32_min, u32_max = max(s32_min & U32, u32_min), min(s32_max & U32, u32_max)
    # 64 bits from each other
    if s64(umin) <= s64(umax):
        smin, smax = max(smin, s64(umin)), min(smax, s64(umax))
    if smin & U64 <= smax & U64:
        umin, umax = max(smin & U64, umin), min(smax & U64, umax)
    elif umax < smin & U64:
        smin, umax = 0, min(umax, smax & U64)
    elif smax & U64 < umin:
        smax, umin = -1, max(umin, smin & U64)
    # 64 bits from 32
    umin, umax = max(umin, umin & HIGH | u32_min), min(umax, umax & HIGH | u32_max)
    smin, smax = max(smin, smin & ~U32 | u32_min), min(smax, smax & ~U32 | u32_max)
    if s32_min >= 0 and smin >= S32_MIN and smax <= S32_MAX:
        smin = umin = s32_min
        smax = umax = s32_max
        value, mask = tnum_intersect(value, mask, *tnum_range(smin, max(smin, smax)))
    return Bounds(value, mask, smin, smax, umin, umax, s32_min, s32_max, u32_min, u32_max)


def _offset(b: Bounds) -> Bounds:
    """Learn bits from ranges (``__reg_bound_offset``)."""
    value, mask = tnum_intersect(b.value, b.mask, *tnum_range(b.umin, max(b.umin, b.umax)))
    low = tnum_range(b.u32_min, max(b.u32_min, b.u32_max))
    low_value, low_mask = tnum_intersect(value & U32, mask & U32, *low)
    return b._replace(value=value & HIGH | low_value, mask=mask & HIGH | low_mask)


def from_bits(value: int, mask: int) -> Bounds:
    """Return the bounds of a number of which only bits are known."""
    return sync(UNKNOWN._replace(value=value & U64, mask=mask & U64))


def within(inner: Bounds, outer: Bounds) -> bool:
    """Return whether all that ``inner`` may be, ``outer`` may be too (``range_within``,
    ``tnum_in``).
    """
    if inner == outer:
        return True
    if outer is UNKNOWN or outer == UNKNOWN:
        return True
    if inner.mask & ~outer.mask or inner.value & ~outer.mask & U64 != outer.value:
        return False
    return (
        outer.umin <= inner.umin
        and outer.umax >= inner.umax
        and outer.smin <= inner.smin
        and outer.smax >= inner.smax
        and outer.u32_min <= inner.u32_min
        and outer.u32_max >= inner.u32_max
        and outer.s32_min <= inner.s32_min
        and outer.s32_max >= inner.s32_max
    )


def describe_bits(b: Bounds) -> str:
    """Return the known bits as the kernel's log shows them: ``(0x0; 0xf)``."""
    if b.const:
        return f"{b.value:#x}" if b.value else "0"
    return f"({b.value:#x}; {b.mask:#x})"


def describe(b: Bounds) -> str:
    """Return the bounds as the kernel's log shows them: ``scalar(umax=15,...)``."""
    if b.const:
        return str(s64(b.value))
    parts = [
        f"{name}={value}"
        for name, value, default in (
            ("smin", b.smin, S64_MIN),
            ("smax", b.smax, S64_MAX),
            ("umin", b.umin, 0),
            ("umax", b.umax, U64),
        )
        if value != default
    ]
    if b.mask != U64:
        parts.append(f"var_off={describe_bits(b)}")
    return f"scalar({','.join(parts)})"
