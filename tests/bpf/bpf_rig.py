"""Objects and recordings that tests of the execution side share, and programs written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ccsim.bpf import instructions as isa
from ccsim.bpf.instructions import Instruction as I
from ccsim.bpf.kernel_btf import Target
from ccsim.bpf.mapspec import MapSpec
from ccsim.bpf.object import LoadedObject, Program, open_object
from ccsim.bpf.runtime import Runtime
from ccsim.kernel.sock import Sock

DATA = Path(__file__).parent / "data"
RECORDINGS = sorted((DATA / "recordings").glob("*.xz"))


def loaded(name: str) -> LoadedObject:
    """Load one of the recorded objects."""
    return open_object(DATA / "objects" / f"{name}.bpf.o").load(Target())


def runtimes(header: dict[str, Any]) -> dict[str, Runtime]:
    """Make a recording's objects ready, by their files' names."""
    files = [entry["file"] for entry in header["objects"]]
    return {file: Runtime(loaded(file.removesuffix(".bpf.o"))) for file in files}


def runtime_of(
    program: Sequence[I],
    maps: Sequence[MapSpec] = (),
    member: str = "undo_cwnd",
    kfuncs: tuple[str, ...] = (),
) -> Runtime:
    """Return a runtime of one program, ``p``; SECOND slots are put behind LD_IMM64."""
    whole: list[I] = []
    for it in program:
        whole.append(it)
        if it.opcode == isa.LD_IMM64:
            whole.append(isa.SECOND)
    loaded = object.__new__(LoadedObject)
    values = {
        "name": "hand",
        "programs": {"p": Program("p", "struct_ops/p", member, whole, kfuncs)},
        "maps": list(maps),
    }
    for name, value in values.items():
        object.__setattr__(loaded, name, value)
    return Runtime(loaded)


def run(
    program: Sequence[I],
    maps: Sequence[MapSpec] = (),
    *,
    form: str = "interpreter",
    sk: Sock | None = None,
    kfuncs: tuple[str, ...] = (),
) -> int:
    """Run a program written by hand on a socket; return r0."""
    runtime = runtime_of(program, maps, kfuncs=kfuncs)
    runtime.form = form
    sk = sk or Sock()
    sk.ca = runtime.area()
    return runtime.function("p", "undo_cwnd")(sk)


def mov(dst: int, value: int) -> I:
    """Return rDST = VALUE, a number of 64 bits."""
    return I(isa.LD_IMM64, dst, 0, 0, value & (1 << 64) - 1)


def alu(op: int, dst: int, src: int, offset: int = 0) -> I:
    """Return an operation of 64 bits between registers."""
    return I(isa.ALU64 | isa.X | op, dst, src, offset)


def alu32(op: int, dst: int, src: int, offset: int = 0) -> I:
    """Return an operation of 32 bits between registers."""
    return I(isa.ALU | isa.X | op, dst, src, offset)


EXIT = I(isa.EXIT_OPCODE)


def load(dst: int, src: int, offset: int, size: int = isa.DW) -> I:
    """Return rDST = *(rSRC + OFFSET)."""
    return I(isa.LDX | isa.MEM | size, dst, src, offset)


def store(dst: int, offset: int, src: int, size: int = isa.DW) -> I:
    """Return *(rDST + OFFSET) = rSRC."""
    return I(isa.STX | isa.MEM | size, dst, src, offset)


def helper(number: int) -> I:
    """Return a call of a helper."""
    return I(isa.CALL_OPCODE, 0, isa.CALL_HELPER, 0, number)


def jump(op: int, dst: int, src: int, offset: int, cls: int = isa.JMP) -> I:
    """Return a conditional jump between registers."""
    return I(cls | isa.X | op, dst, src, offset)
