"""Verdicts on small programs, each as Linux 6.18 gave it when the program was loaded there."""

from __future__ import annotations

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf.btf import Btf, Type
from ccsim.bpf.instructions import SECOND, Instruction
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.verifier.check import Checker, Verdict
from ccsim.bpf.verifier.refusal import Refusal

I = Instruction  # noqa: E741
MAPS = [
    MapSpec("numbers", 2, 4, 64, 4),
    MapSpec(".bss", 2, 4, 16, 1, data=bytes(16)),
    MapSpec(".rodata", 2, 4, 8, 1, 1 << 7, data=(3).to_bytes(8, "little")),
    MapSpec("ring", 27, 0, 0, 4096),
]
EXIT = I(isa.EXIT_OPCODE)
DW, W, B = isa.DW, isa.W, isa.B


def mov(dst: int, value: int) -> Instruction:
    return I(isa.ALU64 | isa.MOV, dst, imm=value)


def copy(dst: int, src: int) -> Instruction:
    return I(isa.ALU64 | isa.MOV | isa.X, dst, src)


def alu(op: int, dst: int, value: int) -> Instruction:
    return I(isa.ALU64 | op, dst, imm=value)


def add(dst: int, src: int) -> Instruction:
    return I(isa.ALU64 | isa.ADD | isa.X, dst, src)


def load(size: int, dst: int, src: int, offset: int) -> Instruction:
    return I(isa.LDX | isa.MEM | size, dst, src, offset)


def store(size: int, dst: int, offset: int, src: int) -> Instruction:
    return I(isa.STX | isa.MEM | size, dst, src, offset)


def jump(op: int, dst: int, value: int, offset: int) -> Instruction:
    return I(isa.JMP | op, dst, offset=offset, imm=value)


def call(helper: int) -> Instruction:
    return I(isa.CALL_OPCODE, imm=helper)


def variable(dst: int, map: int = 1, offset: int = 0) -> list[Instruction]:
    imm = offset << 32 | map
    return [I(isa.LD_IMM64, dst, isa.PSEUDO_MAP_VALUE, imm=imm), SECOND]


def map_at(dst: int, map: int) -> list[Instruction]:
    return [I(isa.LD_IMM64, dst, isa.PSEUDO_MAP_FD, imm=map), SECOND]


SOCK = load(DW, 6, 1, 0)  # r6 = the socket
ACKED = load(DW, 7, 1, 16)  # r7 = a number


def check(*program: Instruction, member: str = "cong_avoid", limit: int = 50_000) -> Verdict:
    btf = Btf([Type(0)])
    kfuncs = ("tcp_reno_ssthresh",)
    return Checker([*program, EXIT], member, MAPS, btf, kfuncs, limit=limit).run()


def refused(*program: Instruction, member: str = "cong_avoid") -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        check(*program, member=member)
    return caught.value.number, caught.value.message.splitlines()[-1]


@pytest.mark.parametrize(
    ("mask", "fine"), [(15, True), (31, False)], ids=["within_16", "beyond_16"]
)
def test_a_masked_index_is_held_against_the_map(mask: int, fine: bool) -> None:
    program = (ACKED, alu(isa.AND, 7, mask), *variable(2), add(2, 7), load(B, 3, 2, 0))
    if fine:
        assert check(*program).processed == 6
        return
    assert refused(*program) == (13, "R2 max value is outside of the allowed memory range")


def test_a_comparison_narrows_a_copy_of_the_number_too() -> None:
    # r8 = r7; if r7 > 15 goto end; then r8 is an index: both are one number
    tail = (*variable(2), add(2, 8), load(B, 3, 2, 0))
    check(ACKED, copy(8, 7), jump(isa.JGT, 7, 15, len(tail)), *tail)
    # r8 is 3 more, and the map has 16 bytes
    near = (ACKED, copy(8, 7), alu(isa.ADD, 8, 3), jump(isa.JGT, 7, 12, len(tail)), *tail)
    check(*near)
    far = (ACKED, copy(8, 7), alu(isa.ADD, 8, 3), jump(isa.JGT, 7, 13, len(tail)), *tail)
    assert refused(*far)[0] == 13


