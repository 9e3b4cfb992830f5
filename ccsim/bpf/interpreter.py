"""The interpreter, which defines what a program means: one handler an operation (RFC 9669)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ccsim.bpf import instructions as isa
from ccsim.bpf.bindings import sock_reader, sock_writer
from ccsim.bpf.memory import (
    CTX,
    FRAMES,
    FUNCTIONS,
    MAP_HANDLES,
    MAP_VALUES,
    MAX_FRAMES,
    SOCK,
    STACK_BYTES,
    U32,
    U64,
    BpfFault,
    Buffer,
    Invocation,
)
from ccsim.bpf.operations import (
    CONDITIONS,
    RESULTS,
    calculation,
    condition_of,
    divided,
    remainder,
    result_of,
    signed,
)

if TYPE_CHECKING:
    from ccsim.bpf.runtime import Code, Runtime

__all__ = ["BACK_JUMPS", "MAY_GOTO", "interpreted", "wide_constant"]

BACK_JUMPS = 1 << 20
"""Jumps backwards in one call. The kernel's verifier follows at most a million instructions, so no
loop that it accepts is longer; those of ``bpf_loop`` and ``may_goto`` have their own limits."""
MAY_GOTO = 8 * 1024 * 1024  # BPF_MAX_LOOPS
_BIT63, _BIT31 = 1 << 63, 1 << 31
_EXIT = 1 << 62  # behind every slot
_SOCK, _CTX = SOCK >> 32, CTX >> 32
_ZEROS = (0,) * 9

Registers = list[int]
Step = Callable[[Invocation, Registers], int | None]
"""One instruction at work on the registers; a jump returns the slot that comes next."""


class StepBlock(NamedTuple):
    """Steps that follow each other up to a jump, the slot of each, and of the last."""

    steps: list[Step]
    slots: list[int]
    last: int


class _Program:
    """A program as steps: those from a slot up to the next jump, made when first they are run.

    ``constants`` are the immediate operands, which stand behind the registers, so that a second
    operand is always the number of one of them.
    """

    def __init__(self, code: Code) -> None:
        self.code = code
        self.constants: list[int] = []
        self._numbers: dict[int, int] = {}
        self.steps = [_step(self, at, it) for at, it in enumerate(code.instructions)]
        self.blocks: dict[int, StepBlock] = {}
        self.has_frames = any(10 in (it.src, it.dst) for it in code.instructions)

    def second(self, it: isa.Instruction, *, by_register: bool) -> int:
        """Return where an instruction's second operand stands."""
        if by_register:
            return it.src
        value = it.imm & U64
        if value not in self._numbers:
            self._numbers[value] = 11 + len(self.constants)
            self.constants.append(value)
        return self._numbers[value]

    def block(self, start: int) -> StepBlock:
        """Make the steps from a slot on, up to a jump."""
        steps, slots, at = [], [], start
        while at < len(self.steps):
            it = self.code.instructions[at]
            steps.append(self.steps[at])
            slots.append(at)
            if it.cls in (isa.JMP, isa.JMP32) and it.op != isa.CALL:
                break
            at += 2 if it.opcode == isa.LD_IMM64 else 1
        else:
            steps.append(_behind_the_end)
            slots.append(at)
        self.blocks[start] = StepBlock(steps, slots, slots[-1])
        return self.blocks[start]


def interpreted(runtime: Runtime, code: Code) -> Callable[..., int]:
    """Return the program as a function of invocation and arguments, run by the interpreter."""
    program = _Program(code)
    blocks, block, constants = program.blocks, program.block, program.constants
    has_frames = program.has_frames

    def run(invocation: Invocation, slot: int, *args: int) -> int:
        depth = invocation.depth
        if depth >= MAX_FRAMES:
            raise BpfFault(f"the call stack of {depth + 1} frames is too deep")
        number = (FRAMES >> 32) + depth
        if has_frames:
            invocation.regions[number] = Buffer(bytearray(STACK_BYTES))
        invocation.depth = depth + 1
        registers = [0, *args, *_ZEROS[len(args) :], (number << 32) + STACK_BYTES, *constants]
        following: int | None = slot
        try:
            while following != _EXIT:
                steps, slots, last = blocks.get(following) or block(following)  # type: ignore[arg-type]
                for step in steps:
                    following = step(invocation, registers)
                if following <= last:  # type: ignore[operator]
                    _count_back_jump(invocation)
        except BpfFault as fault:
            raise code.placed(fault, slots[steps.index(step)]) from fault
        finally:
            if invocation.may_goto:
                invocation.may_goto.pop(depth + 1, None)
            invocation.depth = depth
            if has_frames:
                del invocation.regions[number]
        return registers[0]

    return run


