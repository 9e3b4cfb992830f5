"""Maps, storage of sockets, ring buffers and text, as programs use them, in every form."""

from __future__ import annotations

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.maps import MapError, create_map
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.runtime import FORMS
from ccsim.kernel import Kernel, TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.sock import Sock
from tests.bpf.bpf_rig import EXIT, alu, helper, load, mov, runtime_of, store

HASH, ARRAY, LRU, QUEUE, STORAGE, RING = 1, 2, 9, 22, 24, 27
E2BIG, EEXIST, ENOENT = -7 & (1 << 64) - 1, -17 & (1 << 64) - 1, -2 & (1 << 64) - 1


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def spec(kind: int, entries: int = 2, value: int = 8, key: int = 4, flags: int = 0) -> MapSpec:
    return MapSpec("m", kind, key, value, entries, flags)


def handle(register: int) -> I:
    """Return rREGISTER = the map."""
    return I(isa.LD_IMM64, register, isa.PSEUDO_MAP_FD, 0, 0)


def pointer(register: int, offset: int) -> list[I]:
    """Return rREGISTER = r10 + OFFSET."""
    return [alu(isa.MOV, register, 10), I(isa.ALU64 | isa.ADD, register, 0, 0, offset)]


def update(key: int, value: int, flags: int = 0) -> list[I]:
    """Return the instructions that set a key, given on the stack."""
    program = [mov(0, key), store(10, -4, 0, isa.W), mov(0, value), store(10, -16, 0)]
    program += [handle(1), *pointer(2, -4), *pointer(3, -16), mov(4, flags), helper(2)]
    return program


def lookup(key: int) -> list[I]:
    """Return the instructions that leave a key's value in r0, or 99 without one."""
    program = [mov(0, key), store(10, -4, 0, isa.W), handle(1), *pointer(2, -4), helper(1)]
    return [
        *program,
        I(isa.JMP | isa.JNE, 0, 0, 2),
        I(isa.ALU64 | isa.MOV, 0, 0, 0, 99),
        EXIT,
        load(0, 0, 0),
    ]


def delete(key: int) -> list[I]:
    """Return the instructions that remove a key."""
    return [mov(0, key), store(10, -4, 0, isa.W), handle(1), *pointer(2, -4), helper(3)]


def result(program: list[I], map: MapSpec, form: str) -> int:
    runtime = runtime_of([*program, EXIT], [map])
    runtime.form = form
    sk = Sock()
    sk.ca = runtime.area()
    return runtime.function("p", "undo_cwnd")(sk)


@pytest.mark.parametrize("kind", [HASH, LRU])
def test_a_hash_remembers_updates_and_forgets(form: str, kind: int) -> None:
    assert result(lookup(5), spec(kind), form) == 99
    assert result([*update(5, 70), *lookup(5)], spec(kind), form) == 70
    assert result([*update(5, 70), *update(5, 71), *lookup(5)], spec(kind), form) == 71
    assert result([*update(5, 70), *delete(5), *lookup(5)], spec(kind), form) == 99
    assert result([*update(5, 70), *delete(5)], spec(kind), form) == 0
    assert result(delete(5), spec(kind), form) == ENOENT


def test_flags_say_what_must_be_there(form: str) -> None:
    assert result(update(5, 1, 2), spec(HASH), form) == ENOENT
    assert result([*update(5, 1), *update(5, 2, 1)], spec(HASH), form) == EEXIST


def test_a_full_hash_takes_no_more_and_an_lru_drops_the_oldest(form: str) -> None:
    three = [*update(1, 10), *update(2, 20), *update(3, 30)]
    assert result(three, spec(HASH), form) == E2BIG
    assert result([*three, *lookup(1)], spec(LRU), form) == 99
    assert result([*three, *lookup(3)], spec(LRU), form) == 30


def test_an_array_is_zero_at_first_and_ends(form: str) -> None:
    assert result(lookup(1), spec(ARRAY), form) == 0
    assert result(lookup(2), spec(ARRAY), form) == 99
    assert result([*update(1, 7), *lookup(1)], spec(ARRAY), form) == 7
    assert result(update(2, 7), spec(ARRAY), form) == E2BIG


def test_what_is_written_through_a_value_stays_in_the_map(form: str) -> None:
    program = [*update(5, 70), mov(0, 5), store(10, -4, 0, isa.W), handle(1), *pointer(2, -4)]
    program += [helper(1), I(isa.JMP | isa.JEQ, 0, 0, 1), I(isa.ST | isa.MEM | isa.W, 0, 0, 4, 1)]
    assert result([*program, *lookup(5)], spec(HASH), form) == 70 | 1 << 32


