"""The interpreter, which defines what a program means: one handler an operation (RFC 9669)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccsim.bpf import instructions as isa
from ccsim.bpf.memory import (
    FRAMES,
    FUNCTIONS,
    MAP_HANDLES,
    MAP_VALUES,
    MAX_FRAMES,
    STACK_BYTES,
    U32,
    U64,
    BpfFault,
    Buffer,
    Invocation,
)

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Code, Runtime

__all__ = [
    "ARITHMETIC",
    "BACK_JUMPS",
    "COMPARISONS",
    "MAY_GOTO",
    "SIGNED_JUMPS",
    "divided",
    "interpreted",
    "remainder",
    "wide_constant",
]

BACK_JUMPS = 1 << 20
"""Jumps backwards in one call. The kernel's verifier follows at most a million instructions, so no
loop that it accepts is longer; those of ``bpf_loop`` and ``may_goto`` have their own limits."""
MAY_GOTO = 8 * 1024 * 1024  # BPF_MAX_LOOPS
_BIT63, _BIT31 = 1 << 63, 1 << 31
_EXIT = -1

Registers = list[int]
Step = Callable[["Machine", Registers, int], int]


class Machine:
    """What handlers work on besides the registers: the invocation and the decoded program."""

    __slots__ = ("code", "invocation", "may_goto")

    def __init__(self, code: Code, invocation: Invocation) -> None:
        self.code = code
        self.invocation = invocation
        self.may_goto = MAY_GOTO


@dataclass(frozen=True, slots=True)
class _Operation:
    """An instruction as the loop wants it: who handles it, and its operands."""

    handle: Callable[[Machine, Registers, int, _Operation], int]
    apply: Callable[..., Any]  # the arithmetic or comparison; how to extend what is loaded
    dst: int
    src: int  # of the second operand; 11 for the immediate
    offset: int
    imm: int
    size: int


IMMEDIATE = 11  # stands behind the registers


def interpreted(runtime: Runtime, code: Code) -> Callable[..., int]:
    """Return the program as a function of invocation and arguments, run by the interpreter."""
    operations = [_decode(it, code) for it in code.instructions]

    def run(invocation: Invocation, slot: int, *args: int) -> int:
        depth = invocation.depth
        if depth >= MAX_FRAMES:
            raise BpfFault(f"the call stack of {depth + 1} frames is too deep")
        number = (FRAMES >> 32) + depth
        invocation.regions[number] = Buffer(bytearray(STACK_BYTES))
        invocation.depth = depth + 1
        registers = [0, *args, *(0,) * (9 - len(args)), (number << 32) + STACK_BYTES, 0]
        machine = Machine(code, invocation)
        at = slot
        try:
            while True:
                operation = operations[at]
                following = operation.handle(machine, registers, at, operation)
                if following <= at:
                    if following == _EXIT:
                        return registers[0]
                    _count_back_jump(invocation)
                at = following
        except BpfFault as fault:
            raise code.placed(fault, at) from fault
        finally:
            invocation.depth = depth
            del invocation.regions[number]

    return run


def _count_back_jump(invocation: Invocation) -> None:
    """End a loop that does not end by itself."""
    invocation.back_jumps += 1
    if invocation.back_jumps > BACK_JUMPS:
        raise BpfFault(f"the loop does not end: it has gone round {BACK_JUMPS} times")


# --- arithmetic ---


def _signed(value: int, bits: int) -> int:
    """Return what the low bits of a number say in two's complement."""
    sign = 1 << bits - 1
    return ((value & (sign << 1) - 1) ^ sign) - sign


def _divide_signed(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _div(a: int, b: int, bits: int) -> int:
    return a // b if b else 0


def _mod(a: int, b: int, bits: int) -> int:
    return a % b if b else a


def divided(a: int, b: int, bits: int) -> int:
    """Return a signed quotient, rounded towards zero; 0 by 0."""
    a, b = _signed(a, bits), _signed(b, bits)
    return _divide_signed(a, b) if b else 0


def remainder(a: int, b: int, bits: int) -> int:
    """Return a signed remainder, whose sign is that of ``a``; ``a`` by 0."""
    a, b = _signed(a, bits), _signed(b, bits)
    return a - b * _divide_signed(a, b) if b else a


def _arsh(a: int, b: int, bits: int) -> int:
    return _signed(a, bits) >> (b & bits - 1)


ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    isa.ADD: lambda a, b, bits: a + b,
    isa.SUB: lambda a, b, bits: a - b,
    isa.MUL: lambda a, b, bits: a * b,
    isa.DIV: _div,
    isa.MOD: _mod,
    isa.OR: lambda a, b, bits: a | b,
    isa.AND: lambda a, b, bits: a & b,
    isa.XOR: lambda a, b, bits: a ^ b,
    isa.LSH: lambda a, b, bits: a << (b & bits - 1),
    isa.RSH: lambda a, b, bits: a >> (b & bits - 1),
    isa.ARSH: _arsh,
    isa.MOV: lambda a, b, bits: b,
    isa.NEG: lambda a, b, bits: -a,
}
"""Results that are too wide, or negative, are cut to 64 or 32 bits by the handler."""

COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    isa.JEQ: lambda a, b: a == b,
    isa.JNE: lambda a, b: a != b,
    isa.JGT: lambda a, b: a > b,
    isa.JGE: lambda a, b: a >= b,
    isa.JLT: lambda a, b: a < b,
    isa.JLE: lambda a, b: a <= b,
    isa.JSET: lambda a, b: a & b != 0,
    isa.JSGT: lambda a, b: a > b,
    isa.JSGE: lambda a, b: a >= b,
    isa.JSLT: lambda a, b: a < b,
    isa.JSLE: lambda a, b: a <= b,
}
SIGNED_JUMPS = frozenset({isa.JSGT, isa.JSGE, isa.JSLT, isa.JSLE})


def _alu64(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    b = it.imm if it.src == IMMEDIATE else r[it.src]
    r[it.dst] = it.apply(r[it.dst], b, 64) & U64
    return at + 1


def _alu32(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    b = it.imm if it.src == IMMEDIATE else r[it.src]
    r[it.dst] = it.apply(r[it.dst] & U32, b & U32, 32) & U32
    return at + 1


def _movsx(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    """Move with sign extension from 8, 16 or 32 bits; ``size`` is the width of the result."""
    r[it.dst] = _signed(r[it.src], it.offset) & (1 << it.size) - 1
    return at + 1


def _byte_order(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    """Cut to ``imm`` bits; to big-endian, or unconditionally (class ALU64), swap the bytes."""
    size = it.imm // 8
    value = r[it.dst] & (1 << it.imm) - 1
    r[it.dst] = int.from_bytes(value.to_bytes(size, "little"), "big") if it.offset else value
    return at + 1


def _constant(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    r[it.dst] = it.imm
    return at + 2


# --- memory ---


def _load(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    address = r[it.src] + it.offset
    region = machine.invocation.regions.get(address >> 32)
    if type(region) is Buffer and (address & U32) + it.size <= len(region.data):
        start = address & U32
        r[it.dst] = int.from_bytes(region.data[start : start + it.size], "little")
    else:
        r[it.dst] = machine.invocation.load(address & U64, it.size)
    return at + 1


def _load_signed(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    value = machine.invocation.load(r[it.src] + it.offset & U64, it.size)
    r[it.dst] = _signed(value, it.size * 8) & U64
    return at + 1


def _store(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    value = it.imm if it.src == IMMEDIATE else r[it.src]
    machine.invocation.store(r[it.dst] + it.offset & U64, it.size, value)
    return at + 1


def _atomic(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    """Read, compute and write: nothing runs beside a hook, so nothing more is needed."""
    if it.imm == isa.LOAD_ACQ:
        return _load(machine, r, at, it)
    address = r[it.dst] + it.offset & U64
    if it.imm == isa.STORE_REL:
        machine.invocation.store(address, it.size, r[it.src])
        return at + 1
    old = machine.invocation.load(address, it.size)
    if it.imm == isa.CMPXCHG:
        if old == r[0] & (1 << it.size * 8) - 1:
            machine.invocation.store(address, it.size, r[it.src])
        r[0] = old
        return at + 1
    machine.invocation.store(address, it.size, it.apply(old, r[it.src], 64))
    if it.imm & isa.FETCH:
        r[it.src] = old
    return at + 1


# --- jumps and calls ---


def _jump(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    return at + 1 + it.offset


def _jump64(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    b = it.imm if it.src == IMMEDIATE else r[it.src]
    return at + 1 + it.offset if it.apply(r[it.dst], b) else at + 1


def _jump32(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    b = it.imm if it.src == IMMEDIATE else r[it.src]
    return at + 1 + it.offset if it.apply(r[it.dst] & U32, b & U32) else at + 1


def _signed_jump(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    b = it.imm if it.src == IMMEDIATE else r[it.src]
    taken = it.apply(_signed(r[it.dst], it.size), _signed(b, it.size))
    return at + 1 + it.offset if taken else at + 1


def _may_goto(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    """Jump once the frame's budget of rounds is used up."""
    if not machine.may_goto:
        return at + 1 + it.offset
    machine.may_goto -= 1
    machine.invocation.back_jumps -= 1  # such a loop has this budget instead
    return at + 1


def _call_function(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    r[0] = machine.invocation.call(at + 1 + it.imm, *r[1:6])
    return at + 1


def _call_kernel(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    """Call a helper or a kernel function."""
    r[0] = it.apply(machine.invocation, *r[1:6]) & U64
    return at + 1


def _exit(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    return _EXIT


def _unknown(machine: Machine, r: Registers, at: int, it: _Operation) -> int:
    raise BpfFault(f"unknown opcode {machine.code.instructions[at].opcode:#04x}")


# --- decoding ---


def _decode(it: isa.Instruction, code: Code) -> _Operation:
    """Choose the handler of an instruction."""
    handle, apply = _handler(it, code)
    src = it.src
    imm = it.imm & U64
    offset, size = it.offset, it.size
    if it.opcode == isa.LD_IMM64:
        imm = wide_constant(it)
    elif it.cls in (isa.ALU, isa.ALU64):
        size = 32 if it.cls == isa.ALU else 64
        src = it.src if it.by_register else IMMEDIATE
        if it.op == isa.END:
            offset = it.cls == isa.ALU64 or it.by_register
    elif it.cls in (isa.JMP, isa.JMP32):
        size = 32 if it.cls == isa.JMP32 else 64
        src = it.src if it.by_register else IMMEDIATE
        if it.op == isa.JA and it.cls == isa.JMP32:  # gotol
            offset = it.imm
        imm = it.imm if it.op == isa.CALL else imm
    elif it.cls == isa.ST:
        src = IMMEDIATE
    return _Operation(handle, apply, it.dst, src, offset, imm, size)


def wide_constant(it: isa.Instruction) -> int:
    """Return what LD_IMM64 loads: a number, or the address of what it names."""
    low = it.imm & U32
    if it.src == isa.PSEUDO_MAP_FD:
        return MAP_HANDLES | low
    if it.src == isa.PSEUDO_MAP_VALUE:
        return MAP_VALUES + (low << 32) + (it.imm >> 32)
    if it.src == isa.PSEUDO_FUNC:
        return FUNCTIONS | low
    return it.imm & U64


def _handler(it: isa.Instruction, code: Code) -> tuple[Callable[..., int], Callable[..., Any]]:
    """Return who handles an instruction, and the arithmetic, comparison or callee if any."""
    if it.opcode == isa.LD_IMM64:
        return _constant, _nothing
    if it.cls in (isa.ALU, isa.ALU64):
        return _arithmetic(it)
    if it.cls in (isa.JMP, isa.JMP32):
        return _branch(it, code)
    if it.cls == isa.LDX and it.mode in (isa.MEM, isa.MEMSX):
        return (_load if it.mode == isa.MEM else _load_signed), _nothing
    if it.cls in (isa.ST, isa.STX) and it.mode == isa.MEM:
        return _store, _nothing
    if it.cls == isa.STX and it.mode == isa.ATOMIC:
        return _atomic, ARITHMETIC.get(it.imm & 0xF0, ARITHMETIC[isa.MOV])
    return _unknown, _nothing


def _arithmetic(it: isa.Instruction) -> tuple[Callable[..., int], Callable[..., Any]]:
    if it.op == isa.END:
        return _byte_order, _nothing
    if it.op == isa.MOV and it.offset:
        return _movsx, _nothing
    apply = ARITHMETIC.get(it.op)
    if apply is None:
        return _unknown, _nothing
    if it.offset:
        apply = {isa.DIV: divided, isa.MOD: remainder}.get(it.op, apply)
    return (_alu32 if it.cls == isa.ALU else _alu64), apply


def _branch(it: isa.Instruction, code: Code) -> tuple[Callable[..., int], Callable[..., Any]]:
    if it.op == isa.JA:
        return _jump, _nothing
    if it.op == isa.EXIT:
        return _exit, _nothing
    if it.op == isa.JCOND:
        return _may_goto, _nothing
    if it.op == isa.CALL:
        if it.src == isa.CALL_LOCAL:
            return _call_function, _nothing
        return _call_kernel, code.callee(it)
    if it.op in SIGNED_JUMPS:
        return _signed_jump, COMPARISONS[it.op]
    return (_jump32 if it.cls == isa.JMP32 else _jump64), COMPARISONS[it.op]


def _nothing(*args: Any) -> int:
    return 0
