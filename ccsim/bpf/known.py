"""What is known of registers at each instruction: constants, addresses among them, and widths.

An address whose place is known is a constant, as regions have fixed numbers; so constants are all
that it takes to know which member of the socket an access means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ccsim.bpf import instructions as isa
from ccsim.bpf.graph import BasicBlock, Graph
from ccsim.bpf.interpreter import wide_constant
from ccsim.bpf.memory import FRAMES, MAP_VALUES, STACK_BYTES, U32, U64
from ccsim.bpf.operations import calculation, comparison

__all__ = [
    "ANY",
    "KnownState",
    "Value",
    "analyse",
    "constant",
    "decide",
    "region_of",
    "scalar",
    "transfer",
]

WIDTHS = (1, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a number: it has at most that many ``bits``; its ``known`` value; or that it
    is an address in ``region``, or NULL."""

    bits: int = 64
    known: int | None = None
    region: int = 0


ANY = Value()


def constant(value: int) -> Value:
    """Return what is known of a constant."""
    value &= U64
    return Value(value.bit_length(), value, region_of(value))


def scalar(bits: int) -> Value:
    """Return what is known of a number of that many bits."""
    return Value(min(bits, 64))


def region_of(address: int) -> int:
    """Return the number of the region that an address would be in; 0 where there are none."""
    number = address >> 32
    return number if number < (MAP_VALUES >> 32) + (1 << 16) else 0


def _merge(a: Value | None, b: Value | None) -> Value | None:
    """Return what is known on either path; None where one path leaves the register unset."""
    if a == b or a is None or b is None:
        return a if a == b else None
    bits = next(width for width in WIDTHS if width >= max(a.bits, b.bits, 1))
    if a.region and (a.region == b.region or b.known == 0):
        return Value(64, None, a.region)
    if b.region and a.known == 0:
        return Value(64, None, b.region)
    return Value(bits)


@dataclass(slots=True)
class KnownState:
    """Registers, and what was spilled to the stack, by address; whether the socket may have been
    moved to another implementation meanwhile."""

    registers: list[Value | None]
    stack: dict[int, Value] = field(default_factory=dict)
    moved: bool = False

    def copy(self) -> KnownState:
        """Return a state of its own."""
        return KnownState(list(self.registers), dict(self.stack), self.moved)

    def merge(self, other: KnownState) -> bool:
        """Keep what holds in both; report whether that is less than before."""
        registers = [_merge(a, b) for a, b in zip(self.registers, other.registers, strict=True)]
        stack = {
            at: merged
            for at, value in self.stack.items()
            if (merged := _merge(value, other.stack.get(at))) is not None
        }
        moved = self.moved or other.moved
        changed = (registers, stack, moved) != (self.registers, self.stack, self.moved)
        self.registers, self.stack, self.moved = registers, stack, moved
        return changed


Call = Callable[[KnownState, int, isa.Instruction], Value]


def analyse(
    program: Sequence[isa.Instruction],
    graph: Graph,
    arguments: Sequence[Value | None],
    depth: int,
    call: Call,
    load: Callable[[KnownState, int, int, Value], Value],
) -> dict[int, KnownState]:
    """Return what is known at the beginning of each block.

    ``call`` tells what a call returns, ``load`` what an access yields, given its size and address.
    """
    frame = constant(FRAMES + (depth << 32) + STACK_BYTES)
    first = KnownState([None, *arguments, *(None,) * (9 - len(arguments)), frame])
    states = {graph.order[0]: first}
    waiting = {graph.order[0]}
    while waiting:
        start = min(waiting, key=lambda at: graph.blocks[at].number)
        waiting.remove(start)
        block = graph.blocks[start]
        state = states[start].copy()
        at = start
        while at < block.end:
            transfer(program, state, at, call, load)
            at += 2 if program[at].opcode == isa.LD_IMM64 else 1
        following = decide(program, block, state)
        for target in following:
            if target not in states:
                states[target] = state.copy()
                waiting.add(target)
            elif states[target].merge(state):
                waiting.add(target)
    return states


def decide(
    program: Sequence[isa.Instruction], block: BasicBlock, state: KnownState
) -> tuple[int, ...]:
    """Return the blocks that can follow, which is one where both sides of a jump are known."""
    at = block.end - 1
    it = program[at]
    if len(block.following) < 2 or it.op == isa.JCOND:
        return block.following
    a, b = state.registers[it.dst] or ANY, second(it, state.registers)
    if a.known is None or b.known is None:
        return block.following
    taken = comparison(it.op, 64 if it.cls == isa.JMP else 32)(a.known, b.known)
    return block.following[:1] if taken else block.following[1:]


