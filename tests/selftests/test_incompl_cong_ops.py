"""incompl_cong_ops: an implementation without cong_avoid and cong_control cannot be attached."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.kernel import KernelError
from ccsim.kernel.errors import EINVAL
from tests.selftests.selftest_rig import act_at, kernel_of, loaded, trace, world

SCENARIO = "flows:\n  - {name: bulk, congestion: cubic, size: 10 MiB}\n"


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_it_loads_but_does_not_attach_and_traffic_goes_on(profile: str) -> None:
    ends = []
    for tries in (True, False):
        run = world(f"{SCENARIO}kernel: {{profile: {profile}}}\n")
        map = loaded(run, "incompl_cong_ops.py")["incompl_cong_ops"]
        before = kernel_of(run).available()

        def attach() -> None:
            with pytest.raises(KernelError, match="cong_avoid or cong_control") as caught:
                map.attach_struct_ops()  # noqa: B023 (called before the next turn)
            assert caught.value.number == EINVAL

        if tries:
            act_at(run, 0.02, attach)
        run.run()
        assert kernel_of(run).available() == before
        ends.append(trace(run.result(), "bulk").end_ns)
    assert ends[0] == ends[1] is not None


def test_a_scenario_with_such_an_object_fails_before_its_first_event() -> None:
    refused = r"incompl_cong_ops.py:8: EINVAL: bpf_incompl_ops: required operation missing"
    with pytest.raises(ScenarioError, match=refused):
        world(f"objects: [incompl_cong_ops.py]\n{SCENARIO}")


def test_a_link_update_to_it_fails_and_new_connections_get_the_old_one() -> None:
    run = world(
        "objects: [incompl_cong_ops.py]\nlinks: {fleet: cubic}\n"
        "flows: [{name: later, congestion: fleet, start: 2 s, size: 1 MiB}]\n"
        "swaps: [{at: 1 s, via: link_update, link: fleet, to: incompl_cong_ops}]\n"
    )
    run.run()
    result = run.result()
    assert [(swap.errno, swap.old, swap.flows) for swap in result.swaps] == [(EINVAL, "cubic", ())]
    assert trace(result, "later").implementations == ("cubic",)
