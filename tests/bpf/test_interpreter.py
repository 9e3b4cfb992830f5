"""What instructions mean: numbers worked out by hand from RFC 9669, in every form of execution."""

from __future__ import annotations

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf import memory
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.memory import BpfFault
from ccsim.bpf.runtime import FORMS
from tests.bpf.bpf_rig import EXIT, alu, alu32, helper, jump, load, mov, run, store

MINUS_ONE = (1 << 64) - 1


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def binary(form: str, op: int, a: int, b: int, *, wide: bool = True, offset: int = 0) -> int:
    """Compute ``a op b`` with numbers that no translation can fold: they come from memory."""
    operation = (alu if wide else alu32)(op, 6, 7, offset)
    program = [mov(6, a), store(10, -8, 6), mov(7, b), store(10, -16, 7)]
    program += [mov(8, 0), alu(isa.ADD, 8, 10), load(6, 8, -8), load(7, 8, -16), operation]
    return run([*program, alu(isa.MOV, 0, 6), EXIT], form=form)


@pytest.mark.parametrize(
    ("op", "a", "b", "expected"),
    [
        (isa.ADD, MINUS_ONE, 2, 1),
        (isa.SUB, 1, 2, MINUS_ONE),
        (isa.MUL, 1 << 63, 3, 1 << 63),
        (isa.DIV, 7, 2, 3),
        (isa.DIV, 7, 0, 0),
        (isa.MOD, 7, 0, 7),
        (isa.MOD, 7, 4, 3),
        (isa.OR, 0x0F, 0xF0, 0xFF),
        (isa.AND, 0x3C, 0x0F, 0x0C),
        (isa.XOR, 0xFF, 0x0F, 0xF0),
        (isa.LSH, 1, 65, 2),  # shifts take the low six bits
        (isa.RSH, 1 << 63, 127, 1),
        (isa.ARSH, 1 << 63, 62, MINUS_ONE - 1),
        (isa.ARSH, 64, 3, 8),
    ],
)
def test_64_bit_arithmetic_wraps_masks_shifts_and_divides_by_zero(
    form: str, op: int, a: int, b: int, expected: int
) -> None:
    assert binary(form, op, a, b) == expected


@pytest.mark.parametrize(
    ("op", "a", "b", "expected"),
    [
        (isa.ADD, 0xFFFFFFFF, 1, 0),
        (isa.SUB, 0, 1, 0xFFFFFFFF),
        (isa.MUL, 0x10000, 0x10001, 0x10000),
        (isa.DIV, 1 << 32 | 9, 3, 3),  # only the low halves count
        (isa.MOD, 1 << 32 | 9, 0, 9),
        (isa.LSH, 1, 33, 2),
        (isa.RSH, 0xF_8000_0000, 31, 1),
        (isa.ARSH, 0x8000_0000, 31, 0xFFFFFFFF),
        (isa.MOV, 5, 0x1_0000_0002, 2),
    ],
)
def test_32_bit_arithmetic_uses_the_low_half_and_clears_the_high_one(
    form: str, op: int, a: int, b: int, expected: int
) -> None:
    assert binary(form, op, a, b, wide=False) == expected


@pytest.mark.parametrize(
    ("op", "a", "b", "wide", "expected"),
    [
        (isa.DIV, -7, 2, True, -3),  # towards zero
        (isa.MOD, -7, 2, True, -1),  # the sign of what is divided
        (isa.DIV, 7, -2, True, -3),
        (isa.DIV, -7, 0, True, 0),
        (isa.MOD, -7, 0, True, -7),
        (isa.DIV, -(1 << 63), -1, True, 1 << 63),
        (isa.DIV, -(1 << 31), -1, False, 1 << 31),
        (isa.MOD, -(1 << 31), -1, False, 0),
    ],
)
def test_signed_division_of_version_4(
    form: str, op: int, a: int, b: int, wide: bool, expected: int
) -> None:
    mask = MINUS_ONE if wide else 0xFFFFFFFF
    got = binary(form, op, a & MINUS_ONE, b & MINUS_ONE, wide=wide, offset=1)
    assert got == expected & mask


@pytest.mark.parametrize(
    ("bits", "wide", "expected"),
    [(8, True, MINUS_ONE - 0x7F), (16, True, 0x7F80), (8, False, 0xFFFFFF80)],
)
def test_moves_extend_the_sign(form: str, bits: int, wide: bool, expected: int) -> None:
    assert binary(form, isa.MOV, 0, 0x7F80, wide=wide, offset=bits) == expected