def test_signed_checks_need_a_lower_bound() -> None:
    tail = (*variable(2), add(2, 7), load(B, 3, 2, 0))
    # s7 <= 15 leaves negative numbers
    assert refused(ACKED, jump(isa.JSGT, 7, 15, len(tail)), *tail) == (
        22,
        "math between map_value pointer and register with unbounded min value is not allowed",
    )


def test_a_number_spilled_to_the_stack_stays_linked() -> None:
    tail = (load(DW, 8, 10, -8), *variable(2), add(2, 8), load(B, 3, 2, 0))
    check(ACKED, store(DW, 10, -8, 7), jump(isa.JGT, 7, 15, len(tail)), *tail)


def test_what_a_lookup_gives_is_null_until_it_is_checked() -> None:
    lookup = (
        *(mov(1, 0), store(W, 10, -4, 1), copy(2, 10), alu(isa.ADD, 2, -4)),
        *(*map_at(1, 0), call(1)),
    )
    assert refused(*lookup, load(DW, 1, 0, 0)) == (13, "R0 invalid mem access 'map_value_or_null'")
    assert refused(*lookup, alu(isa.ADD, 0, 8)) == (
        13,
        "R0 pointer arithmetic on map_value_or_null prohibited, null-check it first",
    )
    check(*lookup, jump(isa.JEQ, 0, 0, 1), load(DW, 1, 0, 56))


def test_a_constant_of_rodata_decides_a_branch() -> None:
    # if .rodata's 3 is not 3: read R9, which nothing wrote
    program = (*variable(2, 2), load(DW, 3, 2, 0), jump(isa.JEQ, 3, 3, 1), copy(4, 9))
    assert 4 not in check(*program).reached


@pytest.mark.parametrize(
    ("program", "number", "said"),
    [
        ((copy(0, 7),), 13, "R7 !read_ok"),
        ((SOCK, alu(isa.MUL, 6, 2)), 13, "R6 pointer arithmetic with *= operator prohibited"),
        ((SOCK, ACKED, add(6, 6)), 13, "R6 pointer += pointer prohibited"),
        ((mov(10, 1),), 13, "frame pointer is read only"),
        ((store(DW, 10, -516, 1),), 13, "misaligned stack access off 0+0+-516 size 8"),
        ((store(DW, 10, -520, 1),), 13, "invalid write to stack R10 off=-520 size=8"),
        ((load(DW, 2, 10, 0),), 13, "invalid read from stack R10 off=0 size=8"),
        ((SOCK, load(DW, 2, 6, 2304)), 13, "access beyond struct tcp_sock at off 2304 size 8"),
        ((mov(0, 0), jump(isa.JEQ, 0, 0, -1)), 22, "infinite loop detected at insn 1"),
        ((call(9999),), 22, "invalid func unknown#9999"),
        ((call(26),), 22, "program of this type cannot use helper bpf_skb_load_bytes#26"),
        ((call(12),), 95, "Linux allows bpf_tail_call#12 here, but ccsim does not have it"),
        ((jump(isa.JA, 0, 0, 7),), 22, "jump out of range from insn 0 to 8"),
        ((mov(0, 0), I(isa.ALU64 | isa.DIV, 0, imm=0)), 22, "div by zero"),
        ((mov(0, 0), I(isa.ALU | isa.LSH, 0, imm=32)), 22, "invalid shift 32"),
        ((I(0xFF),), 22, "unknown opcode ff"),
        ((EXIT, mov(0, 0)), 22, "unreachable insn 1"),
        ((I(isa.LDX | isa.MEM | DW, 11, 1),), 22, "R11 is invalid"),
        (
            (copy(2, 1), mov(3, 1), I(isa.STX | isa.ATOMIC | W, 2, 3, 8, isa.ADD)),
            13,
            "BPF_ATOMIC stores into R2 ctx is not allowed",
        ),
        (
            (SOCK, mov(3, 1), I(isa.STX | isa.ATOMIC | W, 6, 3, 1668, isa.ADD)),
            13,
            "no write support to tcp_sock at off 1668",
        ),
        (
            (SOCK, copy(2, 6), *map_at(1, 0), call(1)),
            13,
            "bpf_map_lookup_elem() may write into memory pointed by R2 type=trusted_ptr_",
        ),
        (
            (mov(1, 1), I(isa.CALL_OPCODE, src=isa.CALL_KFUNC, imm=0)),
            22,
            "arg#0 pointer type STRUCT sock must point to scalar, or struct with scalar",
        ),
    ],
)
def test_what_linux_refuses_is_refused_in_its_words(
    program: tuple[Instruction, ...], number: int, said: str
) -> None:
    assert refused(*program) == (number, said)


