"""mixed_links: a map without BPF_F_LINK serves beside a link, but cannot go behind one."""

from __future__ import annotations

import pytest

from ccsim.kernel import KernelError
from ccsim.kernel.errors import EBUSY, EINVAL
from tests.selftests.selftest_rig import act_at, bss, link_of, loaded, trace, world

# ca_no_link is attached by itself, as all maps of an object are that no link names
SCENARIO = """\
objects: [tcp_ca_update.py]
links: {tcp_ca_update: ca_update_1}
flows:
  - {name: linked, congestion: tcp_ca_update, size: 10 MiB}
  - {name: plain, congestion: tcp_ca_no_link, size: 10 MiB}
"""


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_both_kinds_serve_and_the_link_refuses_the_map_without_one(profile: str) -> None:
    run = world(f"{SCENARIO}kernel: {{profile: {profile}}}\n")
    link, unlinked = link_of(run), run.registry.maps["ca_no_link"]
    said: list[int] = []

    def update() -> None:
        with pytest.raises(KernelError) as caught:
            link.update_map(unlinked)
        said.append(caught.value.number)

    act_at(run, 1.0, update)
    run.run()
    result = run.result()
    assert trace(result, "linked").implementations == ("ca_update_1",)
    assert trace(result, "plain").implementations == ("ca_no_link",)
    assert bss(run, "linked")["ca1_cnt"] == bss(run, "plain")["ca_no_link_cnt"] == 4354
    # the element is written already: fine to today's libbpf, and the link then refuses the map;
    # the series' libbpf stops at that
    assert said == [EINVAL if profile == "linux" else EBUSY]


def test_the_link_itself_refuses_a_map_without_the_flag() -> None:
    run = world(SCENARIO)
    link, unlinked = link_of(run), loaded(run, "tcp_ca_update.py")["ca_no_link"]
    with pytest.raises(KernelError) as caught:
        run.registry.kernel.bpf(29, {"link_fd": link.fd, "new_map_fd": unlinked.fd})
    assert caught.value.number == EINVAL
