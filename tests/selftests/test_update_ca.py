"""update_ca: a link is updated between two transfers; the first map's counter then stands still."""

from __future__ import annotations

import pytest

from ccsim.kernel import BpfCmd, KernelError
from ccsim.kernel.errors import EBUSY, EINVAL
from tests.selftests.selftest_rig import (
    act_at,
    bss,
    kernel_of,
    link_of,
    loaded,
    trace,
    world,
)

TWO_TRANSFERS = """\
objects: [tcp_ca_update.py]
links: {tcp_ca_update: ca_update_1}
flows:
  - {name: first, congestion: tcp_ca_update, size: 10 MiB}
  - {name: second, congestion: tcp_ca_update, size: 10 MiB, start: 5 s}
"""
UPDATE = "swaps: [{at: 4 s, via: link_update, link: tcp_ca_update, to: ca_update_2}]\n"

# 7242 packets: 1465 are acknowledged one by one, the other 5777 by twos and the last alone
ACKS = 1465 + 2889


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_the_counter_of_the_first_map_stands_still_and_that_of_the_second_grows(
    profile: str,
) -> None:
    run = world(f"{TWO_TRANSFERS}{UPDATE}kernel: {{profile: {profile}}}\n")
    seen: list[tuple[int, int]] = []

    def look() -> None:
        counters = bss(run, "first")
        seen.append((counters["ca1_cnt"], counters["ca2_cnt"]))

    for t_s in (3.9, 4.1, 11.0):
        act_at(run, t_s, look)
    run.run()
    assert seen == [(ACKS, 0), (ACKS, 0), (ACKS, ACKS)]
    result = run.result()
    assert trace(result, "first").implementations == ("ca_update_1",)
    assert trace(result, "second").implementations == ("ca_update_2",)


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_a_transfer_across_the_update_stays_on_the_first_map(profile: str) -> None:
    run = world(
        TWO_TRANSFERS.replace("start: 5 s", "start: 3.5 s")
        + f"{UPDATE}kernel: {{profile: {profile}}}\n"
    )
    run.run()
    assert bss(run, "second") == {
        "ca1_cnt": 2 * ACKS,
        "ca2_cnt": 0,
        "ca_wrong_cnt": 0,
        "ca_no_link_cnt": 0,
    }


def test_an_algorithm_that_only_counts_keeps_the_initial_window() -> None:
    run = world(TWO_TRANSFERS + UPDATE)
    run.run()
    flow = trace(run.result(), "second")
    assert (set(flow.snd_cwnd.tolist()), flow.counters["packets_dropped"]) == ({10}, 0)
    assert flow.end_ns is not None
    # 725 windows of 10 packets, a round trip of 2 ms apart; the transmission of one takes 0.12 ms
    assert 725 * 2_000_000 < flow.end_ns - flow.start_ns < 726 * 2_200_000


def test_in_v2_the_first_map_can_only_come_back_when_it_is_idle_and_its_element_deleted() -> None:
    """The series' state machine, with a running transfer that holds the old map in TOBEUNREG."""
    run = world(TWO_TRANSFERS.replace("start: 5 s", "start: 3.5 s") + "kernel: {profile: v2}\n")
    said: dict[str, int] = {}
    link = link_of(run)
    first = link.map
    assert first is not None
    second = loaded(run, "tcp_ca_update.py")["ca_update_2"]

    def state() -> str:
        fd = first.fd
        return str(kernel_of(run).fds.get(fd, "map").state.name)  # type: ignore[attr-defined]

    def attempt(what: str, act: object) -> None:
        try:
            act()  # type: ignore[operator]
            said[what] = 0
        except KernelError as error:
            said[what] = error.number

    states: list[str] = []
    act_at(run, 4.0, lambda: link.update_map(second))
    act_at(run, 4.2, lambda: attempt("delete in use", first.delete_elem))
    act_at(run, 4.2, lambda: states.append(state()))
    act_at(run, 5.5, run.tick)
    act_at(run, 5.5, lambda: states.append(state()))
    act_at(run, 6.0, lambda: attempt("update element again", first.update_elem))
    act_at(run, 6.1, lambda: attempt("delete idle", first.delete_elem))
    act_at(run, 6.2, lambda: attempt("update element", first.update_elem))
    run.run()
    assert states == ["TOBEUNREG", "UNREG"]  # the transfer ends at about 5 s
    assert said == {
        "delete in use": EBUSY,
        "update element again": EINVAL,
        "delete idle": 0,
        "update element": 0,
    }


def test_the_link_tells_which_map_is_behind_it() -> None:
    run = world(TWO_TRANSFERS + UPDATE)
    link, kernel, ids = link_of(run), kernel_of(run), []

    def look() -> None:
        info = kernel.bpf(BpfCmd.OBJ_GET_INFO_BY_FD, {"bpf_fd": link.fd})
        ids.append(info["map_id"])

    act_at(run, 3.9, look)
    act_at(run, 4.1, look)
    run.run()
    assert len(set(ids)) == 2
