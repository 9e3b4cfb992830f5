"""The `v2` profile in time: grace periods, going back, its libbpf, its state machine."""

from __future__ import annotations

from itertools import product

import pytest

from ccsim.kernel import BpfCmd, BpfLink, Map
from ccsim.kernel.bpf import TCP_CONGESTION_OPS
from ccsim.kernel.profiles import V2_TRANSITIONS, V2Profile, V2State
from tests.kernel.kernel_rig import Rig, raises


def test_an_update_moves_the_link_and_retires_the_old_map_through_a_grace_period():
    rig = Rig("v2")
    old, link = rig.linked("old")
    sk = rig.sock("cc")
    new = rig.map("new")
    assert rig.view(old) == ("INUSE", 2)
    link.update_map(new)
    assert rig.view(old) == ("TOBEUNREG", 1)  # the socket still runs it
    assert rig.view(new) == ("INUSE", 1)
    assert rig.kernel.available() == ["reno", "cubic", "cc"]
    assert rig.bpf(BpfCmd.OBJ_GET_INFO_BY_FD, bpf_fd=link.fd)["map_id"] == rig.of(new).id
    rig.kernel.close(sk)
    assert rig.view(old) == ("TOBEUNREG", 0)
    assert rig.kernel.next_grace_ns() == 4_000_000
    rig.kernel.advance(3_999_999)
    assert rig.view(old) == ("TOBEUNREG", 0)
    rig.kernel.advance(4_000_000)
    assert rig.view(old) == ("UNREG", 0)
    assert rig.kernel.next_grace_ns() is None


def test_a_map_is_freed_only_after_the_grace_period():
    rig = Rig("v2")
    map, link = rig.linked("m")
    obj = rig.of(map)
    map.close()
    link.detach()
    rig.kernel.close_fd(link.fd)
    assert not obj.freed
    rig.kernel.synchronize_rcu()
    assert obj.freed


def test_the_clock_does_not_run_backwards():
    kernel = Rig("v2").kernel
    kernel.advance(10)
    with pytest.raises(ValueError, match="expected at least 10 ns, got 9"):
        kernel.advance(9)


def test_a_map_without_a_link_can_be_registered_again_after_its_last_socket():
    rig = Rig("v2")
    map = rig.map("m", link=False)
    map.attach_struct_ops().destroy()
    assert rig.view(map) == ("TOBEFREE", 0)
    rig.kernel.synchronize_rcu()
    assert rig.view(map) == ("INIT", 0)
    map.update_elem()
    assert rig.view(map) == ("INUSE", 1)


def test_going_back_to_a_used_map_needs_its_element_deleted_first():
    rig = Rig("v2")
    first, link = rig.linked("first")
    second = rig.map("second")
    link.update_map(second)
    rig.kernel.synchronize_rcu()
    assert rig.view(first) == ("UNREG", 0)
    with raises("EINVAL", "freed the link handle"):
        link.update_map(first)
    assert link.dead
    again = BpfLink(rig.kernel, second, link.fd)  # the kernel's link is as it was
    first.delete_elem()
    again.update_map(first)
    assert rig.view(first) == ("INUSE", 1)


def test_a_failed_update_map_frees_the_handle_and_leaves_the_kernels_link():
    rig = Rig("v2")
    own, link = rig.linked("own")
    wrong = rig.map("wrong", "other")
    with raises("EINVAL"):
        link.update_map(wrong)
    assert rig.view(own) == ("INUSE", 1)
    assert rig.view(wrong) == ("UNREG", 0)  # its element was written all the same
    for call in (link.detach, link.destroy, link.unpin):
        with raises("EINVAL", "was freed"):
            call()
    assert "cc" in rig.kernel.available()


def test_what_is_no_update_at_all_keeps_the_handle():
    rig = Rig("v2")
    _, link = rig.linked("own")
    unloaded = Map("x", rig.cubic)
    with raises("EINVAL", "expected a real link and a loaded map"):
        link.update_map(unloaded)
    assert not link.dead


def test_destroying_a_real_link_fails_and_the_name_stays_until_the_descriptor_is_closed():
    rig = Rig("v2")
    map, link = rig.linked("m")
    with raises("EBUSY"):
        link.destroy()
    assert link.dead
    assert rig.kernel.available() == ["reno", "cubic", "cc"]
    rig.kernel.close_fd(link.fd)
    assert rig.kernel.available() == ["reno", "cubic"]
    assert rig.view(map) == ("TOBEUNREG", 0)


def test_destroying_a_link_that_was_detached_long_ago_works():
    rig = Rig("v2")
    map, link = rig.linked("m")
    link.detach()
    rig.kernel.synchronize_rcu()
    link.destroy()
    assert rig.view(map) == ("INIT", 0)


def test_destroying_a_stand_in_unregisters():
    rig = Rig("v2")
    map = rig.map("m", link=False)
    map.attach_struct_ops().destroy()
    assert rig.kernel.available() == ["reno", "cubic"]


def test_all_25_transitions_of_the_state_machine():
    allowed = {
        ("INIT", "INUSE"),
        ("INIT", "UNREG"),
        ("UNREG", "INUSE"),
        ("UNREG", "TOBEFREE"),
        ("INUSE", "TOBEFREE"),
        ("INUSE", "TOBEUNREG"),
        ("TOBEFREE", "INIT"),
        ("TOBEUNREG", "UNREG"),
    }
    assert {(a.name, b.name) for a, b in V2_TRANSITIONS} == allowed
    profile = V2Profile()
    for source, target in product(V2State, V2State):
        rig = Rig("v2")
        obj = rig.of(rig.map("m"))
        obj.state = source
        if (source.name, target.name) not in allowed:
            with raises("EINVAL", "no transition"):
                profile.transit(obj, source, target)
            assert obj.state is source
            continue
        assert profile.transit(obj, source, target) is source
        through = (source, target) == (V2State.UNREG, V2State.TOBEFREE)
        assert obj.state is (V2State.INIT if through else target)
        assert obj.refcnt == (1 if target is V2State.INUSE else 0)


def test_a_transition_from_another_state_changes_nothing_and_returns_the_state_found():
    rig = Rig("v2")
    obj = rig.of(rig.map("m"))
    profile = V2Profile()
    assert profile.transit(obj, V2State.UNREG, V2State.INUSE) is V2State.INIT
    assert (obj.state, obj.refcnt) == (V2State.INIT, 0)
    with raises("EINVAL", "expected the state UNREG, got INIT"):
        profile.transit_checked(obj, V2State.UNREG, V2State.INUSE)


def test_update_ca_as_the_series_had_it():
    rig = Rig("v2")
    first, link = rig.linked("ca_update_1", "tcp_ca_update")
    second = rig.map("ca_update_2", "tcp_ca_update")
    for _ in range(3):
        sk = rig.sock("tcp_ca_update")
        rig.acknowledge(sk)
    assert rig.calls["ca_update_1.cong_avoid"] == 3
    link.update_map(second)
    sk = rig.sock("tcp_ca_update")
    rig.acknowledge(sk)
    assert rig.calls["ca_update_1.cong_avoid"] == 3
    assert rig.calls["ca_update_2.cong_avoid"] == 1
    assert first.kernel is rig.kernel
    assert rig.of(second).st_ops == TCP_CONGESTION_OPS
