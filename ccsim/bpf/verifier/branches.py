"""Conditional jumps: which way they go, and what each way tells of the numbers compared
(``is_branch_taken``, ``reg_set_min_max``)."""

from __future__ import annotations

from functools import lru_cache

from ccsim.bpf import instructions as isa
from ccsim.bpf.verifier.bounds import (
    HIGH,
    U32,
    U64,
    UNKNOWN,
    Bounds,
    sync,
    tnum_intersect,
)

__all__ = ["refine", "taken"]

_REMEMBERED = 1 << 14
OPPOSITE = {
    isa.JEQ: isa.JNE,
    isa.JNE: isa.JEQ,
    isa.JSET: -isa.JSET,
    isa.JGT: isa.JLE,
    isa.JLE: isa.JGT,
    isa.JGE: isa.JLT,
    isa.JLT: isa.JGE,
    isa.JSGT: isa.JSLE,
    isa.JSLE: isa.JSGT,
    isa.JSGE: isa.JSLT,
    isa.JSLT: isa.JSGE,
}
_SWAPPED = {
    isa.JGT: isa.JLT,
    isa.JGE: isa.JLE,
    isa.JSGT: isa.JSLT,
    isa.JSGE: isa.JSLE,
}


def _ranges(b: Bounds, wide: bool) -> tuple[int, int, int, int]:
    """Return smin, smax, umin, umax of 64 or 32 bits."""
    if wide:
        return b.smin, b.smax, b.umin, b.umax
    return b.s32_min, b.s32_max, b.u32_min, b.u32_max


@lru_cache(_REMEMBERED)
def taken(op: int, wide: bool, a: Bounds, b: Bounds) -> bool | None:
    """Return whether a jump is certainly taken, or not; None if both may be."""
    a_smin, a_smax, a_umin, a_umax = _ranges(a, wide)
    b_smin, b_smax, b_umin, b_umax = _ranges(b, wide)
    if op in (isa.JEQ, isa.JNE):
        equal = _equal(a, b, wide)
        return equal if equal is None or op == isa.JEQ else not equal
    if op == isa.JSET:
        return _any_bit(a, b, wide)
    if op in (isa.JGT, isa.JLE):
        found = _greater(a_umin, a_umax, b_umin, b_umax)
    elif op in (isa.JLT, isa.JGE):
        found = _greater(b_umin, b_umax, a_umin, a_umax)
    elif op in (isa.JSGT, isa.JSLE):
        found = _greater(a_smin, a_smax, b_smin, b_smax)
    else:
        found = _greater(b_smin, b_smax, a_smin, a_smax)
    negated = op in (isa.JLE, isa.JGE, isa.JSLE, isa.JSGE)
    return found if found is None or not negated else not found


def _greater(a_min: int, a_max: int, b_min: int, b_max: int) -> bool | None:
    if a_min > b_max:
        return True
    return False if a_max <= b_min else None


def _equal(a: Bounds, b: Bounds, wide: bool) -> bool | None:
    a_smin, a_smax, a_umin, a_umax = _ranges(a, wide)
    b_smin, b_smax, b_umin, b_umax = _ranges(b, wide)
    bits = U64 if wide else U32
    if not (a.mask | b.mask) & bits:
        return not (a.value ^ b.value) & bits
    if a_umin > b_umax or a_umax < b_umin or a_smin > b_smax or a_smax < b_smin:
        return False
    if wide and (a.u32_min > b.u32_max or a.u32_max < b.u32_min):
        return False
    if wide and (a.s32_min > b.s32_max or a.s32_max < b.s32_min):
        return False
    if (a.value ^ b.value) & ~a.mask & ~b.mask & bits:
        return False
    return None


def _any_bit(a: Bounds, b: Bounds, wide: bool) -> bool | None:
    bits = U64 if wide else U32
    if b.mask & bits:
        if a.mask & bits:
            return None
        a, b = b, a
    if a.value & ~a.mask & b.value & bits:
        return True
    return None if (a.value | a.mask) & b.value & bits else False


