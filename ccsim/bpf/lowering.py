"""Expressions of Python for what instructions compute, cut to their widths only where a result may
be too wide."""

from __future__ import annotations

from dataclasses import dataclass, field

from ccsim.bpf import instructions as isa
from ccsim.bpf.known import Value, result_bits
from ccsim.bpf.memory import U32, U64
from ccsim.bpf.operations import CONDITIONS

__all__ = ["Expression", "comparison", "computed", "cut", "literal", "sign_extended"]

NOTHING: frozenset[str] = frozenset()
_SYMBOLS = {isa.ADD: "+", isa.SUB: "-", isa.MUL: "*", isa.OR: "|", isa.AND: "&", isa.XOR: "^"}
_COMPARED = {jump: sign for jump, sign in CONDITIONS.items() if jump != isa.JSET}
_SIGNED = (isa.JSGT, isa.JSGE, isa.JSLT, isa.JSLE)


@dataclass(frozen=True, slots=True)
class Expression:
    """Python text, the variables that it reads, and the kinds of memory."""

    text: str
    reads: frozenset[str] = field(default=NOTHING)
    memory: frozenset[str] = field(default=NOTHING)

    def within(self, pattern: str, *others: Expression) -> Expression:
        """Return a pattern with this expression's text, and others', filled in."""
        every = (self, *others)
        return Expression(
            pattern.format(*(e.text for e in every)),
            NOTHING.union(*(e.reads for e in every)),
            NOTHING.union(*(e.memory for e in every)),
        )


def literal(value: int) -> Expression:
    """Return a constant."""
    return Expression(str(value))


def cut(expression: Expression, bits: int, to: int) -> Expression:
    """Return an expression of ``bits`` bits cut to ``to``."""
    if bits <= to:
        return expression
    return expression.within(f"({{0}} & {(1 << to) - 1})")


def sign_extended(expression: Expression, bits: int, to: int) -> Expression:
    """Return the low ``bits``, as a signed number, in ``to`` bits."""
    sign, low, mask = 1 << bits - 1, (1 << bits) - 1, (1 << to) - 1
    return expression.within(f"((({{0}} & {low}) ^ {sign}) - {sign} & {mask})")


def computed(it: isa.Instruction, a: Expression, va: Value, b: Expression, vb: Value) -> Expression:
    """Return what an instruction of class ALU or ALU64 leaves in its destination."""
    bits = 64 if it.cls == isa.ALU64 else 32
    if it.op == isa.END:
        return _byte_order(it, a, va)
    if it.op == isa.MOV:
        return sign_extended(b, it.offset, bits) if it.offset else cut(b, vb.bits, bits)
    if it.op == isa.NEG:
        return a.within(f"(-{{0}} & {U64 if bits == 64 else U32})")
    result = min(result_bits(it, va, vb, bits), bits + 1)
    if it.op in _SYMBOLS:
        return cut(a.within(f"({{0}} {_SYMBOLS[it.op]} {{1}})", b), _full(it, va, vb, result), bits)
    a, b = cut(a, va.bits, bits), cut(b, vb.bits, bits)
    if it.op in (isa.DIV, isa.MOD):
        return _divided(it, a, b, vb, bits)
    shift = b if vb.known is None else literal(vb.known & bits - 1)
    if vb.known is None:
        shift = b.within(f"({{0}} & {bits - 1})")
    if it.op == isa.LSH:
        return cut(a.within("({0} << {1})", shift), result, bits)
    if it.op == isa.ARSH and va.bits >= bits:
        sign = 1 << bits - 1
        return a.within(f"((({{0}} ^ {sign}) - {sign} >> {{1}}) & {(1 << bits) - 1})", shift)
    return a.within("({0} >> {1})", shift)


def _full(it: isa.Instruction, a: Value, b: Value, result: int) -> int:
    """Return how wide a result is before it is cut, if operands are taken whole."""
    if it.op == isa.SUB:
        return 65
    if it.op == isa.AND:
        return min(a.bits, b.bits)
    wide = max(a.bits, b.bits)
    return max(result, wide)


def _divided(it: isa.Instruction, a: Expression, b: Expression, vb: Value, bits: int) -> Expression:
    """Return a quotient or remainder; by 0 it is 0, or what was to be divided."""
    if it.offset:
        name = "sdiv" if it.op == isa.DIV else "smod"
        return a.within(f"({name}({{0}}, {{1}}, {bits}) & {(1 << bits) - 1})", b)
    sign, otherwise = ("//", "0") if it.op == isa.DIV else ("%", "{0}")
    if vb.known is not None:
        known = vb.known & (1 << bits) - 1
        return a.within(f"({{0}} {sign} {known})") if known else a.within(otherwise)
    return a.within(f"({{0}} {sign} {{1}} if {{1}} else {otherwise})", b)


def _byte_order(it: isa.Instruction, a: Expression, va: Value) -> Expression:
    low = cut(a, va.bits, it.imm)
    if it.cls == isa.ALU64 or it.by_register:
        size = it.imm // 8
        return low.within(f"swapped({{0}}, {size})")
    return low


def comparison(
    it: isa.Instruction, a: Expression, va: Value, b: Expression, vb: Value
) -> Expression:
    """Return the condition of a jump."""
    bits = 64 if it.cls == isa.JMP else 32
    a, b = cut(a, va.bits, bits), cut(b, vb.bits, bits)
    if it.op == isa.JSET:
        return a.within("{0} & {1}", b)
    sign = _COMPARED[it.op]
    if it.op not in _SIGNED:
        return a.within(f"{{0}} {sign} {{1}}", b)
    top = 1 << bits - 1
    positive = va.bits < bits
    if vb.known is not None:
        known = vb.known & (1 << bits) - 1
        if positive and known < top:
            return a.within(f"{{0}} {sign} {known}")
        if known == 0 and it.op in (isa.JSLT, isa.JSGE):
            return a.within(f"{{0}} {'>=' if it.op == isa.JSLT else '<'} {top}")
        if known == (1 << bits) - 1 and it.op in (isa.JSGT, isa.JSLE):
            return a.within(f"{{0}} {'<' if it.op == isa.JSGT else '>='} {top}")
        return a.within(f"({{0}} ^ {top}) {sign} {known ^ top}")
    if positive and vb.bits < bits:
        return a.within(f"{{0}} {sign} {{1}}", b)
    return a.within(f"({{0}} ^ {top}) {sign} ({{1}} ^ {top})", b)
