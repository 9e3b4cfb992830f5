"""A hook that moves its own socket goes on, on the successor's private area."""

from __future__ import annotations

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.runtime import FORMS
from ccsim.catalog import algorithm_files
from ccsim.kernel import Kernel, TcpCongestionOps
from ccsim.kernel.kfuncs import tcp_reno_ssthresh
from ccsim.kernel.loader import load_tables
from ccsim.kernel.sock import Sock
from tests.bpf.bpf_rig import EXIT, alu, helper, load, mov, runtime_of, store

AREA = 1296  # icsk_ca_priv in struct tcp_sock


def moves(name: bytes, after: list[I]) -> list[I]:
    """Return a program that counts in its area, moves its socket and does something after that."""
    word = int.from_bytes(name.ljust(8, b"\0"), "little")
    program = [load(6, 1, 0), mov(2, 77), store(6, AREA + 4, 2, isa.W)]
    program += [mov(0, word), store(10, -16, 0), mov(0, 0), store(10, -8, 0)]
    program += [alu(isa.MOV, 1, 6), mov(2, 6), mov(3, 13), alu(isa.MOV, 4, 10)]
    program += [I(isa.ALU64 | isa.ADD, 4, 0, 0, -16), mov(5, 16), helper(49)]
    return [*program, *after, EXIT]


def served(program: list[I], form: str) -> tuple[int, Sock]:
    """Run a program as the ``undo_cwnd`` of a connected socket."""
    runtime = runtime_of(program)
    runtime.form = form
    undo = runtime.function("p", "undo_cwnd")
    own = TcpCongestionOps(
        name="own",
        ssthresh=tcp_reno_ssthresh,
        undo_cwnd=undo,
        cong_avoid=lambda sk, ack, acked: None,
        private=runtime.area,
    )
    tables = [load_tables(algorithm_files()[name])[name] for name in ("cubic", "vegas")]
    kernel = Kernel(builtins=[own, *tables], default="own")
    sk = Sock()
    kernel.socket(sk)
    kernel.connect(sk)
    return undo(sk), sk


@pytest.mark.parametrize("form", FORMS)
def test_what_it_wrote_is_gone_and_what_it_reads_is_the_successors(form: str) -> None:
    """``last_max_cwnd`` of a new CUBIC is 0; its ``curr_rtt`` begins as 2**32 - 1."""
    result, sk = served(moves(b"cubic", [load(0, 6, AREA + 4, isa.W)]), form)
    assert (result, sk.ca_ops.name) == (0, "cubic")
    result, _ = served(moves(b"cubic", [load(0, 6, AREA + 56, isa.W)]), form)
    assert result == 0xFFFFFFFF


@pytest.mark.parametrize("form", FORMS)
def test_what_it_writes_then_is_the_successors(form: str) -> None:
    _, sk = served(moves(b"cubic", [mov(2, 123), store(6, AREA + 4, 2, isa.W)]), form)
    assert sk.ca.last_max_cwnd == 123
    assert sk.ca.hz == 250, "what lies outside the area stays"


@pytest.mark.parametrize("form", FORMS)
def test_of_an_algorithm_without_bytes_nothing_is_seen_or_changed(form: str) -> None:
    after = [mov(2, 9), store(6, AREA, 2, isa.W), load(0, 6, AREA, isa.W)]
    result, sk = served(moves(b"vegas", after), form)
    assert (result, sk.ca_ops.name) == (0, "vegas")


@pytest.mark.parametrize("form", FORMS)
def test_a_name_that_is_not_registered_changes_nothing(form: str) -> None:
    result, sk = served(moves(b"nobody", []), form)
    assert result == -2 & (1 << 64) - 1  # ENOENT
    assert sk.ca.load(4, 4) == 77