def _count_back_jump(invocation: Invocation) -> None:
    """End a loop that does not end by itself."""
    invocation.back_jumps += 1
    if invocation.back_jumps > BACK_JUMPS:
        raise BpfFault(f"the loop does not end: it has gone round {BACK_JUMPS} times")


def _behind_the_end(call: Invocation, r: Registers) -> int:
    raise BpfFault("the program goes on behind its end")


def _step(program: _Program, at: int, it: isa.Instruction) -> Step:
    """Return an instruction as a step."""
    if it.opcode == isa.LD_IMM64:
        return _constant(it)
    if it.cls in (isa.ALU, isa.ALU64):
        return _arithmetic(program, it)
    if it.cls in (isa.JMP, isa.JMP32):
        return _branch(program, at, it)
    if it.cls == isa.LDX and it.mode in (isa.MEM, isa.MEMSX):
        return _load(it) if it.mode == isa.MEM else _load_signed(it)
    if it.cls in (isa.ST, isa.STX) and it.mode == isa.MEM:
        return _store(it, program.second(it, by_register=it.cls == isa.STX))
    if it.cls == isa.STX and it.mode == isa.ATOMIC:
        return _atomic(it)
    return _unknown(it)


def _arithmetic(program: _Program, it: isa.Instruction) -> Step:
    bits = 64 if it.cls == isa.ALU64 else 32
    if it.op == isa.END:
        return _byte_order(it)
    second = program.second(it, by_register=it.by_register)
    if it.op == isa.MOV and it.offset:
        return _move_signed(it, bits)
    if it.offset and it.op in (isa.DIV, isa.MOD):
        return _signed_division(it, second, bits)
    if it.op not in RESULTS:
        return _unknown(it)
    return _calculated(it.op, bits)(it.dst, second)


def _branch(program: _Program, at: int, it: isa.Instruction) -> Step:
    target = at + 1 + it.offset
    if it.op == isa.JA:
        return _jump(target if it.cls == isa.JMP else at + 1 + it.imm)
    if it.op == isa.EXIT:
        return _exit
    if it.op == isa.JCOND:
        return _may_goto(at, target)
    if it.op == isa.CALL:
        if it.src == isa.CALL_LOCAL:
            return _call_function(at + 1 + it.imm)
        return _call_kernel(program.code.callee(it))
    second = program.second(it, by_register=it.by_register)
    if it.op not in CONDITIONS:
        return _unknown(it)
    return _compared(it.op, 64 if it.cls == isa.JMP else 32)(it.dst, second, target, at + 1)


# --- arithmetic ---


@cache
def _calculated(op: int, bits: int) -> Callable[[int, int], Step]:
    """Return what makes the step of an operation from the numbers of its registers."""
    result = result_of(op, bits, "r[a]", "r[b]")
    namespace: dict[str, Any] = {}
    exec(f"def make(a, b):\n def step(call, r): r[a] = {result}\n return step", namespace)
    return namespace["make"]


def _signed_division(it: isa.Instruction, second: int, bits: int) -> Step:
    dst, mask = it.dst, (1 << bits) - 1
    apply = divided if it.op == isa.DIV else remainder

    def step(call: Invocation, r: Registers) -> None:
        r[dst] = apply(r[dst], r[second], bits) & mask

    return step


def _move_signed(it: isa.Instruction, bits: int) -> Step:
    """Move with sign extension from 8, 16 or 32 bits."""
    dst, src, width, mask = it.dst, it.src, it.offset, (1 << bits) - 1

    def step(call: Invocation, r: Registers) -> None:
        r[dst] = signed(r[src], width) & mask

    return step


def _byte_order(it: isa.Instruction) -> Step:
    """Cut to ``imm`` bits; to big-endian, or unconditionally (class ALU64), swap the bytes."""
    dst, mask, size = it.dst, (1 << it.imm) - 1, it.imm // 8
    order: Literal["big", "little"]
    order = "big" if it.cls == isa.ALU64 or it.by_register else "little"

    def step(call: Invocation, r: Registers) -> None:
        r[dst] = int.from_bytes((r[dst] & mask).to_bytes(size, "little"), order)

    return step


def _constant(it: isa.Instruction) -> Step:
    dst, value = it.dst, wide_constant(it)

    def step(call: Invocation, r: Registers) -> None:
        r[dst] = value

    return step


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


# --- memory ---


