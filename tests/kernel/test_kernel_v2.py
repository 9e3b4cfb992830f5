"""The `v2` profile: each cell of (command × state × flag), written by hand from the posted series.

INIT 0, UNREG 1, INUSE 2, TOBEFREE 3, TOBEUNREG 4. A cell is an errno, or the state and count after.
"""

from __future__ import annotations

from itertools import product

import pytest

from ccsim.kernel import BPF_F_LINK, BPF_F_REPLACE, BpfCmd, BpfLink, Map, MapType, StructOpsValue
from ccsim.kernel.profiles import V2State
from tests.kernel.kernel_rig import Rig, raises, snapshot

LINK_STATES = ("INIT", "UNREG", "INUSE", "TOBEUNREG+socket", "TOBEUNREG+grace", "TOBEFREE")
LEGACY_STATES = ("INIT", "INUSE", "TOBEFREE+socket", "TOBEFREE+grace")


def in_state(rig: Rig, state: str, *, link: bool) -> tuple[Map, BpfLink | None]:
    """Bring a map named cc into a state by commands; only TOBEFREE with a link has to be forced."""
    map = rig.map("m", link=link)
    if state == "INIT":
        return map, None
    if state == "UNREG":
        map.update_elem()
        return map, None
    if state == "TOBEFREE":
        map.update_elem()
        rig.of(map).state = V2State.TOBEFREE
        return map, None
    handle = map.attach_struct_ops()
    if state == "INUSE":
        return map, handle
    sk = rig.sock("cc")
    if link:
        handle.detach()
    else:
        map.delete_elem()
    if state.endswith("grace"):
        rig.kernel.close(sk)
    return map, handle


def lookup(rig: Rig, map: Map) -> tuple[int, int]:
    value = rig.bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=map.fd, key=0)
    return value["state"], value["refcnt"]


# (state of a map with BPF_F_LINK, command) -> errno or (state, refcnt) afterwards
LINK_CELLS: dict[tuple[str, str], str | tuple[str, int]] = {
    ("INIT", "update"): ("UNREG", 0),
    ("INIT", "update flags=1"): "EINVAL",
    ("INIT", "delete"): "ENOENT",
    ("INIT", "link create"): "EINVAL",
    ("INIT", "link update"): "EINVAL",
    ("INIT", "link update REPLACE"): "EINVAL",
    ("UNREG", "update"): "EINVAL",
    ("UNREG", "update flags=1"): "EINVAL",
    ("UNREG", "delete"): ("INIT", 0),
    ("UNREG", "link create"): ("INUSE", 1),
    ("UNREG", "link update"): ("INUSE", 1),
    ("UNREG", "link update REPLACE"): "EINVAL",
    ("INUSE", "update"): "EBUSY",
    ("INUSE", "update flags=1"): "EINVAL",
    ("INUSE", "delete"): "EBUSY",
    ("INUSE", "link create"): "EINVAL",
    ("INUSE", "link update"): "EINVAL",
    ("INUSE", "link update REPLACE"): "EINVAL",
    ("TOBEUNREG+socket", "update"): "EBUSY",
    ("TOBEUNREG+socket", "update flags=1"): "EINVAL",
    ("TOBEUNREG+socket", "delete"): "EBUSY",
    ("TOBEUNREG+socket", "link create"): "EINVAL",
    ("TOBEUNREG+socket", "link update"): "EINVAL",
    ("TOBEUNREG+socket", "link update REPLACE"): "EINVAL",
    ("TOBEUNREG+grace", "update"): "EBUSY",
    ("TOBEUNREG+grace", "update flags=1"): "EINVAL",
    ("TOBEUNREG+grace", "delete"): "EBUSY",
    ("TOBEUNREG+grace", "link create"): "EINVAL",
    ("TOBEUNREG+grace", "link update"): "EINVAL",
    ("TOBEUNREG+grace", "link update REPLACE"): "EINVAL",
    ("TOBEFREE", "update"): "EBUSY",
    ("TOBEFREE", "update flags=1"): "EINVAL",
    ("TOBEFREE", "delete"): "EINPROGRESS",
    ("TOBEFREE", "link create"): "EINVAL",
    ("TOBEFREE", "link update"): "EINVAL",
    ("TOBEFREE", "link update REPLACE"): "EINVAL",
}
LEGACY_CELLS: dict[tuple[str, str], str | tuple[str, int]] = {
    ("INIT", "update"): ("INUSE", 1),
    ("INIT", "update flags=1"): "EINVAL",
    ("INIT", "delete"): "ENOENT",
    ("INIT", "link create"): "EINVAL",
    ("INIT", "link update"): "EINVAL",
    ("INIT", "link update REPLACE"): "EINVAL",
    ("INUSE", "update"): "EBUSY",
    ("INUSE", "update flags=1"): "EINVAL",
    ("INUSE", "delete"): ("TOBEFREE", 0),
    ("INUSE", "link create"): "EINVAL",
    ("INUSE", "link update"): "EINVAL",
    ("INUSE", "link update REPLACE"): "EINVAL",
    ("TOBEFREE+socket", "update"): "EBUSY",
    ("TOBEFREE+socket", "update flags=1"): "EINVAL",
    ("TOBEFREE+socket", "delete"): "EINPROGRESS",
    ("TOBEFREE+socket", "link create"): "EINVAL",
    ("TOBEFREE+socket", "link update"): "EINVAL",
    ("TOBEFREE+socket", "link update REPLACE"): "EINVAL",
    ("TOBEFREE+grace", "update"): "EBUSY",
    ("TOBEFREE+grace", "update flags=1"): "EINVAL",
    ("TOBEFREE+grace", "delete"): "EINPROGRESS",
    ("TOBEFREE+grace", "link create"): "EINVAL",
    ("TOBEFREE+grace", "link update"): "EINVAL",
    ("TOBEFREE+grace", "link update REPLACE"): "EINVAL",
}
COMMANDS = (
    "update",
    "update flags=1",
    "delete",
    "link create",
    "link update",
    "link update REPLACE",
)


