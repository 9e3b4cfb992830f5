"""What BPF's arithmetic and comparisons yield (RFC 9669, sections 4.1 and 4.3)."""

from __future__ import annotations

import operator
from collections.abc import Callable

from ccsim.bpf import instructions as isa

__all__ = [
    "ARITHMETIC",
    "COMPARISONS",
    "SHIFTS",
    "SIGNED_JUMPS",
    "calculated",
    "divided",
    "remainder",
    "signed",
]


def signed(value: int, bits: int) -> int:
    """Return what the low bits of a number say in two's complement."""
    sign = 1 << bits - 1
    return ((value & (sign << 1) - 1) ^ sign) - sign


def _dividesigned(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _div(a: int, b: int) -> int:
    return a // b if b else 0


def _mod(a: int, b: int) -> int:
    return a % b if b else a


def divided(a: int, b: int, bits: int) -> int:
    """Return a signed quotient, rounded towards zero; 0 by 0."""
    a, b = signed(a, bits), signed(b, bits)
    return _dividesigned(a, b) if b else 0


def remainder(a: int, b: int, bits: int) -> int:
    """Return a signed remainder, whose sign is that of ``a``; ``a`` by 0."""
    a, b = signed(a, bits), signed(b, bits)
    return a - b * _dividesigned(a, b) if b else a


def _second(a: int, b: int) -> int:
    return b


ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    isa.ADD: operator.add,
    isa.SUB: operator.sub,
    isa.MUL: operator.mul,
    isa.DIV: _div,
    isa.MOD: _mod,
    isa.OR: operator.or_,
    isa.AND: operator.and_,
    isa.XOR: operator.xor,
    isa.LSH: operator.lshift,
    isa.RSH: operator.rshift,
    isa.ARSH: operator.rshift,
    isa.MOV: _second,
    isa.NEG: lambda a, b: -a,
}
"""Results that are too wide, or negative, are cut to 64 or 32 bits by the handler, which also cuts
what is shifted by, and gives ARSH its first operand with a sign."""
SHIFTS = frozenset({isa.LSH, isa.RSH, isa.ARSH})


def calculated(op: int, a: int, b: int, bits: int) -> int:
    """Return the result of an operation on numbers of so many bits."""
    if op in SHIFTS:
        b &= bits - 1
        a = signed(a, bits) if op == isa.ARSH else a
    return ARITHMETIC[op](a, b) & (1 << bits) - 1


COMPARISONS: dict[int, Callable[[int, int], int]] = {
    isa.JEQ: operator.eq,
    isa.JNE: operator.ne,
    isa.JGT: operator.gt,
    isa.JGE: operator.ge,
    isa.JLT: operator.lt,
    isa.JLE: operator.le,
    isa.JSET: operator.and_,
    isa.JSGT: operator.gt,
    isa.JSGE: operator.ge,
    isa.JSLT: operator.lt,
    isa.JSLE: operator.le,
}
SIGNED_JUMPS = frozenset({isa.JSGT, isa.JSGE, isa.JSLT, isa.JSLE})
