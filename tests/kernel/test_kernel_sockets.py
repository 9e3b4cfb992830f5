"""Sockets, listeners, namespaces: what binds when, what is inherited, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ccsim.kernel import TCP_CONGESTION, TCP_RENO, Implementation, Kernel, Sock
from ccsim.kernel.objects import TcpOwner
from tests.kernel.kernel_rig import Rig, counting, raises, snapshot


def test_a_switch_runs_the_old_release_then_the_new_init_on_a_fresh_private_area():
    rig = Rig()
    log: list[str] = []

    def hooks(key: str) -> dict[str, Any]:
        return {
            "init": lambda sk: log.append(f"{key}.init {sk.ca}"),
            "release": lambda sk: log.append(f"{key}.release {sk.ca}"),
            "private": lambda: [key],
        }

    for key in ("a", "b"):
        rig.map(key, key, **hooks(key)).attach_struct_ops()
    sk = rig.sock("a")
    sk.ca.append("used")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "b")
    assert log == ["a.init ['a']", "a.release ['a', 'used']", "b.init ['b']"]
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "reno")
    assert sk.ca is None


def test_window_and_threshold_belong_to_the_socket_and_stay():
    rig = Rig()
    sk = rig.sock()
    sk.snd_cwnd, sk.snd_ssthresh, sk.srtt_us, sk.snd_cwnd_cnt = 77, 50, 320_000, 5
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    assert (sk.snd_cwnd, sk.snd_ssthresh, sk.srtt_us, sk.snd_cwnd_cnt) == (77, 50, 320_000, 5)


def test_init_and_release_run_only_on_connected_sockets():
    rig = Rig()
    rig.linked("a")
    sk = rig.sock("cc", connect=False)
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    rig.kernel.close(sk)
    assert not rig.calls
    sk = rig.sock("cc")
    rig.kernel.close(sk)
    assert rig.calls == {"a.init": 1, "a.release": 1}


def test_the_same_implementation_again_is_no_switch_but_a_newer_one_of_the_name_is():
    rig = Rig()
    _, link = rig.linked("a")
    sk = rig.sock("cc")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    assert rig.calls == {"a.init": 1}
    link.update_map(rig.map("b"))
    assert rig.served_by(sk) == "a"
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    assert rig.served_by(sk) == "b"
    assert rig.calls == {"a.init": 1, "a.release": 1, "b.init": 1}
    assert rig.kernel.getsockopt(sk, TCP_CONGESTION) == "cc"


def test_a_vanished_implementation_goes_on_serving_but_cannot_be_chosen_again():
    rig = Rig()
    _, link = rig.linked("a")
    sk = rig.sock("cc")
    link.destroy()
    before = snapshot(rig.kernel)
    with raises("ENOENT", "'cc'"):
        rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    assert snapshot(rig.kernel) == before
    assert rig.served_by(sk) == "a"


def test_an_accepted_connection_inherits_the_listeners_implementation_not_its_name():
    rig = Rig()
    _, link = rig.linked("a")
    listener = rig.sock("cc", connect=False)
    rig.kernel.listen(listener)
    link.update_map(rig.map("b"))
    first = Sock()
    rig.kernel.accept(listener, first)
    assert rig.served_by(first) == "a"
    rig.kernel.setsockopt(listener, TCP_CONGESTION, "cc")
    second = Sock()
    rig.kernel.accept(listener, second)
    assert rig.served_by(second) == "b"
    assert rig.calls == {"a.init": 1, "b.init": 1}


def test_a_listener_that_never_chose_hands_on_the_default_of_the_moment():
    rig = Rig()
    listener = rig.sock(connect=False)
    rig.kernel.listen(listener)
    rig.kernel.set_default("cubic")
    child = Sock()
    rig.kernel.accept(listener, child)
    assert rig.served_by(child) == "cubic"
    assert rig.served_by(listener) == "reno"


def test_what_a_listener_would_hand_on_can_be_asked_without_accepting():
    rig = Rig()
    rig.linked("a", "a")
    listener = rig.sock(connect=False)
    rig.kernel.listen(listener)
    before = snapshot(rig.kernel)
    assert rig.kernel.would_accept(listener).map_name == "reno"  # the default
    assert snapshot(rig.kernel) == before
    rig.kernel.setsockopt(listener, TCP_CONGESTION, "a")
    rig.kernel.set_default("cubic")
    assert rig.kernel.would_accept(listener).map_name == "a"
    rig.kernel.close(listener)
    with raises("EBADF"):
        rig.kernel.would_accept(listener)


def test_an_accepted_connection_has_a_private_area_of_its_own():
    rig = Rig()
    rig.map("a", private=list).attach_struct_ops()
    listener = rig.sock("cc", connect=False)
    rig.kernel.listen(listener)
    child = Sock()
    rig.kernel.accept(listener, child)
    assert child.ca == []
    assert child.ca is not listener.ca


def test_a_namespaces_default_is_an_implementation_that_an_update_does_not_move():
    rig = Rig()
    map, link = rig.linked("a")
    rig.kernel.set_default("cc")
    link.update_map(rig.map("b"))
    assert rig.served_by(rig.sock()) == "a"
    link.destroy()
    assert rig.kernel.get_default() == "cc"
    assert "cc" not in rig.kernel.available()
    assert rig.served_by(rig.sock()) == "a"
    assert rig.view(map)[1] == 3  # the namespace and two sockets


def test_a_new_namespace_starts_with_the_initial_ones_default_and_keeps_its_own():
    rig = Rig()
    rig.kernel.set_default("cubic")
    netns = rig.kernel.netns_add("blue")
    assert rig.kernel.get_default(netns) == "cubic"
    rig.kernel.set_default("reno", netns)
    assert rig.served_by(rig.sock(netns=netns)) == "reno"
    assert rig.served_by(rig.sock()) == "cubic"


def test_namespaces_that_exist_are_used_or_are_unknown_are_refused():
    rig = Rig()
    netns = rig.kernel.netns_add("blue")
    sk = rig.sock(netns=netns)
    with raises("EEXIST"):
        rig.kernel.netns_add("blue")
    for name, errno in (("blue", "EBUSY"), ("init", "EBUSY"), ("red", "ENOENT")):
        with raises(errno):
            rig.kernel.netns_delete(name)
    rig.kernel.close(sk)
    rig.kernel.netns_delete("blue")
    assert list(rig.kernel.namespaces) == ["init"]


def test_only_the_initial_namespace_may_default_to_a_restricted_one_and_linux_leaks_then():
    rig = Rig()
    map, _ = rig.linked("a")
    netns = rig.kernel.netns_add("blue")
    with raises("EPERM", "restricted"):
        rig.kernel.set_default("cc", netns)
    assert rig.view(map)[1] == 2  # the link's, and one that is never dropped
    rig.kernel.set_default("cc")  # lifts the restriction
    rig.kernel.set_default("cc", netns)
    assert rig.kernel.get_default(netns) == "cc"


def test_a_default_that_does_not_exist_is_refused():
    rig = Rig()
    with raises("ENOENT"):
        rig.kernel.set_default("bbr")
    with raises("ENOENT"):
        Kernel(default="bbr")


def test_modules_are_loaded_by_name_when_somebody_asks():
    asked: list[str] = []
    calls = Rig().calls

    def request_module(name: str) -> Any:
        asked.append(name)
        return counting(calls, name, name) if name in ("vegas", "bbr") else None

    kernel = Kernel(default="bbr", request_module=request_module)
    sk = Sock()
    kernel.socket(sk)
    assert kernel.getsockopt(sk, TCP_CONGESTION) == "bbr"
    kernel.setsockopt(sk, TCP_CONGESTION, "vegas")
    kernel.setsockopt(sk, TCP_CONGESTION, "reno")
    kernel.setsockopt(sk, TCP_CONGESTION, "vegas")
    with raises("ENOENT"):
        kernel.setsockopt(sk, TCP_CONGESTION, "nv")
    assert asked == ["bbr", "vegas", "nv"]
    assert kernel.available() == ["reno", "bbr", "vegas"]


def test_a_module_that_registers_another_name_does_not_help():
    kernel = Kernel(request_module=lambda name: TCP_RENO)
    sk = Sock()
    kernel.socket(sk)
    with raises("ENOENT"):
        kernel.setsockopt(sk, TCP_CONGESTION, "vegas")
    assert kernel.available() == ["reno"]


def test_builtins_keep_their_order_and_a_second_of_a_name_is_refused():
    rig = Rig()
    assert rig.kernel.available() == ["reno", "cubic"]
    assert Kernel(builtins=[rig.cubic, TCP_RENO]).available() == ["cubic", "reno"]
    with raises("EEXIST"):
        Kernel(builtins=[rig.cubic, rig.cubic])
    with pytest.raises(ValueError, match=r"expected one of linux, linux-6\.9, v2, got 'freebsd'"):
        Kernel("freebsd")


def test_options_and_names_that_do_not_exist_are_refused():
    rig = Rig()
    sk = rig.sock()
    with raises("ENOPROTOOPT"):
        rig.kernel.setsockopt(sk, 1, "cubic")
    with raises("ENOPROTOOPT"):
        rig.kernel.getsockopt(sk, 1)
    with raises("EINVAL"):
        rig.kernel.setsockopt(sk, TCP_CONGESTION, "")


def test_an_update_needs_the_old_implementation_itself_to_be_registered():
    rig = Rig()
    cong, gone = rig.kernel.tcp_cong, Implementation(replace(TCP_RENO, name="cc"), TcpOwner())
    for old in (gone, Implementation(TCP_RENO, TcpOwner())):
        with raises("EINVAL", "the old implementation is not registered"):
            cong.update(gone, old)
    assert cong.names() == ["reno", "cubic"]


def test_names_are_cut_to_15_characters():
    rig = Rig()
    rig.linked("a", "fifteen_letters")
    sk = rig.sock("fifteen_letters_and_more")
    assert rig.served_by(sk) == "a"


def test_sockets_cannot_be_connected_opened_or_closed_twice():
    rig = Rig()
    sk = rig.sock()
    with raises("EISCONN"):
        rig.kernel.connect(sk)
    with raises("EINVAL", "open already"):
        rig.kernel.socket(sk)
    with raises("EINVAL", "connected"):
        rig.kernel.listen(sk)
    assert sk.sk_state == 1  # none of this has touched it
    with raises("EINVAL", "does not listen"):
        rig.kernel.accept(sk, Sock())
    rig.kernel.close(sk)
    for operation in (rig.kernel.close, rig.kernel.connect, rig.kernel.listen):
        with raises("EBADF"):
            operation(sk)
    assert rig.kernel.sockets() == []


def test_a_closed_socket_can_be_opened_again_for_another_connection():
    rig = Rig()
    sk = rig.sock("cubic")
    rig.kernel.close(sk)
    rig.kernel.socket(sk)
    assert rig.served_by(sk) == "reno"


def test_a_socket_without_a_host_cannot_be_asked_to_act():
    with pytest.raises(TypeError, match="enter CWR"):
        Sock().tcp_enter_cwr()
    with pytest.raises(TypeError, match="send an ACK"):
        Sock().tcp_send_ack(1)