def carry_out(rig: Rig, command: str, map: Map, link: BpfLink | None) -> None:
    if command.startswith("update"):
        flags = int(command[-1] == "1")
        rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=map.fd, value=map.kern_vdata, key=0, flags=flags)
    elif command == "delete":
        rig.bpf(BpfCmd.MAP_DELETE_ELEM, map_fd=map.fd, key=0)
    elif command == "link create":
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=map.fd)
    else:
        flags = BPF_F_REPLACE if command.endswith("REPLACE") else 0
        assert link is not None
        rig.bpf(BpfCmd.LINK_UPDATE, link_fd=link.fd, new_map_fd=map.fd, flags=flags)


def check_cell(state: str, command: str, expected: str | tuple[str, int], *, link: bool) -> None:
    rig = Rig("v2")
    map, _ = in_state(rig, state, link=link)
    other = None
    if command.startswith("link update"):
        # the link that is to take the map bears the same name unless the map occupies that
        _, other = rig.linked("other", "cc2" if state == "INUSE" else "cc")
    before = snapshot(rig.kernel)
    if isinstance(expected, tuple):
        carry_out(rig, command, map, other)
        assert rig.view(map) == expected
        return
    with raises(expected):
        carry_out(rig, command, map, other)
    assert snapshot(rig.kernel) == before


@pytest.mark.parametrize(("state", "command"), list(product(LINK_STATES, COMMANDS)))
def test_each_cell_of_a_map_with_a_link(state, command):
    check_cell(state, command, LINK_CELLS[state, command], link=True)


@pytest.mark.parametrize(("state", "command"), list(product(LEGACY_STATES, COMMANDS)))
def test_each_cell_of_a_map_without_a_link(state, command):
    check_cell(state, command, LEGACY_CELLS[state, command], link=False)


@pytest.mark.parametrize(
    ("link", "state", "expected"),
    [
        (True, "INIT", (0, 0)),
        (True, "UNREG", (1, 0)),
        (True, "INUSE", (2, 1)),
        (True, "TOBEUNREG+socket", (4, 1)),
        (True, "TOBEUNREG+grace", (4, 0)),
        (False, "INIT", (0, 0)),
        (False, "INUSE", (2, 1)),
        (False, "TOBEFREE+socket", (3, 1)),
        (False, "TOBEFREE+grace", (3, 0)),
    ],
)
def test_lookup_reads_the_state_and_the_count_and_zeros_before_the_first_update(
    link, state, expected
):
    rig = Rig("v2")
    map, _ = in_state(rig, state, link=link)
    assert lookup(rig, map) == expected


