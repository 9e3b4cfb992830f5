"""Instructions against encodings written out by hand from RFC 9669."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import SECOND, Instruction, InstructionError, decode, encode


def test_fields_lie_where_the_rfc_puts_them() -> None:
    # *(u32 *)(r10 - 4) = r1: class STX, mode MEM, size W; registers share a byte, source on top
    (store,) = decode(bytes.fromhex("631afcff00000000"))
    assert store == Instruction(0x63, dst=10, src=1, offset=-4, imm=0)
    assert (store.cls, store.mode, store.size) == (isa.STX, isa.MEM, 4)
    # w0 += -1
    (add,) = decode(bytes.fromhex("04000000ffffffff"))
    assert (add.cls, add.op, add.by_register, add.imm) == (isa.ALU, isa.ADD, False, -1)


def test_a_wide_load_takes_two_slots_and_its_second_is_not_an_instruction() -> None:
    program = decode(bytes.fromhex("18010000 78563412 00000000 f0debc9a 9500000000000000"))
    assert program == [Instruction(0x18, dst=1, imm=0x9ABCDEF012345678), SECOND, Instruction(0x95)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("95000000000000", "multiple of 8 bytes, got 7"),
        ("1801000078563412", "instruction 0: invalid bpf_ld_imm64"),
        ("1801000078563412 0100000000000000", "instruction 0: invalid bpf_ld_imm64"),
        ("9500000000000000 1801000000000000 0000010000000000", "instruction 1: invalid"),
    ],
)
def test_bytes_that_are_no_program_are_refused(data: str, message: str) -> None:
    with pytest.raises(InstructionError, match=message):
        decode(bytes.fromhex(data))


@given(st.binary(max_size=400).map(lambda data: data[: len(data) // 8 * 8]))
def test_what_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        program = decode(data)
    except InstructionError:
        return
    assert len(program) == len(data) // 8
    assert encode(program) == data
