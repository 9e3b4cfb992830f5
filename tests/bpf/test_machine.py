"""The form in machine code, there where ccsim is compiled: what only it could get wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccsim import compiled
from ccsim.bpf import instructions as isa
from ccsim.bpf.bindings import area_offset, members_of
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.memory import BpfFault
from ccsim.bpf.runtime import FORMS
from ccsim.kernel.sock import Sock
from tests.bpf.bpf_rig import EXIT, alu, load, mov, run, runtime_of, store

PXD = Path(compiled.__file__).parents[1] / "kernel" / "sock.pxd"
machine_only = pytest.mark.skipif("machine" not in FORMS, reason="ccsim is not compiled")


def test_it_is_a_form_where_ccsim_is_compiled_and_then_the_one_that_runs() -> None:
    assert ("machine" in FORMS) == compiled.in_use()
    assert FORMS[-1] == ("machine" if compiled.in_use() else "python")


@machine_only
def test_every_integer_of_a_socket_is_read_at_its_place() -> None:
    from ccsim.bpf.members import places

    body = PXD.read_text(encoding="utf-8").split("cdef class Sock")[1]
    lines = re.findall(r"cdef public (?:unsigned )?(?:long long|bint) ([^#\n]*)", body)
    typed = {name.strip() for line in lines for name in line.split(",")}
    assert len(typed) > 60
    assert set(places("tcp_sock")) == typed


@machine_only
@pytest.mark.parametrize("struct", ["ack_sample", "rate_sample"])
def test_every_member_of_a_sample_is_read_at_its_place(struct: str) -> None:
    from ccsim.bpf.members import places

    assert {member.attribute for member in members_of(struct).values()} <= set(places(struct))


@machine_only
def test_a_place_that_was_read_first_is_no_other_place_later() -> None:
    """Once through a loop r1 is the stack, then the socket, then the stack: the load in it must
    not go on reading where it has read before."""
    sk = Sock()
    sk.snd_cwnd = 77
    snd_cwnd = 1444
    program = [
        I(isa.ST | isa.MEM | isa.W, 10, 0, -8, 5),
        load(6, 1, 0),
        mov(7, 0),
        mov(0, 0),
        alu(isa.MOV, 8, 10),
        I(isa.ALU64 | isa.ADD, 8, 0, 0, -8),
        I(isa.ALU64 | isa.ADD, 6, 0, 0, snd_cwnd),
        alu(isa.MOV, 1, 8),
        I(isa.JMP | isa.JNE, 7, 0, 1, 1),
        alu(isa.MOV, 1, 6),
        I(isa.LDX | isa.MEM | isa.W, 2, 1, 0),
        I(isa.ALU64 | isa.MUL, 0, 0, 0, 100),
        alu(isa.ADD, 0, 2),
        I(isa.ALU64 | isa.ADD, 7, 0, 0, 1),
        I(isa.JMP | isa.JLT, 7, 0, -8, 4),
        EXIT,
    ]
    assert run(program, form="machine", sk=sk) == 5_770_505


@machine_only
def test_a_new_private_area_is_the_one_that_is_read() -> None:
    runtime = runtime_of([load(1, 1, 0), load(0, 1, area_offset()), EXIT])
    runtime.form = "machine"
    hook = runtime.function("p", "undo_cwnd")
    sk = Sock()
    sk.ca = runtime.area()
    sk.ca.store(0, 8, 3)
    assert hook(sk) == 3
    sk.ca = runtime.area()
    assert hook(sk) == 0


@machine_only
@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ([mov(1, 0), load(0, 1, 0), EXIT], "invalid read of 8 bytes at NULL"),
        ([load(0, 10, 0), EXIT], "invalid read at stack"),
        ([load(0, 10, -520), EXIT], "invalid read"),
        ([load(1, 1, 0), load(0, 1, 4000), EXIT], "invalid read at struct tcp_sock"),
        ([load(1, 1, 0), mov(2, 1), store(1, 1440, 2, isa.DW), EXIT], "invalid write"),
        ([mov(2, 1), store(1, 0, 2, isa.DW), EXIT], "invalid write at the arguments"),
        ([I(isa.JMP | isa.JA, 0, 0, -1)], "the loop does not end"),
        ([mov(0, 0)], "behind its end"),
        ([I(0xFF)], "unknown opcode 0xff"),
        ([I(isa.CALL_OPCODE, 0, 1, 0, -1), EXIT], "frames is too deep"),
    ],
)
def test_what_no_verified_program_does_is_a_fault(program: list[I], wrong: str) -> None:
    with pytest.raises(BpfFault, match=f"program p, instruction .*{wrong}"):
        run(program, form="machine")


@machine_only
@pytest.mark.parametrize(
    ("a", "b", "quotient", "remainder"),
    [
        (1 << 63, -1, 1 << 63, 0),  # does not fit: goes round, and does not trap
        (-7, 2, -3, -1),
        (7, -2, -3, 1),
        (5, 0, 0, 5),
    ],
)
def test_signed_division_of_the_least_number_goes_round(
    a: int, b: int, quotient: int, remainder: int
) -> None:
    for op, expected in ((isa.DIV, quotient), (isa.MOD, remainder)):
        program = [mov(0, a), mov(1, b), alu(op, 0, 1, 1), EXIT]
        assert run(program, form="machine") == expected & (1 << 64) - 1


@machine_only
def test_a_hook_refuses_what_is_no_socket() -> None:
    runtime = runtime_of([mov(0, 0), EXIT])
    runtime.form = "machine"
    with pytest.raises(TypeError):
        runtime.function("p", "undo_cwnd")(object())
