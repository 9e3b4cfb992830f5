"""What BPF's arithmetic and comparisons yield (RFC 9669, sections 4.1 and 4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from ccsim.bpf import instructions as isa

__all__ = [
    "CONDITIONS",
    "RESULTS",
    "calculation",
    "comparison",
    "condition_of",
    "divided",
    "remainder",
    "result_of",
    "signed",
]


def signed(value: int, bits: int) -> int:
    """Return what the low bits of a number say in two's complement."""
    sign = 1 << bits - 1
    return ((value & (sign << 1) - 1) ^ sign) - sign


def _dividesigned(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def divided(a: int, b: int, bits: int) -> int:
    """Return a signed quotient, rounded towards zero; 0 by 0."""
    a, b = signed(a, bits), signed(b, bits)
    return _dividesigned(a, b) if b else 0


def remainder(a: int, b: int, bits: int) -> int:
    """Return a signed remainder, whose sign is that of ``a``; ``a`` by 0."""
    a, b = signed(a, bits), signed(b, bits)
    return a - b * _dividesigned(a, b) if b else a


RESULTS = {
    isa.ADD: "a + b",
    isa.SUB: "a - b",
    isa.MUL: "a * b",
    isa.DIV: "(a & ALL) // (b & ALL) if b & ALL else 0",
    isa.MOD: "(a & ALL) % (b & ALL) if b & ALL else a",
    isa.OR: "a | b",
    isa.AND: "a & b",
    isa.XOR: "a ^ b",
    isa.LSH: "a << (b & MOST)",
    isa.RSH: "(a & ALL) >> (b & MOST)",
    isa.ARSH: "(a & ALL ^ SIGN) - SIGN >> (b & MOST)",
    isa.NEG: "-a",
    isa.MOV: "b",
}
"""What each operation gives of two unsigned numbers, before it is cut to the width."""
_NEVER_WIDER = frozenset({isa.OR, isa.AND, isa.XOR, isa.MOV, isa.RSH})
CONDITIONS = {
    isa.JEQ: "==",
    isa.JNE: "!=",
    isa.JGT: ">",
    isa.JGE: ">=",
    isa.JLT: "<",
    isa.JLE: "<=",
    isa.JSET: "&",
    isa.JSGT: ">",
    isa.JSGE: ">=",
    isa.JSLT: "<",
    isa.JSLE: "<=",
}
"""When each conditional jump is taken."""
_SIGNED = frozenset({isa.JSGT, isa.JSGE, isa.JSLT, isa.JSLE})


def _of(expression: str, bits: int, a: str, b: str) -> str:
    """Return an expression with its operands, and with the constants of a width."""
    names = {"a": a, "b": b, "ALL": hex((1 << bits) - 1), "SIGN": hex(1 << bits - 1)}
    names["MOST"] = str(bits - 1)
    return re.sub(r"[A-Za-z]+", lambda found: names.get(found[0], found[0]), expression)


def result_of(op: int, bits: int, a: str, b: str) -> str:
    """Return, as Python, the result of an operation on two registers' 64 bits."""
    result = _of(RESULTS[op], bits, a, b)
    if bits == 64 and op in _NEVER_WIDER:
        return result
    return f"({result}) & {hex((1 << bits) - 1)}"


def condition_of(op: int, bits: int, a: str, b: str) -> str:
    """Return, as Python, whether a jump is taken.

    With their sign bits turned round, signed numbers are in the order of unsigned ones.
    """
    operand = "a" if bits == 64 else "(a & ALL)"
    operand = "(a & ALL ^ SIGN)" if op in _SIGNED else operand
    first, second = (_of(operand, bits, name, "") for name in (a, b))
    return f"{first} {CONDITIONS[op]} {second}"


@cache
def calculation(op: int, bits: int) -> Callable[[int, int], int]:
    """Return an operation as a function."""
    return eval(f"lambda a, b: {result_of(op, bits, 'a', 'b')}")


@cache
def comparison(op: int, bits: int) -> Callable[[int, int], int]:
    """Return a condition as a function."""
    return eval(f"lambda a, b: {condition_of(op, bits, 'a', 'b')}")