@pytest.mark.parametrize(
    ("link_state", "command", "expected"),
    [
        ("attached", "update flags=0", "OK"),
        ("attached", "update flags=1", "EINVAL"),
        ("attached", "update flags=4", "EINVAL"),
        ("attached", "update bad map fd", "EINVAL"),
        ("attached", "update array", "EINVAL"),
        ("attached", "update no link map", "EINVAL"),
        ("attached", "update other type", "EINVAL"),
        ("attached", "update other name", "EINVAL"),
        ("attached", "update incomplete", "EINVAL"),
        ("attached", "update own map", "EINVAL"),
        ("attached", "detach", "OK"),
        ("attached", "close", "OK"),
        ("detached", "update flags=0", "EINVAL"),
        ("detached", "update flags=4", "EINVAL"),
        ("detached", "detach", "OK"),
        ("detached", "close", "OK"),
        ("closed", "update flags=0", "EBADF"),
        ("closed", "update flags=4", "EINVAL"),
        ("closed", "detach", "EBADF"),
        ("closed", "close", "EBADF"),
    ],
)
def test_each_cell_of_a_link(link_state, command, expected):
    rig = Rig("v2")
    own, link = rig.linked("own")
    new = rig.map(
        "new",
        "cc2" if "name" in command else "cc",
        link="no link" not in command,
        ssthresh=None if "incomplete" in command else rig.cubic.ssthresh,
    )
    if "no link" not in command:
        new.update_elem()
    fd = {"update bad map fd": -1, "update own map": own.fd}.get(command, new.fd)
    if command == "update array":
        fd = rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY, map_name="array")
    if command == "update other type":
        fd = dummy(rig, BPF_F_LINK)
    if link_state == "detached":
        link.detach()
    if link_state == "closed":
        rig.kernel.close_fd(link.fd)
    before = snapshot(rig.kernel)

    def act() -> None:
        if command == "detach":
            rig.bpf(BpfCmd.LINK_DETACH, link_fd=link.fd)
        elif command == "close":
            rig.kernel.close_fd(link.fd)
        else:
            flags = int(command[-1]) if "flags" in command else 0
            rig.bpf(BpfCmd.LINK_UPDATE, link_fd=link.fd, new_map_fd=fd, flags=flags)

    if expected == "OK":
        act()
        return
    with raises(expected):
        act()
    assert snapshot(rig.kernel) == before


def dummy(rig: Rig, flags: int) -> int:
    """Make a map of the struct_ops type that tests use and write its element."""
    fd: int = rig.bpf(
        BpfCmd.MAP_CREATE,
        map_type=MapType.STRUCT_OPS,
        map_name="dummy",
        map_flags=flags,
        btf_vmlinux_value_type="bpf_dummy_ops",
    )
    rig.bpf(BpfCmd.MAP_UPDATE_ELEM, map_fd=fd, key=0, value=StructOpsValue("cc"))
    return fd


@pytest.mark.parametrize("flags", [1, 2, BPF_F_LINK | 1, 1 << 14])
def test_maps_take_no_flag_but_the_links(flags):
    with raises("EINVAL", "no flag but BPF_F_LINK"):
        Rig("v2").bpf(BpfCmd.MAP_CREATE, map_type=MapType.STRUCT_OPS, map_flags=flags)


@pytest.mark.parametrize("what", ["nothing", "array", "program", "no link"])
def test_link_create_says_einval_to_whatever_is_not_a_map_with_a_link(what):
    rig = Rig("v2")
    map = rig.map("m", link=False)
    fds = {
        "nothing": -1,
        "array": rig.bpf(BpfCmd.MAP_CREATE, map_type=MapType.ARRAY),
        "program": rig.progs(map)["ssthresh"],
        "no link": map.fd,
    }
    with raises("EINVAL"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=fds[what])


def test_other_struct_ops_types_can_be_neither_registered_nor_linked():
    rig = Rig("v2")
    fd = dummy(rig, BPF_F_LINK)
    with raises("EOPNOTSUPP"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=fd)
    assert rig.bpf(BpfCmd.MAP_LOOKUP_ELEM, map_fd=fd) == {"state": 1, "refcnt": 0, "name": "cc"}
    with raises("EOPNOTSUPP"):
        dummy(rig, 0)


def test_a_link_that_cannot_register_leaves_its_map_as_it_was():
    rig = Rig("v2")
    rig.linked("first")
    second = rig.map("second")
    second.update_elem()
    with raises("EEXIST"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=second.fd)
    assert rig.view(second) == ("UNREG", 0)
    lame = rig.map("lame", "other", undo_cwnd=None)
    lame.update_elem()  # in the series an element is not checked before it is registered
    with raises("EINVAL", "undo_cwnd"):
        rig.bpf(BpfCmd.LINK_CREATE, map_fd=lame.fd)
    assert rig.view(lame) == ("UNREG", 0)
