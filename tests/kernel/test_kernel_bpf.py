"""bpf() commands and what each refuses; what is checked before code runs."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

from ccsim.kernel import (
    ENOTSUPP,
    TCP_CONGESTION,
    BpfCmd,
    KernelError,
    MapType,
    ProgType,
    Sock,
    StructOpsValue,
    errno_name,
    kfuncs,
)
from ccsim.kernel.kfuncs import bpf_setsockopt
from ccsim.kernel.verifier import MEMBERS, check_prog
from tests.kernel.kernel_rig import Rig, raises, snapshot


def test_descriptors_are_the_lowest_free_numbers_from_3_on():
    rig = Rig()
    fds = [rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY) for _ in range(3)]
    assert fds == [3, 4, 5]
    rig.kernel.close_fd(4)
    assert rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY) == 4
    with raises("EBADF"):
        rig.kernel.close_fd(9)


@pytest.mark.parametrize(
    ("fd", "errno"), [(-1, "EBADF"), (0, "EINVAL"), (2, "EINVAL"), (9, "EBADF")]
)
def test_standard_descriptors_are_open_but_no_bpf_objects(fd, errno):
    with raises(errno):
        Rig().bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=fd)


def test_objects_of_the_wrong_kind_are_refused():
    rig = Rig()
    map, link = rig.linked("a")
    with raises("EINVAL", "is a link, not a map"):
        rig.bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=link.fd)
    with raises("EINVAL", "is a map, not a link"):
        rig.bpf(BpfCmd.LINK_DETACH, link_fd=map.fd)
    with raises("EINVAL", "not a map"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=link.fd)


@pytest.mark.parametrize(
    ("cmd", "attr", "words"),
    [
        (99, {}, "no command 99"),
        (BpfCmd.OBJ_GET, {}, "expected pathname!"),
        (BpfCmd.LINK_DETACH, {"link_fd": 3, "flags": 0}, "expected link_fd!"),
        (BpfCmd.MAP_CREATE, {"map_type": 1}, "no map type 1"),
        (BpfCmd.LINK_CREATE, {"map_fd": 3, "attach_type": 1}, "no attach type 1"),
        (BpfCmd.MAP_CREATE, {"map_type": 2, "max_entries": 0}, "expected at least 1"),
        (BpfCmd.MAP_CREATE, {"map_type": 26, "max_entries": 2}, "has one entry"),
        (BpfCmd.MAP_CREATE, {"map_type": 26, "map_name": "x" * 16}, "at most 15"),
        (BpfCmd.MAP_CREATE, {"map_type": 26, "map_name": "a-b"}, "got '-'"),
        (
            BpfCmd.PROG_LOAD,
            {"prog_type": 1, "attach_member": "init", "insns": print},
            "no program type 1",
        ),
    ],
)
def test_commands_and_members_that_do_not_exist_are_refused(cmd, attr, words):
    rig = Rig()
    before = snapshot(rig.kernel)
    with raises("EINVAL", words):
        rig.kernel.bpf(cmd, attr)
    assert snapshot(rig.kernel) == before


def test_a_struct_that_the_kernel_does_not_have_is_not_supported():
    with raises("ENOTSUPP", "sched_ext_ops"):
        Rig().bpf(
            BpfCmd.MAP_CREATE,
            map_type=MapType.STRUCT_OPS,
            btf_vmlinux_value_type="sched_ext_ops",
        )


def test_keys_beyond_the_map_are_too_big():
    rig = Rig()
    map = rig.map("a")
    array = rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY, max_entries=2)
    with raises("E2BIG", "key 0 only"):
        rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=map.fd, key=1, value=map.kern_vdata)
    with raises("E2BIG", "below 2"):
        rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=array, key=2, value=7)
    rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=array, key=1, value=7)
    assert rig.bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=array, key=1) == 7
    assert rig.bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=array) == 0
    for flags, errno in ((1, "EEXIST"), (4, "EINVAL")):
        with raises(errno):
            rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=array, key=1, value=8, flags=flags)
    with raises("EINVAL", "array"):
        rig.bpf(BpfCmd.MAP_DELETE_ELEM, map_fd=array)
    with raises("EINVAL", "got an array"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=array)


def test_lookup_reads_zeros_before_the_element_is_written():
    rig = Rig()
    map = rig.map("a")
    look = functools.partial(rig.bpf, BpfCmd.MAP_LOOKUP_ELEM, map_fd=map.fd)
    assert look() == {"state": 0, "refcnt": 0, "name": ""}
    map.attach_struct_ops()
    assert look() == {"state": 3, "refcnt": 1, "name": "cc"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "has no name"),
        ({"name": "x" * 16}, "at most 15 characters, got 16"),
        ({"name": "a b"}, "got ' '"),
        ({"flags": 4}, "expected 0 to 3, got 0x4"),
        ({"flags": 0x80}, "got 0x80"),
        ({"ssthresh": None}, "ssthresh"),
        ({"undo_cwnd": None}, "undo_cwnd"),
        ({"cong_avoid": None}, "cong_avoid or cong_control"),
    ],
)
@pytest.mark.parametrize("link", [True, False])
def test_an_element_that_is_not_valid_leaves_the_map_as_it_was(changes, words, link):
    rig = Rig()
    name = changes.get("name", "cc")
    map = rig.map("a", **{**changes, "name": name, "link": link})
    before = snapshot(rig.kernel)
    with raises("EINVAL", words):
        map.update_elem()
    assert snapshot(rig.kernel) == before


def test_cong_control_may_stand_in_the_place_of_cong_avoid():
    rig = Rig()
    rig.map("a", cong_avoid=None, cong_control=lambda sk, ack, flag, rs: None).attach_struct_ops()
    assert rig.kernel.available() == ["reno", "cubic", "cc"]


def test_values_are_checked_for_their_type_and_programs_for_their_member():
    rig = Rig()
    map = rig.map("a")
    progs = rig.progs(map)
    swapped = {"ssthresh": progs["undo_cwnd"]}
    for value, errno in (
        (7, "EINVAL"),
        (StructOpsValue("cc", 0, swapped), "EINVAL"),
        (StructOpsValue("cc", 0, {"ssthresh": map.fd}), "EINVAL"),
        (StructOpsValue("cc", 0, {"ssthresh": 99}), "EBADF"),
    ):
        with raises(errno):
            rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=map.fd, value=value)


def test_ids_lead_to_objects_and_end_with_enoent():
    rig = Rig()
    map, link = rig.linked("a")
    map_id = rig.bpf(BpfCmd.MAP_GET_NEXT_ID)
    assert rig.bpf(BpfCmd.OBJ_GET_INFO_BY_FD, bpf_fd=map.fd) == {
        "id": map_id,
        "type": MapType.STRUCT_OPS,
        "name": "a",
        "map_flags": 1 << 13,
    }
    with raises("ENOENT"):
        rig.bpf(BpfCmd.MAP_GET_NEXT_ID, start_id=map_id)
    fd = rig.bpf(BpfCmd.LINK_GET_FD_BY_ID, id=rig.bpf(BpfCmd.LINK_GET_NEXT_ID))
    link.destroy()
    assert rig.bpf(BpfCmd.OBJ_GET_INFO_BY_FD, bpf_fd=fd)["map_id"] == map_id
    rig.bpf(BpfCmd.LINK_DETACH, link_fd=fd)
    assert rig.bpf(BpfCmd.OBJ_GET_INFO_BY_FD, bpf_fd=fd)["map_id"] is None
    rig.kernel.close_fd(fd)
    with raises("ENOENT"):
        rig.bpf(BpfCmd.LINK_GET_FD_BY_ID, id=1)


def test_information_tells_kinds_apart():
    rig = Rig()
    legacy = rig.map("a", link=False)
    array = rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY, map_name="arr")
    prog = rig.bpf(BpfCmd.PROG_GET_FD_BY_ID, id=rig.bpf(BpfCmd.PROG_GET_NEXT_ID))
    info = functools.partial(rig.bpf, BpfCmd.OBJ_GET_INFO_BY_FD)
    assert info(bpf_fd=legacy.fd)["map_flags"] == 0
    assert info(bpf_fd=array)["type"] == MapType.ARRAY
    assert info(bpf_fd=prog) == {"id": 1, "type": ProgType.STRUCT_OPS, "name": "tcp_reno_ssthre"}
    assert rig.bpf(BpfCmd.MAP_GET_FD_BY_ID, id=1) > prog


def test_errors_have_linuxs_numbers_names_and_sentences():
    error = KernelError(ENOTSUPP, "no")
    assert (error.errno, str(error)) == (524, "ENOTSUPP: no")
    assert isinstance(error, OSError)
    assert [errno_name(n) for n in (95, -16, 67, 777)] == ["EOPNOTSUPP", "EBUSY", "ENOLINK", "777"]


# --- before code runs ---


def helper(sk: Sock) -> None:
    bpf_setsockopt(sk, TCP_CONGESTION, "reno")


def calls_a_helper(sk: Sock) -> None:
    helper(sk)


def uses_the_module(sk: Sock) -> None:
    kfuncs.bpf_getsockopt(sk, TCP_CONGESTION)


def hides_it_in_a_lambda(sk: Sock) -> Any:
    return lambda: bpf_setsockopt(sk, TCP_CONGESTION, "reno")


def recurses(sk: Sock) -> None:
    if sk.ca:
        recurses(sk)


def over(func: Any) -> Any:
    def release(sk: Sock) -> None:
        func(sk)

    return release


def over_nothing_yet() -> Any:
    def release(sk: Sock) -> None:
        later(sk)

    if MEMBERS:
        return release
    later = print
    return later


@pytest.mark.parametrize(
    "func", [helper, calls_a_helper, uses_the_module, hides_it_in_a_lambda, over(helper)]
)
def test_release_may_not_reach_a_socket_option_helper_by_any_visible_way(func):
    with raises("EINVAL", "cannot use helper bpf_"):
        check_prog("release", func)
    check_prog("init", func)


@pytest.mark.parametrize("func", [recurses, over(math.sqrt), over(recurses), over_nothing_yet()])
def test_release_may_do_anything_else(func):
    check_prog("release", func)


@pytest.mark.parametrize(
    ("member", "func", "errno", "words"),
    [
        ("reboot", print, "EINVAL", "no member 'reboot'"),
        ("get_info", helper, "ENOTSUPP", "only modules"),
        ("init", 7, "EINVAL", "expected a function, got 7"),
        ("cong_avoid", helper, "EINVAL", "expected a function of (sk, ack, acked)"),
        ("init", lambda: None, "EINVAL", "expected a function of (sk)"),
    ],
)
def test_members_take_functions_with_their_arguments(member, func, errno, words):
    with raises(errno, words):
        check_prog(member, func)


def test_functions_of_c_and_partial_ones_pass():
    check_prog("init", max)
    check_prog("release", functools.partial(print, 1))