@pytest.mark.parametrize(
    ("opcode", "bits", "expected"),
    [
        (isa.ALU | isa.END | isa.TO_BE, 16, 0x0807),
        (isa.ALU | isa.END | isa.TO_BE, 32, 0x08070605),
        (isa.ALU | isa.END | isa.TO_LE, 32, 0x05060708),
        (isa.ALU64 | isa.END, 64, 0x0807060504030201),
    ],
)
def test_byte_swaps(form: str, opcode: int, bits: int, expected: int) -> None:
    program = [mov(6, 0x0102030405060708), store(10, -8, 6), load(0, 10, -8)]
    assert run([*program, I(opcode, 0, 0, 0, bits), EXIT], form=form) == expected


@pytest.mark.parametrize(
    ("op", "a", "b", "cls", "taken"),
    [
        (isa.JGT, MINUS_ONE, 1, isa.JMP, True),
        (isa.JSGT, MINUS_ONE, 1, isa.JMP, False),
        (isa.JSLT, MINUS_ONE, 0, isa.JMP, True),
        (isa.JEQ, 1 << 32 | 5, 5, isa.JMP, False),
        (isa.JEQ, 1 << 32 | 5, 5, isa.JMP32, True),
        (isa.JSLE, 0x80000000, 0, isa.JMP32, True),
        (isa.JSLE, 0x80000000, 0, isa.JMP, False),
        (isa.JSET, 6, 9, isa.JMP, False),
        (isa.JSET, 6, 4, isa.JMP, True),
        (isa.JLT, 3, 3, isa.JMP, False),
        (isa.JLE, 3, 3, isa.JMP, True),
    ],
)
def test_jumps_compare_signed_unsigned_and_halves(
    form: str, op: int, a: int, b: int, cls: int, taken: bool
) -> None:
    program = [mov(6, a), store(10, -8, 6), mov(7, b), store(10, -16, 7)]
    program += [load(6, 10, -8), load(7, 10, -16), mov(0, 1), jump(op, 6, 7, 2, cls), mov(0, 0)]
    assert run([*program, EXIT], form=form) == taken


@pytest.mark.parametrize(
    ("imm", "expected_old", "expected_new"),
    [
        (isa.ADD, None, 12),
        (isa.ADD | isa.FETCH, 7, 12),
        (isa.AND | isa.FETCH, 7, 5),
        (isa.OR | isa.FETCH, 7, 7),
        (isa.XOR | isa.FETCH, 7, 2),
        (isa.XCHG, 7, 5),
    ],
)
def test_atomic_operations_return_what_was_there(
    form: str, imm: int, expected_old: int | None, expected_new: int
) -> None:
    atomic = I(isa.STX | isa.ATOMIC | isa.DW, 10, 7, -8, imm)
    program = [mov(6, 7), store(10, -8, 6), mov(7, 5), atomic, load(0, 10, -8)]
    assert run([*program, EXIT], form=form) == expected_new
    if expected_old is not None:
        program[-1] = alu(isa.MOV, 0, 7)
        assert run([*program, EXIT], form=form) == expected_old


@pytest.mark.parametrize(("wanted", "left"), [(7, 5), (8, 7)])
def test_compare_and_exchange(form: str, wanted: int, left: int) -> None:
    atomic = I(isa.STX | isa.ATOMIC | isa.DW, 10, 7, -8, isa.CMPXCHG)
    program = [mov(6, 7), store(10, -8, 6), mov(7, 5), mov(0, wanted), atomic]
    assert run([*program, EXIT], form=form) == 7
    assert run([*program, load(0, 10, -8), EXIT], form=form) == left


def test_a_narrow_store_changes_its_bytes_alone(form: str) -> None:
    program = [mov(6, MINUS_ONE), store(10, -8, 6), mov(7, 0), store(10, -6, 7, isa.H)]
    assert run([*program, load(0, 10, -8), EXIT], form=form) == 0xFFFFFFFF_0000_FFFF


def test_loads_extend_the_sign_where_version_4_says_so(form: str) -> None:
    program = [mov(6, 0x80), store(10, -8, 6), I(isa.LDX | isa.MEMSX | isa.B, 0, 10, -8)]
    assert run([*program, EXIT], form=form) == MINUS_ONE - 0x7F


def test_a_long_calculation_is_not_too_long_for_any_form(form: str) -> None:
    """1 + 0 + 1 + 2 + … + 999, each sum used by the next alone, and twice that in parentheses."""
    program = [mov(6, 1), store(10, -8, 6), load(0, 10, -8)]
    program += [I(isa.ALU64 | isa.ADD, 0, 0, 0, i) for i in range(1000)]
    assert run([*program, EXIT], form=form) == 499_501
    program += [I(isa.ALU | isa.MUL, 0, 0, 0, 3) for i in range(300)]
    assert run([*program, EXIT], form=form) == 499_501 * 3**300 % 2**32


