"""Random programs mean the same in every form of execution: r0 and the stack, folded together."""

from __future__ import annotations

from random import Random

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.runtime import FORMS
from ccsim.kernel.sock import Sock
from tests.bpf.bpf_rig import EXIT, runtime_of

OPERATIONS = (
    *(isa.ADD, isa.SUB, isa.MUL, isa.DIV, isa.OR, isa.AND, isa.LSH, isa.RSH, isa.MOD),
    *(isa.XOR, isa.MOV, isa.ARSH),
)
JUMPS = (
    *(isa.JEQ, isa.JGT, isa.JGE, isa.JSET, isa.JNE, isa.JSGT, isa.JSGE, isa.JLT, isa.JLE),
    *(isa.JSLT, isa.JSLE),
)
NUMBERS = (0, 1, 2, 7, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
IMMEDIATES = (0, 1, -1, 2, 5, 31, 255, -(2**31), 2**31 - 1)
SIZES = {isa.B: 1, isa.H: 2, isa.W: 4, isa.DW: 8}
BEHIND = {1: -256, 2: -264}  # where values and a loop's counter lie in the frame


def arithmetic(random: Random) -> I:
    op, cls = random.choice(OPERATIONS), random.choice((isa.ALU, isa.ALU64))
    offset = int(op in (isa.DIV, isa.MOD) and random.random() < 0.5)
    if random.random() < 0.5:
        if op == isa.MOV and random.random() < 0.5:
            offset = random.choice((8, 16) if cls == isa.ALU else (8, 16, 32))
        return I(cls | isa.X | op, random.randrange(10), random.randrange(10), offset)
    imm = random.choice(IMMEDIATES)
    if op in (isa.LSH, isa.RSH, isa.ARSH):
        imm &= 31 if cls == isa.ALU else 63
    return I(cls | op, random.randrange(10), 0, offset, imm)


def place(random: Random, size: int) -> int:
    """Return an aligned place in the four words below the frame's end."""
    return -8 * random.randint(1, 4) + random.randrange(0, 8, SIZES[size])


def memory(random: Random) -> I:
    size = random.choice(tuple(SIZES))
    if random.random() < 0.2:
        atomic = random.choice((isa.ADD, isa.AND | 1, isa.XOR, isa.XCHG, isa.CMPXCHG, isa.OR | 1))
        opcode = isa.STX | isa.ATOMIC | random.choice((isa.W, isa.DW))
        return I(opcode, 10, random.randrange(10), -8 * random.randint(1, 4), atomic)
    if random.random() < 0.5:
        return I(isa.STX | isa.MEM | size, 10, random.randrange(10), place(random, size))
    mode = isa.MEMSX if size != isa.DW and random.random() < 0.3 else isa.MEM
    return I(isa.LDX | mode | size, random.randrange(10), 10, place(random, size))


def jump(random: Random, left: int) -> I:
    offset = random.randint(0, min(12, left))
    if random.random() < 0.15:
        return I(isa.JMP | isa.JA, 0, 0, offset)
    cls, op = random.choice((isa.JMP, isa.JMP32)), random.choice(JUMPS)
    if random.random() < 0.5:
        return I(cls | isa.X | op, random.randrange(10), random.randrange(10), offset)
    return I(cls | op, random.randrange(10), 0, offset, random.choice(IMMEDIATES))


def drawn(random: Random) -> list[I]:
    """Return a program: numbers that may be known or not, a body, maybe run several times."""
    known = random.random() < 0.3
    program: list[I] = []
    for register in range(10):
        value = random.choice(NUMBERS) if random.random() < 0.7 else random.getrandbits(64)
        at = -256 + 8 * register
        program += [I(isa.LD_IMM64, 0, 0, 0, value), I(isa.STX | isa.MEM | isa.DW, 10, 0, at)]
        if not known:  # nothing is known of what an atomic operation leaves
            zero = I(isa.ALU64 | isa.MOV, 0)
            program += [zero, I(isa.STX | isa.ATOMIC | isa.DW, 10, 0, at, isa.ADD)]
    program += [I(isa.STX | isa.MEM | isa.DW, 10, 0, -8 * i) for i in range(1, 5)]
    program += [I(isa.LDX | isa.MEM | isa.DW, r, 10, -256 + 8 * r) for r in range(10)]
    length = random.randint(8, 50)
    body: list[I] = []
    for i in range(length):
        kind = random.random()
        pick = arithmetic if kind < 0.6 else memory
        body.append(pick(random) if kind < 0.85 else jump(random, length - 1 - i))
    if random.random() < 0.4:
        program.append(I(isa.ST | isa.MEM | isa.DW, 10, 0, -72))
        body += again(random, len(body))
    return [*program, *body, *folded(), EXIT]


def again(random: Random, length: int) -> list[I]:
    """Return the end of a loop over the last instructions of a body, or all of it."""
    back = random.choice((length, random.randint(1, length)))
    end = [
        I(isa.STX | isa.MEM | isa.DW, 10, 0, -264),
        I(isa.LDX | isa.MEM | isa.DW, 0, 10, -72),
        I(isa.ALU64 | isa.ADD, 0, 0, 0, 1),
        I(isa.STX | isa.MEM | isa.DW, 10, 0, -72),
        I(isa.JMP | isa.JGT, 0, 0, 2, random.randint(1, 4)),
        I(isa.LDX | isa.MEM | isa.DW, 0, 10, -264),
    ]
    return [*end, I(isa.JMP | isa.JA, 0, 0, -back - 7), I(isa.LDX | isa.MEM | isa.DW, 0, 10, -264)]


def folded() -> list[I]:
    """Return what folds all registers and the stack into r0."""
    program: list[I] = []
    for register in range(1, 10):
        program += [
            I(isa.ALU64 | isa.MUL, 0, 0, 0, 31),
            I(isa.ALU64 | isa.X | isa.XOR, 0, register),
        ]
    for i in range(1, 5):
        program += [I(isa.LDX | isa.MEM | isa.DW, 1, 10, -8 * i)]
        program += [I(isa.ALU64 | isa.MUL, 0, 0, 0, 31), I(isa.ALU64 | isa.X | isa.ADD, 0, 1)]
    return program


def outcome(program: list[I], form: str) -> tuple[int, bool]:
    """Return r0, and whether the form itself ran the program."""
    runtime = runtime_of(program)
    runtime.form = form
    sk = Sock()
    sk.ca = runtime.area()
    result = runtime.function("p", "undo_cwnd")(sk)
    return result, form != "python" or not runtime.python.reasons


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("batch", range(4))
def test_random_programs_mean_the_same_in_every_form(batch: int, form: str) -> None:
    own = 0
    for seed in range(batch * 60, batch * 60 + 60):
        program = drawn(Random(seed))
        expected, _ = outcome(program, "interpreter")
        got, by_itself = outcome(program, form)
        assert got == expected, f"seed {seed}"
        own += by_itself
    assert own > 40, "those with loops that are entered in two places are interpreted"
