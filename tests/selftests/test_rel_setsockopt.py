"""rel_setsockopt: an implementation may not set socket options in its own release."""

from __future__ import annotations

import pytest

from ccsim.kernel import KernelError, Object
from ccsim.kernel.errors import EINVAL, EPERM
from tests.selftests.selftest_rig import OBJECTS, bss, kernel_of, trace, world

FLOWS = """\
flows:
  - {name: closed, congestion: fleet, size: 1 MiB}
  - {name: swapped, congestion: fleet, size: 10 MiB}
swaps: [{at: 1 s, via: setsockopt, flows: [swapped], to: reno}]
"""


def test_the_object_is_refused_when_it_is_loaded() -> None:
    run = world("flows: [{congestion: cubic, size: 1 MiB}]\n")
    with pytest.raises(KernelError, match="cannot use helper bpf_setsockopt") as caught:
        Object.open(OBJECTS / "rel_setsockopt.py").load(kernel_of(run))
    assert caught.value.number == EINVAL
    run.run()
    assert "rel_setsockopt" not in kernel_of(run).available()


def test_a_scenario_that_links_it_fails_before_its_first_event() -> None:
    with pytest.raises(KernelError, match="cannot use helper bpf_setsockopt"):
        world(f"objects: [rel_setsockopt.py]\nlinks: {{fleet: rel_setsockopt}}\n{FLOWS}")


def test_what_gets_past_the_check_is_told_eperm_and_the_sockets_go_where_they_should(
    tmp_path: object,
) -> None:
    text = (OBJECTS / "rel_setsockopt.py").read_text(encoding="utf-8")
    indirect = text[: text.index("rel_setsockopt = ")] + text[text.index("rel_indirect = ") :]
    file = f"{tmp_path}/rel_indirect.py"
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(indirect)
    run = world(f"objects: [{file}]\nlinks: {{fleet: rel_indirect}}\n{FLOWS}")
    run.run()
    result = run.result()
    assert trace(result, "closed").implementations == ("rel_indirect",)
    assert trace(result, "swapped").implementations == ("rel_indirect", "reno")
    assert bss(run, "closed")["said"] == [-EPERM, -EPERM]  # once at the close, once at the swap
    assert [swap.errno for swap in result.swaps] == [0]
