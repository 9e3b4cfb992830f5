"""Arithmetic on what is known of numbers (``adjust_scalar_min_max_vals``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ccsim.bpf import instructions as isa
from ccsim.bpf.verifier.bounds import (
    HIGH,
    S32_MAX,
    S32_MIN,
    S64_MAX,
    S64_MIN,
    U32,
    U64,
    UNKNOWN,
    Bounds,
    from_bits,
    known,
    s32,
    s64,
    sync,
)

__all__ = ["add", "alu", "byte_swap", "negate", "sign_extend", "subtract", "zero_extend"]

_REMEMBERED = 1 << 14
_Pair = tuple[int, int]


def evaluate(op: int, wide: bool, a: int, b: int, *, signed: bool = False) -> int:
    """Return the result of one operation on two numbers as a BPF machine computes it.

    Shifts are masked, x / 0 is 0 and x % 0 is x (RFC 9669, sections 4.1 and 4.2).
    """
    bits = 64 if wide else 32
    mask = (1 << bits) - 1
    a, b = a & mask, b & mask
    if op in (isa.LSH, isa.RSH, isa.ARSH):
        b &= bits - 1
    if op == isa.DIV:
        return _divide(a, b, bits, signed) & mask
    if op == isa.MOD:
        return _modulo(a, b, bits, signed) & mask
    return _PLAIN[op](a, b, bits) & mask


def _arithmetic_right(a: int, b: int, bits: int) -> int:
    return (a ^ 1 << bits - 1) - (1 << bits - 1) >> b


_PLAIN: dict[int, Callable[[int, int, int], int]] = {
    isa.ADD: lambda a, b, bits: a + b,
    isa.SUB: lambda a, b, bits: a - b,
    isa.MUL: lambda a, b, bits: a * b,
    isa.OR: lambda a, b, bits: a | b,
    isa.AND: lambda a, b, bits: a & b,
    isa.XOR: lambda a, b, bits: a ^ b,
    isa.LSH: lambda a, b, bits: a << b,
    isa.RSH: lambda a, b, bits: a >> b,
    isa.ARSH: _arithmetic_right,
}


def _divide(a: int, b: int, bits: int, signed: bool) -> int:
    if not b:
        return 0
    if not signed:
        return a // b
    top = 1 << bits - 1
    a, b = (a ^ top) - top, (b ^ top) - top
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _modulo(a: int, b: int, bits: int, signed: bool) -> int:
    if not b:
        return a
    if not signed:
        return a % b
    top = 1 << bits - 1
    a, b = (a ^ top) - top, (b ^ top) - top
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


@lru_cache(_REMEMBERED)
def zero_extend(b: Bounds) -> Bounds:
    """Return the low 32 bits, the upper ones cleared (``zext_32_to_64``)."""
    if b.umax <= U32:
        return b
    low = b._replace(
        value=b.value & U32,
        mask=b.mask & U32,
        smin=b.u32_min,
        smax=b.u32_max,
        umin=b.u32_min,
        umax=b.u32_max,
    )
    return sync(low)


@lru_cache(_REMEMBERED)
def sign_extend(b: Bounds, bits: int) -> Bounds:
    """Return the low bits, the highest of them repeated above (``coerce_reg_to_size_sx``)."""
    top, low = 1 << bits - 1, (1 << bits) - 1
    if not b.mask & low:
        return known((b.value & low ^ top) - top)
    if bits == 32:
        smin, smax = b.s32_min, b.s32_max
    else:
        smin, smax = _narrow_signed(b, bits)
    value, mask = b.value & low, b.mask & low
    if mask & top:
        mask |= U64 ^ low
    elif value & top:
        value |= U64 ^ low
    wide = UNKNOWN._replace(value=value & ~mask, mask=mask, smin=smin, smax=smax)
    return sync(wide)


def _narrow_signed(b: Bounds, bits: int) -> _Pair:
    """Return the signed range of the low bits, from the range of the whole."""
    top = 1 << bits - 1
    if -top <= b.smin and b.smax < top:
        return b.smin, b.smax
    return -top, top - 1


@lru_cache(_REMEMBERED)
def truncate(b: Bounds, size: int) -> Bounds:
    """Return the low ``size`` bytes, the others cleared (``coerce_reg_to_size``)."""
    if size == 8:
        return b
    if size == 4:
        return zero_extend(b)
    low = (1 << 8 * size) - 1
    value, mask = b.value & low, b.mask & low
    if b.umin & ~low == b.umax & ~low:
        umin, umax = b.umin & low, b.umax & low
    else:
        umin, umax = 0, low
    return sync(UNKNOWN._replace(value=value, mask=mask, umin=umin, umax=umax))


@lru_cache(_REMEMBERED)
def alu(op: int, wide: bool, a: Bounds, b: Bounds, offset: int = 0) -> Bounds:
    """Return what is known of ``a op b``; an operation of 32 bits clears the upper half.

    ``offset`` 1 makes division and remainder signed (ISA v4).
    """
    if not _computable(op, wide, b):
        return UNKNOWN
    if a.const and b.const:
        return known(evaluate(op, wide, a.value, b.value, signed=bool(offset)))
    shifts = op in (isa.LSH, isa.RSH, isa.ARSH)
    found = _shift(op, wide, a, b) if shifts else _RANGES[op](a, b)
    return sync(found) if wide else zero_extend(sync(found))


def _computable(op: int, wide: bool, b: Bounds) -> bool:
    """Return whether Linux computes a range: not of quotients, nor of shifts that vary
    (``is_safe_to_compute_dst_reg_range``).
    """
    if op in (isa.DIV, isa.MOD):
        return False
    if op not in (isa.LSH, isa.RSH, isa.ARSH):
        return True
    return b.umax < 64 and b.const if wide else b.const32 and b.value & U32 < 32


def _tnum_add(a: Bounds, b: Bounds) -> _Pair:
    sm = a.mask + b.mask
    sv = a.value + b.value
    mu = (sm + sv ^ sv | a.mask | b.mask) & U64
    return sv & ~mu & U64, mu


def _tnum_sub(a: Bounds, b: Bounds) -> _Pair:
    dv = a.value - b.value
    mu = ((dv + a.mask ^ dv - b.mask) | a.mask | b.mask) & U64
    return dv & ~mu & U64, mu


def _tnum_mul(a: Bounds, b: Bounds) -> _Pair:
    value, mask = a.value, a.mask
    other_value, other_mask = b.value, b.mask
    total = value * other_value & U64
    mu_value, mu_mask = 0, 0
    while value or mask:
        if value & 1:
            mu_value, mu_mask = _bits_add(mu_value, mu_mask, 0, other_mask)
        elif mask & 1:
            mu_value, mu_mask = _bits_add(mu_value, mu_mask, 0, other_value | other_mask)
        value, mask = value >> 1, mask >> 1
        other_value, other_mask = other_value << 1 & U64, other_mask << 1 & U64
    return _bits_add(total, 0, mu_value, mu_mask)


def _bits_add(av: int, am: int, bv: int, bm: int) -> _Pair:
    sv = av + bv
    mu = (am + bm + sv ^ sv | am | bm) & U64
    return sv & ~mu & U64, mu


def _signed(low: int, high: int, bits: int) -> _Pair:
    """Return a signed range, or the whole one where it overflows."""
    top = 1 << bits - 1
    return (-top, top - 1) if low < -top or high >= top else (low, high)


def _unsigned(low: int, high: int, bits: int) -> _Pair:
    """Return an unsigned range; where all of it wraps it is still one."""
    full = 1 << bits
    if low >= full or high < 0:
        return low % full, high % full
    return (0, full - 1) if low < 0 or high >= full else (low, high)


def _add(a: Bounds, b: Bounds) -> Bounds:
    return Bounds(
        *_tnum_add(a, b),
        *_signed(a.smin + b.smin, a.smax + b.smax, 64),
        *_unsigned_sum(a.umin, a.umax, b.umin, b.umax, 64),
        *_signed(a.s32_min + b.s32_min, a.s32_max + b.s32_max, 32),
        *_unsigned_sum(a.u32_min, a.u32_max, b.u32_min, b.u32_max, 32),
    )


def _unsigned_sum(a_min: int, a_max: int, b_min: int, b_max: int, bits: int) -> _Pair:
    return _unsigned(a_min + b_min, a_max + b_max, bits)


def _sub(a: Bounds, b: Bounds) -> Bounds:
    return Bounds(
        *_tnum_sub(a, b),
        *_signed(a.smin - b.smax, a.smax - b.smin, 64),
        *_unsigned(a.umin - b.umax, a.umax - b.umin, 64),
        *_signed(a.s32_min - b.s32_max, a.s32_max - b.s32_min, 32),
        *_unsigned(a.u32_min - b.u32_max, a.u32_max - b.u32_min, 32),
    )


def _corners(a: _Pair, b: _Pair, bits: int) -> _Pair:
    products = [x * y for x in a for y in b]
    return _signed(min(products), max(products), bits)


def _mul(a: Bounds, b: Bounds) -> Bounds:
    umax, u32_max = a.umax * b.umax, a.u32_max * b.u32_max
    return Bounds(
        *_tnum_mul(a, b),
        *_corners((a.smin, a.smax), (b.smin, b.smax), 64),
        *((a.umin * b.umin, umax) if umax <= U64 else (0, U64)),
        *_corners((a.s32_min, a.s32_max), (b.s32_min, b.s32_max), 32),
        *((a.u32_min * b.u32_min, u32_max) if u32_max <= U32 else (0, U32)),
    )


def _logical(value: int, mask: int, u: _Pair, u32: _Pair) -> Bounds:
    """Return bounds of a bitwise result; signed ranges follow where both are of one sign."""
    low_sign = s32(u32[0]) <= s32(u32[1])
    sign = s64(u[0]) <= s64(u[1])
    return Bounds(
        value,
        mask,
        *((s64(u[0]), s64(u[1])) if sign else (S64_MIN, S64_MAX)),
        *u,
        *((s32(u32[0]), s32(u32[1])) if low_sign else (S32_MIN, S32_MAX)),
        *u32,
    )


def _and(a: Bounds, b: Bounds) -> Bounds:
    alpha, beta = a.value | a.mask, b.value | b.mask
    value = a.value & b.value
    mask = alpha & beta & ~value
    u = (value, min(a.umax, b.umax))
    return _logical(value, mask, u, (value & U32, min(a.u32_max, b.u32_max)))


def _or(a: Bounds, b: Bounds) -> Bounds:
    value = a.value | b.value
    mask = (a.mask | b.mask) & ~value
    most = value | mask
    u = (max(a.umin, b.umin), most)
    return _logical(value, mask, u, (max(a.u32_min, b.u32_min), most & U32))


def _xor(a: Bounds, b: Bounds) -> Bounds:
    mask = a.mask | b.mask
    value = (a.value ^ b.value) & ~mask
    most = value | mask
    return _logical(value, mask, (value, most), (value & U32, most & U32))


_RANGES: dict[int, Callable[[Bounds, Bounds], Bounds]] = {
    isa.ADD: _add,
    isa.SUB: _sub,
    isa.MUL: _mul,
    isa.AND: _and,
    isa.OR: _or,
    isa.XOR: _xor,
}


def _shift(op: int, wide: bool, a: Bounds, b: Bounds) -> Bounds:
    """Shift by a constant."""
    count = b.value & (U64 if wide else U32)
    if not wide:
        return _shift32(op, a, count)
    if op == isa.LSH:
        return _left(a, count)
    if op == isa.RSH:
        return UNKNOWN._replace(
            value=a.value >> count,
            mask=a.mask >> count,
            umin=a.umin >> count,
            umax=a.umax >> count,
        )
    value, mask = s64(a.value) >> count & U64, s64(a.mask) >> count & U64
    return UNKNOWN._replace(value=value, mask=mask, smin=a.smin >> count, smax=a.smax >> count)


def _left(a: Bounds, count: int) -> Bounds:
    found = UNKNOWN._replace(value=a.value << count & U64, mask=a.mask << count & U64)
    if a.umax <= U64 >> count:
        found = found._replace(umin=a.umin << count, umax=a.umax << count)
    if count == 32:  # the idiom of sign extension: the low half moves up
        smax = (a.s32_max << 32) if a.s32_max >= 0 else S64_MAX
        smin = (a.s32_min << 32) if a.s32_min >= 0 else S64_MIN
        found = found._replace(smin=smin, smax=smax)
    return found


def _shift32(op: int, a: Bounds, count: int) -> Bounds:
    low, low_mask = a.value & U32, a.mask & U32
    if op == isa.ARSH:
        value, mask = s32(low) >> count & U32, s32(low_mask) >> count & U32
        s32_min, s32_max = a.s32_min >> count, a.s32_max >> count
        return UNKNOWN._replace(value=value, mask=mask | HIGH, s32_min=s32_min, s32_max=s32_max)
    if op == isa.LSH:
        value, mask = low << count & U32, low_mask << count & U32
        u = (0, U32) if a.u32_max > U32 >> count else (a.u32_min << count, a.u32_max << count)
    else:
        value, mask = low >> count, low_mask >> count
        u = (a.u32_min >> count, a.u32_max >> count)
    return UNKNOWN._replace(value=value, mask=mask | HIGH, u32_min=u[0], u32_max=u[1])


def add(a: Bounds, b: Bounds) -> Bounds:
    """Return what 64-bit addition can give."""
    return alu(isa.ADD, True, a, b)


def subtract(a: Bounds, b: Bounds) -> Bounds:
    """Return what 64-bit subtraction can give."""
    return alu(isa.SUB, True, a, b)


def negate(wide: bool, b: Bounds) -> Bounds:
    """Return what is known of ``-b`` (``BPF_NEG`` is 0 - b)."""
    return alu(isa.SUB, wide, known(0), b)


def byte_swap(b: Bounds, bits: int, swaps: bool) -> Bounds:
    """Return what is known of the low bits in the other byte order, or cut off in this one."""
    size = bits // 8
    value, mask = b.value & (1 << bits) - 1, b.mask & (1 << bits) - 1
    if swaps:
        value, mask = (
            int.from_bytes(part.to_bytes(size, "little"), "big") for part in (value, mask)
        )
    return known(value) if not mask else from_bits(value, mask)