def test_a_hook_that_returns_a_number_must_have_one() -> None:
    assert refused(mov(1, 0), member="ssthresh") == (13, "R0 !read_ok")
    check(mov(1, 0), member="init")


def test_a_pointer_to_a_stack_does_not_leave_its_function() -> None:
    # the caller hands over its stack; the function stores there a pointer to a stack, or a number
    caller = (copy(1, 10), I(isa.CALL_OPCODE, src=isa.CALL_LOCAL, imm=1), EXIT)
    assert refused(*caller, mov(0, 0), store(DW, 1, -8, 10)) == (
        22,
        "cannot spill pointers to stack into stack frame of the caller",
    )
    assert refused(*caller, copy(0, 1)) == (22, "cannot return stack pointer to the caller")
    check(*caller, mov(0, 0), store(DW, 1, -8, 0))


def test_a_function_that_nobody_calls_is_unreachable() -> None:
    callee = (mov(0, 0), I(isa.JMP | isa.JA, offset=1), I(isa.CALL_OPCODE, src=1, imm=1), EXIT)
    assert refused(*callee, mov(0, 0)) == (22, "unreachable insn 2")


def test_a_reservation_is_given_back() -> None:
    reserve = (*map_at(1, 3), mov(2, 16), mov(3, 0), call(131), jump(isa.JEQ, 0, 0, 3))
    check(*reserve, copy(1, 0), mov(2, 0), call(132))
    assert refused(*reserve, copy(1, 0), mov(2, 0), mov(0, 0)) == (
        22,
        "BPF_EXIT instruction in main prog would lead to reference leak",
    )


def test_a_loop_with_an_end_is_followed_to_it() -> None:
    # r7 = 0; do r7 += 1 while r7 < 100
    verdict = check(mov(7, 0), alu(isa.ADD, 7, 1), jump(isa.JLT, 7, 100, -2))
    assert verdict.processed == 2 + 2 * 100
    with pytest.raises(Refusal, match="BPF program is too large") as caught:
        check(mov(7, 0), alu(isa.ADD, 7, 1), jump(isa.JLT, 7, 30_000, -2))
    assert caught.value.number == 7


def test_too_many_forks_are_guarded_and_not_refused() -> None:
    # each round asks a new random number, and what was asked before is kept in the sum
    body = (call(7), add(7, 0), jump(isa.JSET, 0, 1, 1), alu(isa.ADD, 7, 3), jump(isa.JA, 0, 0, 0))
    program = [mov(7, 0), mov(8, 0)]
    rounds = 400
    for _ in range(rounds):
        program += [*body[:3], body[3]]
        program += [copy(9, 7), alu(isa.AND, 9, 1), jump(isa.JEQ, 9, 0, 1), alu(isa.XOR, 8, 1)]
    program += [jump(isa.JEQ, 8, 0, 0)]
    verdict = check(*program, limit=5_000)
    assert verdict.guarded


def test_accesses_tell_where_they_go() -> None:
    verdict = check(
        SOCK,
        load(W, 2, 6, 1444),
        store(W, 6, 1296, 2),
        store(DW, 10, -8, 2),
        *variable(3, 1, 8),
        load(W, 4, 3, 4),
        mov(0, 0),
    )
    assert [(a.region, a.where, a.offset, a.write) for a in verdict.accesses.values()] == [
        ("ctx", None, 0, False),
        ("sock", None, 1444, False),
        ("private", None, 1296, True),
        ("stack", 0, -8, True),
        ("map_value", 1, 12, False),
    ]
