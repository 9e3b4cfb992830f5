"""The verifier's verdict on a program of an object: what it may do, or the kernel's refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccsim.bpf.errors import LOAD, BpfObjectError
from ccsim.bpf.verifier.check import COMPLEXITY_LIMIT, Checker, Verdict
from ccsim.bpf.verifier.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ccsim.bpf.btf import Btf
    from ccsim.bpf.mapspec import MapSpec
    from ccsim.bpf.object import Program

__all__ = ["verify"]


def verify(
    program: Program,
    maps: Sequence[MapSpec],
    btf: Btf,
    *,
    arguments: int = 4,
    limit: int = COMPLEXITY_LIMIT,
) -> Verdict:
    """Verify a program. ``arguments`` is how many ``cong_control`` has on the kernel emulated.

    Raises BpfObjectError (stage load) with the kernel's errno and sentence, the instruction and,
    where the object tells it, the line of C.
    """
    assert program.member is not None
    checker = None
    try:
        checker = Checker(
            program.instructions,
            program.member,
            maps,
            btf,
            program.kfuncs,
            program.poison,
            arguments=arguments,
            limit=limit,
        )
        return checker.run()
    except Refusal as refusal:
        slot = refusal.slot if refusal.slot >= 0 else checker.slot if checker else 0
        notes = tuple(checker.notes) if checker else ()
        raise BpfObjectError(
            LOAD, refusal.number, _sentence(program, slot, refusal.message), notes
        ) from None


def _sentence(program: Program, slot: int, message: str) -> str:
    """Return a refusal with its place: ``prog 'x': insn 2: ; tp->snd_nxt = 0; @ x.c:23: ...``."""
    line = next((program.lines[at] for at in range(slot, -1, -1) if at in program.lines), None)
    place = f"prog '{program.name}': insn {slot}"
    if line is not None:
        place += f": ; {line}"
    return f"{place}: {message}"