@lru_cache(_REMEMBERED)
def refine(op: int, wide: bool, a: Bounds, b: Bounds) -> tuple[Bounds, Bounds]:
    """Return what is known of two numbers where ``a op b`` holds (``regs_refine_cond_op``).

    ``op`` may be minus JSET: no bit in common.
    """
    if op in _SWAPPED:
        b, a = refine(_SWAPPED[op], wide, b, a)
        return a, b
    if op == isa.JEQ:
        both = _intersection(a, b, wide)
        a, b = both
    elif op == isa.JNE:
        a, b = _without(a, b, wide), _without(b, a, wide)
    elif op in (isa.JSET, -isa.JSET):
        a, b = _bits(op > 0, a, b, wide)
    else:
        a, b = _ordered(op, a, b, wide)
    return _sane(sync(a)), _sane(sync(b))


def _sane(b: Bounds) -> Bounds:
    """Return bounds; nothing is known on a path that cannot be."""
    fits = b.umin <= b.umax and b.smin <= b.smax
    return b if fits and b.u32_min <= b.u32_max and b.s32_min <= b.s32_max else UNKNOWN


def _intersection(a: Bounds, b: Bounds, wide: bool) -> tuple[Bounds, Bounds]:
    if wide:
        value, mask = tnum_intersect(a.value, a.mask, b.value, b.mask)
        both = Bounds(
            value,
            mask,
            max(a.smin, b.smin),
            min(a.smax, b.smax),
            max(a.umin, b.umin),
            min(a.umax, b.umax),
            max(a.s32_min, b.s32_min),
            min(a.s32_max, b.s32_max),
            max(a.u32_min, b.u32_min),
            min(a.u32_max, b.u32_max),
        )
        return both, both
    low = tnum_intersect(a.value & U32, a.mask & U32, b.value & U32, b.mask & U32)
    short = {
        "s32_min": max(a.s32_min, b.s32_min),
        "s32_max": min(a.s32_max, b.s32_max),
        "u32_min": max(a.u32_min, b.u32_min),
        "u32_max": min(a.u32_max, b.u32_max),
    }
    first = a._replace(value=a.value & HIGH | low[0], mask=a.mask & HIGH | low[1], **short)
    second = b._replace(value=b.value & HIGH | low[0], mask=b.mask & HIGH | low[1], **short)
    return first, second


def _without(a: Bounds, b: Bounds, wide: bool) -> Bounds:
    """Return ``a`` without a constant that stands at one of its ends."""
    if not (b.const if wide else b.const32):
        return a
    smin, smax, umin, umax = _ranges(a, wide)
    b_smin, _, b_umin, _ = _ranges(b, wide)
    umin += umin == b_umin
    umax -= umax == b_umin
    smin += smin == b_smin
    smax -= smax == b_smin
    return _with_ranges(a, wide, smin, smax, umin, umax)


def _with_ranges(b: Bounds, wide: bool, smin: int, smax: int, umin: int, umax: int) -> Bounds:
    if wide:
        return b._replace(smin=smin, smax=smax, umin=umin, umax=umax)
    return b._replace(s32_min=smin, s32_max=smax, u32_min=umin, u32_max=umax)


def _bits(any: bool, a: Bounds, b: Bounds, wide: bool) -> tuple[Bounds, Bounds]:
    """Learn bits from a test of bits against a constant."""
    if not (b.const if wide else b.const32):
        if not (a.const if wide else a.const32):
            return a, b
        second, first = _bits(any, b, a, wide)
        return first, second
    tested = b.value & (U64 if wide else U32)
    if any:
        if tested & tested - 1 or not tested:
            return a, b
        return a._replace(value=a.value | tested, mask=a.mask & ~tested), b
    return a._replace(value=a.value & ~tested, mask=a.mask & ~tested), b


def _ordered(op: int, a: Bounds, b: Bounds, wide: bool) -> tuple[Bounds, Bounds]:
    """Learn from ``a <= b`` or ``a < b``, unsigned or signed."""
    a_smin, a_smax, a_umin, a_umax = _ranges(a, wide)
    b_smin, b_smax, b_umin, b_umax = _ranges(b, wide)
    strict = op in (isa.JLT, isa.JSLT)
    if op in (isa.JLT, isa.JLE):
        a_umax, b_umin = min(a_umax, b_umax - strict), max(b_umin, a_umin + strict)
    else:
        a_smax, b_smin = min(a_smax, b_smax - strict), max(b_smin, a_smin + strict)
    first = _with_ranges(a, wide, a_smin, a_smax, a_umin, a_umax)
    return first, _with_ranges(b, wide, b_smin, b_smax, b_umin, b_umax)
