"""35 objects with one mistake each: refused at the stage, and with the errno, of a real kernel."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ccsim.bpf.errors import BpfObjectError
from ccsim.bpf.object import LoadedObject, open_object
from ccsim.kernel.errors import KernelError
from ccsim.kernel.kernel import Kernel
from ccsim.kernel.libbpf import Object
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.verifier import MEMBERS
from tests.bpf.edge_rig import cases, edge_files

CASES = cases("edge")


def names(stage: str) -> list[Any]:
    found = [pytest.param(case, id=case["object"][:-6]) for case in CASES if case["stage"] == stage]
    assert found
    return found


def test_all_that_was_recorded_is_here() -> None:
    assert len(CASES) == 35


@pytest.mark.parametrize("case", names("load"))
def test_what_libbpf_or_the_verifier_refused_is_refused_at_load(case: dict[str, Any]) -> None:
    opened = open_object(edge_files()[case["object"]], case["object"])
    with pytest.raises(BpfObjectError) as caught:
        opened.load()
    assert (caught.value.stage, caught.value.number) == ("load", case["errno"])


# Linux has a function of this name, with another prototype; ccsim has none
OTHER_SENTENCES = {"kfunc_not_allowed.bpf.o"}


@pytest.mark.parametrize("case", names("load"))
def test_the_refusal_has_the_kernels_own_sentence(case: dict[str, Any]) -> None:
    with pytest.raises(BpfObjectError) as caught:
        open_object(edge_files()[case["object"]], case["object"]).load()
    if case["object"] in OTHER_SENTENCES:
        assert "not found in kernel or module BTFs" in caught.value.message
        return
    # the last line without an instruction's number: what infinite loops say of it depends on it
    said = re.sub(r" at insn \\d+", "", caught.value.message.splitlines()[-1].split(": ")[-1])
    assert re.sub(r" at insn \\d+", "", said.removesuffix(" at insn 6")) in case["log"]


@pytest.mark.parametrize("case", names("attach"))
def test_what_was_refused_at_attach_loads_and_is_refused_there(case: dict[str, Any]) -> None:
    loaded = open_object(edge_files()[case["object"]], case["object"]).load()
    assert {name for name, _ in case["programs"]} == set(loaded.programs)
    assert attach(loaded) == case["maps"]


def attach(loaded: LoadedObject) -> dict[str, int]:
    """Link each table in the emulated kernel, with hooks that do nothing; return the errnos."""
    found = {}
    for name, table in loaded.tables.items():
        hooks: dict[str, Any] = {member: _idle(member) for member in table.programs}
        ops = TcpCongestionOps(name=table.cc_name, flags=table.flags, link=table.link, **hooks)
        kernel = Kernel()
        taken = Object.open({"cubic": TcpCongestionOps(name="cubic", **_complete())})
        taken.load(kernel)
        taken.maps["cubic"].attach_struct_ops()
        opened = Object.open({name: ops})
        opened.load(kernel)
        try:
            opened.maps[name].attach_struct_ops()
            found[name] = 0
        except KernelError as error:
            found[name] = error.number
    return found


def _idle(member: str) -> Any:
    return eval(f"lambda {', '.join(MEMBERS[member])}: 0")


def _complete() -> Any:
    return {member: _idle(member) for member in ("ssthresh", "undo_cwnd", "cong_avoid")}


def test_old_cong_control_is_accepted_by_the_kernel_it_was_written_for() -> None:
    from ccsim.bpf.kernel_btf import Target

    opened = open_object(edge_files()["old_cong_control.bpf.o"], "old")
    assert "bad_cong_control" in opened.load(Target(version=(6, 9, 0))).programs


def test_a_refusal_tells_instruction_and_source_line() -> None:
    with pytest.raises(BpfObjectError) as caught:
        open_object(edge_files()["write_snd_nxt.bpf.o"]).load()
    assert str(caught.value) == (
        "load: EACCES: prog 'bad_cong_avoid': insn 2: ; tp->snd_nxt = 0; @ write_snd_nxt.bpf.c:23: "
        "no write support to tcp_sock at off 1668"
    )
