"""Objects of every kind that ISA v1 to v4 and the kernel's features allow, with Linux's verdicts.

Socket storage, hash, LRU and per-CPU maps, ring buffers, subprograms with structs on the stack,
bounded loops, callbacks, iterators, locks, recursion, deep stacks: see ``src/`` in the archive.
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.bpf.errors import BpfObjectError
from ccsim.bpf.object import open_object
from tests.bpf.edge_rig import archive, cases

FILES = archive("kinds")


def of(stage: str) -> list[Any]:
    found = [case for case in cases("kinds") if case["stage"] == stage]
    assert len(found) > 10
    return [pytest.param(case, id=case["object"].removesuffix(".bpf.o")) for case in found]


@pytest.mark.parametrize("case", of("attach"))
def test_what_linux_takes_is_taken_and_proven(case: dict[str, Any]) -> None:
    loaded = open_object(FILES[case["object"]], case["object"]).load()
    assert loaded.programs
    assert not any(program.verdict.guarded for program in loaded.programs.values())


@pytest.mark.parametrize("case", of("load"))
def test_what_linux_refuses_is_refused_in_its_words(case: dict[str, Any]) -> None:
    with pytest.raises(BpfObjectError) as caught:
        open_object(FILES[case["object"]], case["object"]).load()
    assert (caught.value.stage, caught.value.number) == (case["stage"], case["errno"])
    assert caught.value.message.endswith(case["said"])


def test_loops_that_linux_ends_by_itself_take_few_steps() -> None:
    for name, most in (("iter.v3.bpf.o", 200), ("subs.v3.bpf.o", 3000)):
        programs = open_object(FILES[name], name).load().programs
        assert programs["x_cong_avoid"].verdict.processed < most
