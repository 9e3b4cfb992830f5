"""Sockets, listeners, namespaces: what binds when, what is inherited, and bugs real swaps had."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ccsim.kernel import TCP_CONGESTION, TCP_RENO, Implementation, Kernel, Sock
from ccsim.kernel.kfuncs import bpf_getsockopt, bpf_setsockopt, tcp_reno_undo_cwnd
from ccsim.kernel.objects import TcpOwner
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN
from tests.kernel.kernel_rig import Rig, counting, raises, snapshot

EBUSY, ENOENT, EINVAL, EPERM, ENOPROTOOPT, ENOTSUPP = 16, 2, 22, 1, 92, 524


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
    with pytest.raises(ValueError, match="expected one of linux, v2, got 'freebsd'"):
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


# --- hooks that change the algorithm themselves ---


def test_an_init_may_put_a_table_of_its_own_on_the_socket_as_dctcp_does():
    rig = Rig()
    own = counting(rig.calls, "own", "cc-reno")

    def init(sk: Sock) -> None:
        sk.ca_ops = own

    rig.map("a", init=init, flags=TCP_CONG_NEEDS_ECN).attach_struct_ops()
    sk = rig.sock("cc")
    assert rig.kernel.getsockopt(sk, TCP_CONGESTION) == "cc-reno"
    assert sk.kernel_data.ecn_xmit is False  # what runs now does not need ECN
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")  # another table than it runs: a real switch
    assert rig.calls == {"own.release": 1}
    rig.kernel.close(sk)
    assert rig.kernel.implementation_of(rig.sock("cubic")).owner.refcnt == 1


def test_release_that_sets_a_socket_option_is_refused_when_it_is_loaded():
    rig = Rig()

    def release(sk: Sock) -> None:
        bpf_setsockopt(sk, TCP_CONGESTION, "cubic")

    with raises("EINVAL", "cannot use helper bpf_setsockopt"):
        rig.map("rel_setsockopt", release=release)
    assert rig.kernel.fds.items() == []


def test_a_socket_survives_a_release_that_reaches_for_setsockopt_all_the_same():
    rig = Rig()
    said: list[int] = []

    def release(sk: Sock) -> None:
        said.append(sk.kernel_data.kernel.bpf_setsockopt(sk, TCP_CONGESTION, "cc"))

    rig.map("a", release=release).attach_struct_ops()
    sk = rig.sock("cc")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    assert said == [-EPERM]
    assert rig.served_by(sk) == "cubic"
    assert rig.calls == {"a.init": 1, "cubic.init": 1}
    sk = rig.sock("cc")
    rig.kernel.close(sk)
    assert said == [-EPERM, -EPERM]
    assert rig.calls["cubic.init"] == 1


def test_dctcp_falls_back_in_its_init_and_recursion_ends():
    rig = Rig()
    said: list[int] = []

    def init(sk: Sock) -> None:
        for name in ("cubic", "bpf_dctcp", "cubic", "cdg"):
            said.append(bpf_setsockopt(sk, TCP_CONGESTION, name))
        names.append(bpf_getsockopt(sk, TCP_CONGESTION))

    names: list[str] = []
    map = rig.map("bpf_dctcp", "bpf_dctcp", init=init)
    map.attach_struct_ops()
    sk = rig.sock("bpf_dctcp")
    # the second call runs this init again, whose three are busy; cdg is refused before that
    assert said == [0, -EBUSY, -EBUSY, -EBUSY, -ENOTSUPP, 0, 0, -ENOTSUPP]
    assert names == ["bpf_dctcp", "cubic"]
    assert rig.served_by(sk) == "cubic"
    assert rig.view(map) == ("READY", 1)
    assert rig.calls["bpf_dctcp.release"] == 1  # of the one that the recursion initialised
    rig.kernel.close(sk)
    assert rig.calls["cubic.release"] == 2


def test_bpf_setsockopt_returns_what_went_wrong_and_loads_no_modules():
    kernel = Kernel(request_module=lambda name: counting(Rig().calls, name, name))
    sk = Sock()
    kernel.socket(sk)
    kernel.connect(sk)
    assert kernel.bpf_setsockopt(sk, TCP_CONGESTION, "vegas") == -ENOENT
    assert kernel.bpf_setsockopt(sk, TCP_CONGESTION, "") == -EINVAL
    assert kernel.bpf_setsockopt(sk, 1, "cdg") == -ENOPROTOOPT
    assert kernel.bpf_setsockopt(sk, TCP_CONGESTION, "reno") == 0


# --- bugs that real swaps had ---


def test_an_undo_does_not_cross_a_swap():
    """Linux 44abafc4cc09: BBR leaves prior_ssthresh infinite, the next one's undo restored it."""
    rig = Rig()
    sk = rig.sock()
    sk.snd_cwnd, sk.snd_ssthresh, sk.prior_ssthresh = 40, 30, 0x7FFFFFFF
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    assert sk.prior_ssthresh == 0  # nothing to undo: tcp_undo_cwnd_reduction then leaves ssthresh
    assert tcp_reno_undo_cwnd(sk) == 40


