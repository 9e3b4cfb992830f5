"""link_replace: BPF_F_REPLACE updates a link only if the map that is expected is behind it."""

from __future__ import annotations

import pytest

from ccsim.kernel import BPF_F_REPLACE, BpfCmd, KernelError
from ccsim.kernel.errors import EINVAL, EPERM
from tests.selftests.selftest_rig import act_at, bss, kernel_of, link_of, loaded, trace, world

SCENARIO = """\
objects: [tcp_ca_update.py]
links: {tcp_ca_update: ca_update_2}
flows:
  - {name: first, congestion: tcp_ca_update, size: 10 MiB}
  - {name: second, congestion: tcp_ca_update, size: 10 MiB, start: 3 s}
  - {name: third, congestion: tcp_ca_update, size: 10 MiB, start: 6 s}
"""


def test_the_wrong_expectation_fails_and_the_right_one_replaces() -> None:
    run = world(SCENARIO)
    link, kernel = link_of(run), kernel_of(run)
    second = link.map
    assert second is not None
    first = loaded(run, "tcp_ca_update.py")["ca_update_1"]
    first.update_elem()
    said: list[int] = []

    def replace(expected_fd: int) -> None:
        attr = {"link_fd": link.fd, "new_map_fd": first.fd, "old_map_fd": expected_fd}
        try:
            kernel.bpf(BpfCmd.LINK_UPDATE, {**attr, "flags": BPF_F_REPLACE})
            said.append(0)
        except KernelError as error:
            said.append(error.number)

    act_at(run, 2.0, lambda: replace(first.fd))
    act_at(run, 5.0, lambda: replace(second.fd))
    run.run()
    assert said == [EPERM, 0]
    # the map that replaced comes from an object of its own, with counters of its own
    assert bss(run, "first")["ca2_cnt"] == 2 * 4354
    assert bss(run, "third")["ca1_cnt"] == 4354
    served = [trace(run.result(), name).implementations for name in ("first", "second", "third")]
    assert served == [("ca_update_2",), ("ca_update_2",), ("ca_update_1",)]


def test_the_series_knew_no_such_flag() -> None:
    run = world(SCENARIO + "kernel: {profile: v2}\n")
    link, kernel = link_of(run), kernel_of(run)
    first = loaded(run, "tcp_ca_update.py")["ca_update_1"]
    first.update_elem()
    attr = {"link_fd": link.fd, "new_map_fd": first.fd, "flags": BPF_F_REPLACE}
    with pytest.raises(KernelError) as caught:
        kernel.bpf(BpfCmd.LINK_UPDATE, attr)
    assert caught.value.number == EINVAL
