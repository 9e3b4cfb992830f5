"""unsupp_cong_op: get_info is a module's alone; an object that has it is not loaded."""

from __future__ import annotations

import pytest

from ccsim.kernel import ENOTSUPP, KernelError
from tests.selftests.selftest_rig import act_at, kernel_of, loaded, trace, world

SCENARIO = "flows:\n  - {name: bulk, congestion: cubic, size: 10 MiB}\n"


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_the_object_is_refused_when_it_is_loaded_and_leaves_nothing(profile: str) -> None:
    run = world(f"{SCENARIO}kernel: {{profile: {profile}}}\n")
    said: list[int] = []

    def load() -> None:
        open_before = len(kernel_of(run).fds.items())
        with pytest.raises(KernelError, match="get_info: only modules") as caught:
            loaded(run, "unsupp_cong_op.py")
        said.append(caught.value.number)
        assert len(kernel_of(run).fds.items()) == open_before

    act_at(run, 0.02, load)
    run.run()
    assert said == [ENOTSUPP]
    assert "bpf_unsupp_op" not in kernel_of(run).available()
    assert trace(run.result(), "bulk").end_ns is not None


def test_a_scenario_leaves_the_member_out_as_its_files_may_be_modules_too() -> None:
    run = world(
        "objects: [unsupp_cong_op.py]\n"
        "flows:\n  - {name: bulk, congestion: bpf_unsupp_op, size: 10 MiB}\n"
    )
    run.run()
    flow = trace(run.result(), "bulk")
    assert (flow.implementations, flow.end_ns is not None) == (("unsupp_cong_op",), True)
    assert run.flow("bulk").sk.ca_ops.get_info is None
