"""multi_links: one map can be linked again and again, while connections run on it."""

from __future__ import annotations

import pytest

from ccsim.kernel import TCP_CONGESTION, BpfLink, KernelError, Sock
from ccsim.kernel.errors import EEXIST, ENOENT
from tests.selftests.selftest_rig import act_at, bss, kernel_of, link_of, trace, world

SCENARIO = """\
objects: [tcp_ca_update.py]
links: {tcp_ca_update: ca_update_1}
flows:
  - {name: first, congestion: tcp_ca_update, size: 10 MiB}
  - {name: second, congestion: tcp_ca_update, size: 10 MiB, start: 3 s}
"""


def test_a_map_can_be_linked_anew_after_its_link_was_destroyed() -> None:
    run = world(SCENARIO)
    link, again = link_of(run), []
    assert link.map is not None
    attach = link.map.attach_struct_ops
    in_between: list[int] = []

    def choose() -> None:
        kernel, sk = kernel_of(run), Sock()
        kernel.socket(sk)
        with pytest.raises(KernelError) as caught:
            kernel.setsockopt(sk, TCP_CONGESTION, "tcp_ca_update")
        in_between.append(caught.value.number)

    act_at(run, 0.5, link.destroy)
    act_at(run, 0.6, choose)
    act_at(run, 1.0, lambda: again.append(attach()))
    run.run()
    assert in_between == [ENOENT]  # the name is gone, while the first transfer runs on
    assert isinstance(again[0], BpfLink)
    result = run.result()
    assert trace(result, "first").implementations == ("ca_update_1",)
    assert trace(result, "second").implementations == ("ca_update_1",)
    assert bss(run, "second")["ca1_cnt"] == 2 * 4354


def test_a_second_link_of_the_same_map_is_refused_while_the_first_lives() -> None:
    run = world(SCENARIO)
    link = link_of(run)
    assert link.map is not None
    with pytest.raises(KernelError) as caught:
        link.map.attach_struct_ops()
    assert caught.value.number == EEXIST
    run.run()
    assert bss(run, "second")["ca1_cnt"] == 2 * 4354
