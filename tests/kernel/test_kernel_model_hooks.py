"""What an implementation may hand to the next one: members of the emulator, not of the kernel."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ccsim.kernel import TCP_CONGESTION, Sock
from ccsim.kernel.errors import EINVAL, KernelError
from ccsim.kernel.verifier import check_prog
from tests.kernel.kernel_rig import Rig


def export_model(sk: Sock) -> dict[str, int]:
    raise AssertionError("the kernel called export_model")


def import_model(sk: Sock, model: Mapping[str, int]) -> None:
    raise AssertionError("the kernel called import_model")


def test_a_map_keeps_the_model_hooks_of_its_table() -> None:
    rig = Rig()
    map = rig.map("mine", export_model=export_model, import_model=import_model)
    map.attach_struct_ops()
    ops = rig.sock("cc").ca_ops
    assert (ops.export_model, ops.import_model) == (export_model, import_model)


def test_a_table_without_model_hooks_is_complete() -> None:
    rig = Rig()
    rig.linked("mine")
    ops = rig.sock("cc").ca_ops
    assert (ops.export_model, ops.import_model) == (None, None)


def test_a_swap_by_setsockopt_calls_neither_model_hook() -> None:
    rig = Rig()
    rig.map("mine", export_model=export_model, import_model=import_model).attach_struct_ops()
    sk = rig.sock("cc")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "reno")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    assert rig.calls["mine.init"] == 2


@pytest.mark.parametrize("member", ["export_model", "import_model"])
def test_a_model_hook_is_no_program_that_the_kernel_loads(member: str) -> None:
    with pytest.raises(KernelError, match=f"has no member '{member}'") as caught:
        check_prog(member, export_model)
    assert caught.value.number == EINVAL