def transfer(
    program: Sequence[isa.Instruction],
    state: KnownState,
    at: int,
    call: Call,
    load: Callable[[KnownState, int, int, Value], Value],
) -> None:
    """Apply what one instruction does to what is known."""
    it = program[at]
    r = state.registers
    if it.opcode == isa.LD_IMM64:
        r[it.dst] = constant(wide_constant(it))
    elif it.cls in (isa.ALU, isa.ALU64):
        r[it.dst] = arithmetic(it, r[it.dst] or ANY, second(it, r))
    elif it.cls == isa.LDX:
        r[it.dst] = _loaded(state, it, load)
    elif it.cls in (isa.ST, isa.STX):
        _stored(state, it)
    elif it.opcode == isa.CALL_OPCODE:
        r[0] = call(state, at, it)
        r[1:6] = [None] * 5


def second(it: isa.Instruction, registers: Sequence[Value | None]) -> Value:
    """Return the second operand."""
    return registers[it.src] or ANY if it.by_register else constant(it.imm)


def _loaded(state: KnownState, it: isa.Instruction, load: Callable[..., Value]) -> Value:
    address = add(state.registers[it.src] or ANY, it.offset)
    if it.mode == isa.MEM:
        if it.size == 8 and address.known is not None and address.known in state.stack:
            return state.stack[address.known]
        return load(state, it.size, it.offset, address)
    return ANY


def _stored(state: KnownState, it: isa.Instruction) -> None:
    """Note what is spilled; forget what is overwritten."""
    address = add(state.registers[it.dst] or ANY, it.offset)
    if it.mode == isa.ATOMIC:
        if it.imm & isa.FETCH and it.imm not in (isa.CMPXCHG, isa.STORE_REL):
            state.registers[it.src] = scalar(it.size * 8)
        if it.imm == isa.CMPXCHG:
            state.registers[0] = scalar(it.size * 8)
        if it.imm == isa.LOAD_ACQ:
            state.registers[it.dst] = scalar(it.size * 8)
            return
    if address.known is None:
        if not address.region or FRAMES >> 32 <= address.region < (FRAMES >> 32) + 8:
            state.stack.clear()
        return
    for other in [a for a in state.stack if a < address.known + it.size and address.known < a + 8]:
        del state.stack[other]
    is_frame = FRAMES >> 32 <= address.region < (FRAMES >> 32) + 8
    if is_frame and it.mode == isa.MEM and it.size == 8:
        value = constant(it.imm) if it.cls == isa.ST else state.registers[it.src]
        if value is not None:
            state.stack[address.known] = value


def add(value: Value, offset: int) -> Value:
    """Return a register plus a constant."""
    if value.known is not None:
        return constant(value.known + offset)
    return Value(64, None, value.region)


def arithmetic(it: isa.Instruction, a: Value, b: Value) -> Value:
    """Return what is known of the result of an instruction of class ALU or ALU64."""
    wide = it.cls == isa.ALU64
    bits = 64 if wide else 32
    mask = U64 if wide else U32
    if it.op == isa.END:
        return scalar(it.imm)
    if it.op == isa.MOV:
        if it.offset:
            return scalar(bits)
        if b.known is not None:
            return constant(b.known & mask)
        return b if wide else scalar(min(b.bits, 32))
    if it.op == isa.NEG:
        return constant(-a.known & mask) if a.known is not None else scalar(bits)
    if a.known is not None and b.known is not None and not it.offset:
        x, y = (a.known, b.known) if wide else (a.known & U32, b.known & U32)
        return constant(calculation(it.op, bits)(x, y))
    if wide and it.op in (isa.ADD, isa.SUB) and (a.region or b.region):
        return Value(64, None, a.region or b.region)
    return scalar(min(result_bits(it, a, b, bits), bits))


def result_bits(it: isa.Instruction, a: Value, b: Value, bits: int) -> int:
    """Return how many bits a result can have before it is cut; more than ``bits`` if it has to
    be."""
    x, y = min(a.bits, bits), min(b.bits, bits)
    if it.offset:  # signed division
        return bits
    if it.op == isa.ADD:
        return max(x, y) + 1
    if it.op == isa.MUL:
        return x + y
    if it.op in (isa.OR, isa.XOR):
        return max(x, y)
    if it.op == isa.AND:
        return min(x, y)
    if it.op in (isa.DIV, isa.MOD):
        return x
    if it.op == isa.RSH:
        return max(x - (b.known & bits - 1), 0) if b.known is not None else x
    if it.op == isa.LSH and b.known is not None:
        return x + (b.known & bits - 1)
    if it.op == isa.ARSH and x < bits:
        return max(x - (b.known & bits - 1), 0) if b.known is not None else x
    return bits + 1 if it.op in (isa.SUB, isa.LSH) else bits