def test_a_connection_starts_with_nothing_to_undo_either():
    rig = Rig()
    sk = rig.sock(connect=False)
    sk.prior_ssthresh = 99
    rig.kernel.connect(sk)
    assert sk.prior_ssthresh == 0


def test_the_ecn_mark_follows_the_algorithm_in_both_directions():
    """Linux, November 2020: marking stayed on after leaving an ECN algorithm."""
    rig = Rig()
    rig.map("dctcp", "dctcp", flags=TCP_CONG_NEEDS_ECN).attach_struct_ops()
    sk = rig.sock()
    assert sk.kernel_data.ecn_xmit is False
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "dctcp")
    assert sk.kernel_data.ecn_xmit is True
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    assert sk.kernel_data.ecn_xmit is False
    assert rig.sock("dctcp", connect=False).kernel_data.ecn_xmit is True


def test_release_runs_on_the_algorithm_that_was_initialised_and_no_reference_leaks():
    """Linux ebfa00c57456: setsockopt on an unconnected socket leaked, or released the wrong one."""
    rig = Rig()
    maps = {key: rig.linked(key, key)[0] for key in ("a", "b")}
    sk = rig.sock(connect=False)
    for name in ("a", "b", "a", "b"):
        rig.kernel.setsockopt(sk, TCP_CONGESTION, name)
    assert not rig.calls
    rig.kernel.connect(sk)
    rig.kernel.close(sk)
    assert rig.calls == {"b.init": 1, "b.release": 1}
    assert [rig.view(map)[1] for map in maps.values()] == [1, 1]


def test_an_algorithm_that_raises_in_release_leaves_the_socket_with_the_new_one():
    rig = Rig()

    def release(sk: Sock) -> None:
        raise ZeroDivisionError

    map = rig.map("a", release=release)
    map.attach_struct_ops()
    sk = rig.sock("cc")
    with pytest.raises(ZeroDivisionError):
        rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    assert rig.served_by(sk) == "cubic"
    assert rig.view(map)[1] == 1
    sk = rig.sock("cc")
    with pytest.raises(ZeroDivisionError):
        rig.kernel.close(sk)
    assert rig.view(map)[1] == 1


@dataclass
class Epoch:
    """What an algorithm may remember: the state whose survival made windows jump."""

    start: int = 0


def test_an_old_epoch_never_survives_a_swap_there_and_back():
    """FreeBSD D23655, D25065: a stale CUBIC epoch made the window jump at line rate."""
    rig = Rig()
    rig.map("a", private=Epoch).attach_struct_ops()
    sk = rig.sock("cc")
    sk.ca.start = 123
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cubic")
    rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    assert sk.ca == Epoch(0)


def test_a_swap_with_ten_thousand_open_sockets_takes_no_time():
    rig = Rig()
    _, link = rig.linked("a")
    socks = [rig.sock("cc") for _ in range(10_000)]
    new = rig.map("b")
    begin = time.perf_counter()
    link.update_map(new)
    for sk in socks:
        rig.kernel.setsockopt(sk, TCP_CONGESTION, "cc")
    took_s = time.perf_counter() - begin
    assert {rig.served_by(sk) for sk in socks} == {"b"}
    assert rig.view(new) == ("READY", 10_001)
    assert took_s < 1.0  # measured: about 0.02 s
