"""Objects, maps and links as users handle them, in the `linux` profile; the kernel's self-tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ccsim.kernel import (
    BPF_F_LINK,
    TCP_CONGESTION,
    TCP_RENO,
    BpfCmd,
    BpfLink,
    Map,
    Object,
    ObjectFileError,
    Sock,
)
from tests.kernel.kernel_rig import Rig, raises, snapshot

FILE = '''
"""Two implementations of one name, and one of another."""
from ccsim.kernel import TCP_RENO, TcpCongestionOps
from dataclasses import dataclass, replace

@dataclass
class State:
    acks: "int" = 0

def get_info(sk):
    return {}

first = replace(TCP_RENO, name="mine", private=State, flags=0, get_info=get_info)
second = replace(TCP_RENO, name="mine", link=False)
'''


def test_each_table_of_a_file_is_a_map_named_for_its_variable(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    obj = Object.open(path, {"second": "yours"}, strip_get_info=True)
    assert {name: map.ops.name for name, map in obj.maps.items()} == {
        "first": "mine",
        "second": "yours",
    }
    assert obj.maps["first"].map_flags == BPF_F_LINK
    assert obj.maps["second"].map_flags == 0
    rig = Rig()
    obj.load(rig.kernel)
    link = obj.maps["first"].attach_struct_ops()
    sk = rig.sock("mine")
    assert sk.ca.acks == 0
    assert rig.served_by(sk) == "first"
    obj.close()
    link.destroy()
    assert rig.served_by(sk) == "first"
    rig.kernel.close(sk)
    assert rig.kernel.map_ids.living() == []
    assert rig.kernel.prog_ids.living() == []


def test_unsupp_cong_op_get_info_is_refused_when_loading_and_nothing_stays(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    rig = Rig()
    obj = Object.open(path)
    with raises("ENOTSUPP", "get_info"):
        obj.load(rig.kernel)
    assert rig.kernel.fds.items() == []
    assert rig.kernel.map_ids.living() == []
    assert rig.kernel.prog_ids.living() == []


def test_a_name_for_a_map_that_is_not_there_is_an_error():
    with pytest.raises(ObjectFileError, match="expected a map of a, got 'b'"):
        Object.open({"a": TCP_RENO}, {"b": "x"})


def test_an_object_is_loaded_once_and_its_flags_are_then_fixed():
    rig = Rig()
    obj = Object.open({"a": TCP_RENO})
    obj.maps["a"].set_map_flags(0)
    obj.load(rig.kernel)
    with raises("EINVAL", "loaded already"):
        obj.load(rig.kernel)
    with raises("EBUSY"):
        obj.maps["a"].set_map_flags(BPF_F_LINK)
    obj.close()
    obj.close()
    assert rig.kernel.fds.items() == []


def test_flags_that_no_map_has_fail_at_loading():
    obj = Object.open({"a": TCP_RENO})
    obj.maps["a"].set_map_flags(1)
    with raises("EINVAL", "no flag but BPF_F_LINK"):
        obj.load(Rig().kernel)


def test_a_map_that_is_not_loaded_can_do_nothing():
    map = Map("a", TCP_RENO)
    for operation in (map.attach_struct_ops, map.update_elem, map.delete_elem, map.prepare):
        with raises("EINVAL", "not loaded"):
            operation()
    map.close()


def test_incompl_cong_ops_loads_but_cannot_be_attached():
    rig = Rig()
    map = rig.map("a", ssthresh=None, cong_avoid=None)
    before = snapshot(rig.kernel)
    with raises("EINVAL", "ssthresh, cong_avoid or cong_control"):
        map.attach_struct_ops()
    assert snapshot(rig.kernel) == before


def test_a_map_can_be_linked_again_after_its_link_went():
    rig = Rig()
    map, link = rig.linked("a")
    link.destroy()
    map.attach_struct_ops()
    assert rig.kernel.available() == ["reno", "cubic", "cc"]


def test_update_ca_reaches_only_those_who_connect_afterwards():
    rig = Rig()
    _, link = rig.linked("ca_update_1")
    old = rig.sock("cc")
    rig.acknowledge(old)
    second = rig.map("ca_update_2")
    link.update_map(second)
    new = rig.sock("cc")
    rig.acknowledge(new)
    rig.acknowledge(new)
    rig.acknowledge(old)
    assert rig.calls["ca_update_1.cong_avoid"] == 2
    assert rig.calls["ca_update_2.cong_avoid"] == 2
    assert link.map is second


def test_update_wrong_refuses_another_name_and_keeps_the_link():
    rig = Rig()
    map, link = rig.linked("ca_update_1")
    with raises("EINVAL", "update keeps the name: expected 'cc', got 'other'"):
        link.update_map(rig.map("ca_wrong", "other"))
    assert rig.view(map) == ("READY", 1)
    assert not link.dead
    assert rig.kernel.available() == ["reno", "cubic", "cc"]


def test_mixed_links_a_stand_in_cannot_be_updated_and_the_names_exclude_each_other():
    rig = Rig()
    legacy, linked = rig.map("ca_no_link", link=False), rig.map("ca_update_1", "dd")
    stand_in = legacy.attach_struct_ops()
    link = linked.attach_struct_ops()
    with raises("EINVAL", "expected a real link"):
        stand_in.update_map(linked)
    with raises("EINVAL"):
        link.update_map(legacy)
    with raises("EEXIST"):
        rig.map("again").attach_struct_ops()
    with raises("EINVAL"):
        stand_in.detach()  # its descriptor is a map's
    stand_in.destroy()
    assert rig.kernel.available() == ["reno", "cubic", "dd"]


def test_multi_links_a_map_takes_a_second_link_once_the_first_is_gone():
    rig = Rig()
    map, first = rig.linked("ca_update_1")
    with raises("EEXIST"):
        map.attach_struct_ops()
    first.destroy()
    second = map.attach_struct_ops()
    assert rig.view(map) == ("READY", 1)
    second.destroy()
    assert rig.view(map) == ("READY", 0)


def test_link_replace_only_if_the_expected_map_is_behind_the_link():
    rig = Rig()
    first, link = rig.linked("ca_update_1")
    second = rig.map("ca_update_2")
    second.update_elem()
    attr = {"link_fd": link.fd, "new_map_fd": second.fd, "flags": 4}
    with raises("EPERM", "the link's map is ca_update_1"):
        rig.bpf(BpfCmd.LINK_UPDATE, **attr, old_map_fd=second.fd)
    with raises("EINVAL", "without BPF_F_REPLACE"):
        rig.bpf(BpfCmd.LINK_UPDATE, **{**attr, "flags": 0}, old_map_fd=first.fd)
    rig.bpf(BpfCmd.LINK_UPDATE, **attr, old_map_fd=first.fd)
    assert rig.view(first) == ("READY", 0)
    assert rig.view(second) == ("READY", 1)


def test_an_update_to_the_links_own_map_is_refused_and_says_why():
    rig = Rig()
    map, link = rig.linked("a")
    before = snapshot(rig.kernel)
    with raises("EINVAL", "corrupt its list"):
        link.update_map(map)
    assert snapshot(rig.kernel) == before


def test_other_struct_ops_types_cannot_take_a_links_place():
    rig = Rig()
    map, link = rig.linked("a")
    other = rig.map("b")
    other.update_elem()
    rig.of(other).st_ops = "bpf_dummy_ops"
    with raises("EINVAL", "expected a tcp_congestion_ops"):
        link.update_map(other)
    with raises("EOPNOTSUPP"):
        other.attach_struct_ops()
    assert rig.view(other) == ("READY", 0)
    assert rig.view(map) == ("READY", 1)


def test_a_detached_link_stays_detached_for_good():
    rig = Rig()
    _, link = rig.linked("a")
    link.detach()
    link.detach()
    with raises("ENOLINK"):
        link.update_map(rig.map("b"))
    assert rig.kernel.available() == ["reno", "cubic"]


def test_a_pinned_link_outlives_its_handle_and_can_be_opened_again():
    rig = Rig()
    map, link = rig.linked("a")
    link.pin("cc_link")
    with raises("EBUSY", "pinned at cc_link"):
        link.pin("other")
    link.destroy()
    assert rig.view(map) == ("READY", 1)
    again = BpfLink.open(rig.kernel, "/sys/fs/bpf/cc_link")
    again.update_map(rig.map("b"))
    again.unpin()
    with raises("EINVAL", "not pinned"):
        again.unpin()
    assert "cc" in rig.kernel.available()
    again.destroy()
    assert "cc" not in rig.kernel.available()


@pytest.mark.parametrize(
    ("path", "errno"),
    [("", "EINVAL"), ("a\0b", "EINVAL"), ("/tmp/x", "EPERM"), ("../x", "EPERM"), (".", "EPERM")],
)
def test_pins_live_in_the_bpf_file_system_only(path, errno):
    rig = Rig()
    _, link = rig.linked("a")
    with raises(errno):
        link.pin(path)
    assert link.pin_path is None


def test_a_path_is_pinned_once_and_an_absent_one_is_an_error():
    rig = Rig()
    _, link = rig.linked("a")
    _, other = rig.linked("b", "dd")
    link.pin("x")
    with raises("EEXIST"):
        other.pin("/sys/fs/bpf/./x")
    with raises("ENOENT"):
        rig.kernel.unlink("y")
    with raises("ENOENT"):
        BpfLink.open(rig.kernel, "y")


def test_programs_live_as_long_as_a_map_has_them():
    rig = Rig()
    obj = Object.open({"a": replace(rig.cubic, name="cc")})
    obj.load(rig.kernel)
    map = obj.maps["a"]
    map.update_elem()
    fds = rig.progs(map)
    for fd in fds.values():
        rig.kernel.close_fd(fd)
    assert len(rig.kernel.prog_ids.living()) == len(fds) == 5
    map.close()
    assert rig.kernel.prog_ids.living() == []


def test_an_object_that_is_closed_can_be_loaded_into_another_kernel():
    obj = Object.open({"a": TCP_RENO}, {"a": "cc"})
    for rig in (Rig(), Rig("v2")):
        obj.maps = {"a": Map("a", replace(TCP_RENO, name="cc"))}
        obj.load(rig.kernel)
        obj.maps["a"].attach_struct_ops()
        sk = rig.sock("cc")
        assert rig.kernel.getsockopt(sk, TCP_CONGESTION) == "cc"
        obj.close()


def test_what_serves_a_socket_can_be_read():
    rig = Rig()
    rig.linked("a")
    ca = rig.kernel.implementation_of(rig.sock("cc"))
    assert (ca.name, ca.map_name, repr(ca)) == ("cc", "a", "<cc from a, 2 references>")
    with raises("EBADF"):
        rig.kernel.implementation_of(Sock())