def storage(flags: int, initial: int | None = None) -> list[I]:
    """Return the instructions that leave the address of the socket's value in r0."""
    program = [load(2, 1, 0), mov(3, 0), mov(4, flags)]
    if initial is not None:
        program = [mov(0, initial), store(10, -8, 0), load(2, 1, 0), *pointer(3, -8), mov(4, flags)]
    return [*program, handle(1), helper(107)]


def test_storage_of_sockets_is_made_on_demand_and_goes_with_the_socket(form: str) -> None:
    count = [*storage(1), load(1, 0, 0), I(isa.ALU64 | isa.ADD, 1, 0, 0, 1), store(0, 0, 1)]
    runtime = runtime_of([*count, alu(isa.MOV, 0, 1), EXIT], [spec(STORAGE, 0)])
    runtime.form = form
    run = runtime.function("p", "undo_cwnd")
    one, other = Sock(), Sock()
    assert [run(one), run(one), run(other), run(one)] == [1, 2, 1, 3]
    kernel = Kernel()
    ops = TcpCongestionOps(
        name="x",
        ssthresh=tcp_reno_ssthresh,
        cong_avoid=lambda sk, ack, acked: None,
        undo_cwnd=tcp_reno_undo_cwnd,
    )
    third = Sock()
    third.ca_ops = ops
    kernel.socket(third)
    assert [run(third), run(third)] == [1, 2]
    kernel.close(third)
    kernel.socket(third)
    assert run(third) == 1


def test_storage_begins_as_it_is_told_and_is_none_without_the_flag(form: str) -> None:
    assert result(storage(0), spec(STORAGE, 0), form) == 0
    assert result([*storage(1, 41), load(0, 0, 0)], spec(STORAGE, 0), form) == 41


def test_a_ring_buffer_hands_over_what_is_submitted(form: str) -> None:
    reserve = [handle(1), mov(2, 8), mov(3, 0), helper(131)]
    fill = [I(isa.JMP | isa.JEQ, 0, 0, 5), mov(1, 7), store(0, 0, 1), alu(isa.MOV, 1, 0)]
    program = [*reserve, *fill, mov(2, 0), helper(132), I(isa.ALU64 | isa.MOV, 0), EXIT]
    program[4] = I(isa.JMP | isa.JEQ, 0, 0, 7)
    runtime = runtime_of(program, [spec(RING, 4096, 0, 0)])
    runtime.form = form
    runtime.function("p", "undo_cwnd")(Sock())
    assert runtime.maps[0].records == [(7).to_bytes(8, "little")]


def test_for_each_element_the_callback_sees_key_value_and_context(form: str) -> None:
    """It adds ten times the key and the value to what the context points to."""
    setup = [*update(1, 100), *update(2, 200), mov(6, 0), store(10, -24, 6)]
    call = [handle(1), I(isa.LD_IMM64, 2, isa.PSEUDO_FUNC, 0, 0), *pointer(3, -24), mov(4, 0)]
    outer = [*setup, *call, helper(164), load(0, 10, -24), EXIT]
    slots = sum(2 if it.opcode == isa.LD_IMM64 else 1 for it in outer)
    outer[outer.index(call[1])] = I(isa.LD_IMM64, 2, isa.PSEUDO_FUNC, 0, slots)
    inner = [load(2, 2, 0, isa.W), I(isa.ALU64 | isa.MUL, 2, 0, 0, 10), load(3, 3, 0)]
    inner += [alu(isa.ADD, 2, 3), load(5, 4, 0), alu(isa.ADD, 5, 2), store(4, 0, 5)]
    program = [*outer, *inner, I(isa.ALU64 | isa.MOV, 0), EXIT]
    assert result(program[:-1], spec(HASH), form) == 10 + 100 + 20 + 200


def test_printed_lines_are_formatted_and_kept(form: str) -> None:
    text = int.from_bytes(b"w=%u h=%", "little"), int.from_bytes(b"x\n\0\0\0\0\0\0", "little")
    program = [mov(0, text[0]), store(10, -16, 0), mov(0, text[1]), store(10, -8, 0)]
    program += [*pointer(1, -16), mov(2, 11), mov(3, 42), mov(4, 255), helper(6), EXIT]
    runtime = runtime_of(program)
    runtime.form = form
    assert runtime.function("p", "undo_cwnd")(Sock()) == len("w=42 h=ff\n")
    assert runtime.trace == ["w=42 h=ff"]


@pytest.mark.parametrize(
    ("map", "errno"), [(spec(ARRAY, 1 << 30, 4096), 12), (spec(99), 22), (spec(13), 22)]
)
def test_a_map_that_cannot_be_made_has_linux_errno(map: MapSpec, errno: int) -> None:
    with pytest.raises(MapError) as raised:
        create_map(map, 0)
    assert raised.value.errno == errno