def test_a_subprogram_has_a_frame_of_its_own_and_returns_in_r0(form: str) -> None:
    call = I(isa.CALL_OPCODE, 0, isa.CALL_LOCAL, 0, 4)
    program = [mov(6, 40), store(10, -8, 6), alu(isa.MOV, 1, 6), call, load(7, 10, -8)]
    program += [alu(isa.ADD, 0, 7), EXIT]
    inner = [mov(2, 2), store(10, -8, 2), load(0, 10, -8), alu(isa.ADD, 0, 1), EXIT]
    program[3] = I(isa.CALL_OPCODE, 0, isa.CALL_LOCAL, 0, 3)
    assert run([*program, *inner], form=form) == 82  # 40 + (40 + 2)


def test_a_callback_runs_so_often_and_sees_its_context(form: str) -> None:
    callback = I(isa.LD_IMM64, 2, isa.PSEUDO_FUNC, 0, 14)
    program = [mov(6, 100), store(10, -8, 6), mov(1, 5), callback]
    program += [alu(isa.MOV, 3, 10), I(isa.ALU64 | isa.ADD, 3, 0, 0, -8)]
    program += [I(isa.ALU64 | isa.MOV, 4), helper(181), load(0, 10, -8), EXIT]
    inner = [load(3, 2, 0), alu(isa.ADD, 3, 1), store(2, 0, 3), I(isa.ALU64 | isa.MOV, 0), EXIT]
    assert len(program) + 3 == 13  # slots: three of LD_IMM64 have two
    program[3] = I(isa.LD_IMM64, 2, isa.PSEUDO_FUNC, 0, 13)
    assert run([*program, *inner], form=form) == 110  # 100 + 0 + 1 + 2 + 3 + 4


def test_a_loop_that_does_not_end_is_an_error_that_names_the_program(form: str) -> None:
    program = [I(isa.ALU64 | isa.MOV, 0), I(isa.ALU64 | isa.ADD, 0, 0, 0, 1)]
    program += [load(1, 10, -8), jump(isa.JEQ, 1, 1, -3), EXIT]
    with pytest.raises(BpfFault, match=r"^program p.*the loop does not end"):
        run(program, form=form)


def looping(rounds: int, callback: int) -> list[I]:
    """Go round so often with what begins at a slot; these are seven slots."""
    given = [mov(1, rounds), I(isa.LD_IMM64, 2, isa.PSEUDO_FUNC, 0, callback)]
    return [*given, I(isa.ALU64 | isa.MOV, 3), I(isa.ALU64 | isa.MOV, 4), helper(181)]


@pytest.mark.parametrize(("rounds", "many"), [(9, False), (10, True)])
def test_the_rounds_of_loops_in_loops_are_bounded_in_all(
    form: str, rounds: int, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9 rounds of 9 are 90 in all, 10 of 10 are 110; machine code has the bound that counts, twice
    8 Mi, which Python would take a minute to reach."""
    monkeypatch.setattr(memory, "ROUNDS", 100)
    inner = 1 << 23 if many and form == "machine" else rounds
    zero = I(isa.ALU64 | isa.MOV, 0)
    program = [*looping(rounds, 8), EXIT, *looping(inner, 17), zero, EXIT, zero, EXIT]
    if many:
        with pytest.raises(BpfFault, match=r"the loops of one call have gone round \d+ times"):
            run(program, form=form)
    else:
        assert run(program, form=form) == rounds


def test_may_goto_ends_after_its_budget_in_each_form(form: str) -> None:
    """Eight million rounds would take a minute: the budget is 8 Mi, and only its end is looked at
    by an object with one round."""
    program = [I(isa.ALU64 | isa.MOV, 0), I(isa.JMP | isa.JCOND, 0, 0, 1)]
    program += [I(isa.ALU64 | isa.ADD, 0, 0, 0, 1), EXIT]
    assert run(program, form=form) == 1


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ([mov(1, 0), load(0, 1, 0), EXIT], "invalid read of 8 bytes at NULL"),
        ([load(0, 10, 0), EXIT], "invalid read.*stack"),
        ([load(0, 10, -516), EXIT], "invalid read"),
        ([mov(1, 2 << 32), mov(2, 1), store(1, 1668, 2, isa.W), EXIT], "cannot be written"),
        ([mov(1, 99 << 32), load(0, 1, 0), EXIT], "invalid read"),
    ],
)
def test_an_access_outside_every_region_is_a_fault(
    form: str, program: list[I], sentence: str
) -> None:
    with pytest.raises(BpfFault, match=sentence):
        run(program, form=form)