def _load(it: isa.Instruction) -> Step:
    """Read memory; what an instruction has read of socket and arguments, it mostly reads again."""
    dst, src, offset, size = it.dst, it.src, it.offset, it.size
    known = -1
    read: Callable[[Invocation], int] = _no_reader

    def step(call: Invocation, r: Registers) -> None:
        nonlocal known, read
        address = r[src] + offset
        if address == known:
            r[dst] = read(call)
            return
        region = call.regions.get(address >> 32)
        try:
            r[dst] = region.load(address & U32, size)  # type: ignore[union-attr]
        except (IndexError, AttributeError):
            r[dst] = call.load(address & U64, size)  # tells what is wrong
        if address >> 32 == _SOCK:
            known, read = address, sock_reader(address & U32, size)
        elif address >> 32 == _CTX and size == 8 and not address & 7:
            known, read = address, _argument(address & U32)

    return step


def _argument(offset: int) -> Callable[[Invocation], int]:
    number = offset >> 3
    return lambda call: call.words[number]


def _no_reader(call: Invocation) -> int:
    raise AssertionError("no address is -1")


def _load_signed(it: isa.Instruction) -> Step:
    dst, src, offset, size = it.dst, it.src, it.offset, it.size

    def step(call: Invocation, r: Registers) -> None:
        value = call.load(r[src] + offset & U64, size)
        r[dst] = signed(value, size * 8) & U64

    return step


def _store(it: isa.Instruction, second: int) -> Step:
    dst, offset, size = it.dst, it.offset, it.size
    known = -1
    write: Callable[[Any, int], None] = _no_writer

    def step(call: Invocation, r: Registers) -> None:
        nonlocal known, write
        address = r[dst] + offset
        if address == known:
            write(call.sk, r[second])
            return
        region = call.regions.get(address >> 32)
        try:
            region.store(address & U32, size, r[second])  # type: ignore[union-attr]
        except (IndexError, AttributeError):
            call.store(address & U64, size, r[second])  # tells what is wrong
        if address >> 32 == _SOCK:
            known, write = address, sock_writer(address & U32, size)

    return step


def _no_writer(sk: Any, value: int) -> None:
    raise AssertionError("no address is -1")


def _atomic(it: isa.Instruction) -> Step:
    """Read, compute and write: nothing runs beside a hook, so nothing more is needed."""
    dst, src, offset, size, kind = it.dst, it.src, it.offset, it.size, it.imm
    if kind == isa.LOAD_ACQ:
        return _load(it)
    if kind == isa.STORE_REL:
        return _store(it, src)
    apply = calculation(kind & 0xF0 if kind & 0xF0 in RESULTS else isa.MOV, 8 * size)

    def step(call: Invocation, r: Registers) -> None:
        address = r[dst] + offset & U64
        old = call.load(address, size)
        if kind == isa.CMPXCHG:
            if old == r[0] & (1 << size * 8) - 1:
                call.store(address, size, r[src])
            r[0] = old
            return
        call.store(address, size, apply(old, r[src]))
        if kind & isa.FETCH:
            r[src] = old

    return step


# --- jumps and calls ---


def _jump(target: int) -> Step:
    return lambda call, r: target


@cache
def _compared(op: int, bits: int) -> Callable[[int, int, int, int], Step]:
    """Return what makes the step of a jump from the numbers of its registers and its two ways."""
    condition = condition_of(op, bits, "r[a]", "r[b]")
    return eval(f"lambda a, b, yes, no: lambda call, r: yes if {condition} else no")


def _may_goto(at: int, target: int) -> Step:
    """Jump once the frame's budget of rounds is used up."""

    def step(call: Invocation, r: Registers) -> int:
        left = call.may_goto.get(call.depth, MAY_GOTO)
        if not left:
            return target
        call.may_goto[call.depth] = left - 1
        call.go_round()
        call.back_jumps -= 1  # such a loop has this budget instead
        return at + 1

    return step


def _call_function(target: int) -> Step:
    def step(call: Invocation, r: Registers) -> None:
        r[0] = call.call(target, *r[1:6])

    return step


def _call_kernel(function: Callable[..., int]) -> Step:
    """Call a helper or a kernel function."""

    def step(call: Invocation, r: Registers) -> None:
        r[0] = function(call, *r[1:6]) & U64

    return step


def _exit(call: Invocation, r: Registers) -> int:
    return _EXIT


def _unknown(it: isa.Instruction) -> Step:
    def step(call: Invocation, r: Registers) -> int:
        raise BpfFault(f"unknown opcode {it.opcode:#04x}")

    return step
