"""BPF instructions: the encoding of RFC 9669 (ISA v1 to v4), decoded and encoded."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ccsim.errors import CcsimError

__all__ = [
    "Instruction",
    "InstructionError",
    "decode",
    "encode",
]

# Classes: the low three bits of an opcode.
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)

# Sources of an operand, and the direction of a byte swap.
K, X = 0x00, 0x08
TO_LE, TO_BE = 0x00, 0x08

# Sizes and modes of a load or store.
W, H, B, DW = 0x00, 0x08, 0x10, 0x18
IMM, ABS, IND, MEM, MEMSX, ATOMIC = 0x00, 0x20, 0x40, 0x60, 0x80, 0xC0
SIZES = {W: 4, H: 2, B: 1, DW: 8}

# Arithmetic: the high four bits of an opcode of class ALU or ALU64.
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH = range(0x00, 0x80, 0x10)
NEG, MOD, XOR, MOV, ARSH, END = range(0x80, 0xE0, 0x10)

# Jumps: the high four bits of an opcode of class JMP or JMP32.
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = range(0x00, 0x80, 0x10)
CALL, EXIT, JLT, JLE, JSLT, JSLE, JCOND = range(0x80, 0xF0, 0x10)

# Atomic operations, in the immediate of ATOMIC; plain ones may have FETCH.
ATOMIC_ADD, ATOMIC_OR, ATOMIC_AND, ATOMIC_XOR = ADD, OR, AND, XOR
FETCH = 0x01
XCHG, CMPXCHG = 0xE0 | FETCH, 0xF0 | FETCH
LOAD_ACQ, STORE_REL = 0x100, 0x110

# What the source register of LD_IMM64 says its immediate is.
PSEUDO_NONE, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, PSEUDO_BTF_ID, PSEUDO_FUNC = range(5)

# What the source register of CALL says its immediate is.
CALL_HELPER, CALL_LOCAL, CALL_KFUNC = range(3)

LD_IMM64 = LD | IMM | DW
CALL_OPCODE = JMP | CALL
EXIT_OPCODE = JMP | EXIT
R0, R10 = 0, 10  # what a function returns, and the frame pointer
SLOT = 8  # bytes
_FORMAT = struct.Struct("<BBhi")


class InstructionError(CcsimError, ValueError):
    """Bytes that are no program."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. ``imm`` is signed 32 bits, but unsigned 64 bits for LD_IMM64.

    A program is a list with one element for each slot of eight bytes, so that an index is what
    jumps, calls and line information count in; behind LD_IMM64, which takes two slots, stands
    `SECOND`.
    """

    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0

    @property
    def cls(self) -> int:
        """The class: LD to ALU64."""
        return self.opcode & 0x07

    @property
    def op(self) -> int:
        """The operation of ALU and JMP classes."""
        return self.opcode & 0xF0

    @property
    def mode(self) -> int:
        """The mode of loads and stores: MEM, MEMSX, ATOMIC, IMM."""
        return self.opcode & 0xE0

    @property
    def size(self) -> int:
        """Bytes that a load or store moves."""
        return SIZES[self.opcode & 0x18]

    @property
    def by_register(self) -> bool:
        """Whether the second operand of ALU and JMP classes is ``src`` and not ``imm``."""
        return bool(self.opcode & X)


SECOND = Instruction(0)
"""Stands in the second slot of LD_IMM64, and is never executed."""


def decode(data: bytes) -> list[Instruction]:
    """Return the instructions of a program's bytes, one for each slot.

    Raises InstructionError for a length that is no multiple of eight, and for LD_IMM64 whose second
    slot is missing or not empty but for its immediate.
    """
    if len(data) % SLOT:
        raise InstructionError(f"program: expected a multiple of {SLOT} bytes, got {len(data)}")
    found: list[Instruction] = []
    slots = _FORMAT.iter_unpack(data)
    for opcode, registers, offset, imm in slots:
        dst, src = registers & 15, registers >> 4
        if opcode != LD_IMM64:
            found.append(Instruction(opcode, dst, src, offset, imm))
            continue
        high = _second(next(slots, None), len(found))
        wide = (high & 0xFFFFFFFF) << 32 | imm & 0xFFFFFFFF
        found += (Instruction(opcode, dst, src, offset, wide), SECOND)
    return found


def _second(slot: tuple[int, ...] | None, index: int) -> int:
    """Return the upper half of LD_IMM64's immediate."""
    if slot is None or any(slot[:3]):
        raise InstructionError(f"instruction {index}: invalid bpf_ld_imm64 insn")
    return slot[3]


def encode(program: Sequence[Instruction]) -> bytes:
    """Return a program's bytes: what `decode` reads."""
    parts = []
    high = 0
    for it in program:
        if it is SECOND or it == SECOND:
            parts.append(_FORMAT.pack(0, 0, 0, _signed(high)))
            continue
        high = it.imm >> 32 if it.opcode == LD_IMM64 else 0
        parts.append(_FORMAT.pack(it.opcode, it.src << 4 | it.dst, it.offset, _signed(it.imm)))
    return b"".join(parts)


def _signed(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
