"""update_wrong: a map of another name cannot go behind a link; the first one goes on serving."""

from __future__ import annotations

import pytest

from ccsim.kernel import KernelError
from ccsim.kernel.errors import EINVAL
from tests.selftests.selftest_rig import act_at, bss, link_of, loaded, trace, world

SCENARIO = """\
objects: [tcp_ca_update.py]
links: {tcp_ca_update: ca_update_1}
flows:
  - {name: first, congestion: tcp_ca_update, size: 10 MiB}
  - {name: second, congestion: tcp_ca_update, size: 10 MiB, start: 5 s}
"""
ACKS = 4354  # of a transfer: see test_update_ca


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_the_update_fails_and_the_next_transfer_counts_on_the_first_map(profile: str) -> None:
    run = world(f"{SCENARIO}kernel: {{profile: {profile}}}\n")
    link, wrong = link_of(run), loaded(run, "tcp_ca_update.py")["ca_wrong"]
    said: list[str] = []

    def update() -> None:
        with pytest.raises(KernelError) as caught:
            link.update_map(wrong)
        assert caught.value.number == EINVAL
        said.append(str(caught.value))

    act_at(run, 4.0, update)
    run.run()
    assert len(said) == 1
    assert "expected 'tcp_ca_update', got 'tcp_ca_wrong'" in said[0]
    assert bss(run, "second")["ca1_cnt"] == 2 * ACKS
    assert bss(run, "second")["ca_wrong_cnt"] == 0
    assert trace(run.result(), "second").implementations == ("ca_update_1",)
    assert link.dead == (profile == "v2")  # the series' libbpf frees the handle; the link stays


def test_a_running_transfer_does_not_feel_the_attempt() -> None:
    ends = []
    for tries in (True, False):
        run = world(SCENARIO)
        link, wrong = link_of(run), loaded(run, "tcp_ca_update.py")["ca_wrong"]

        def update() -> None:
            with pytest.raises(KernelError):
                link.update_map(wrong)  # noqa: B023 (called before the next turn)

        act_at(run, 1.0, update if tries else lambda: None)
        run.run()
        ends.append(trace(run.result(), "first").end_ns)
    assert ends[0] == ends[1]
