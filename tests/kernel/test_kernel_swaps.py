"""Hooks that change the algorithm themselves, and the bugs that real swaps had."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from ccsim.kernel import TCP_CONGESTION, Kernel, Sock
from ccsim.kernel.kfuncs import bpf_getsockopt, bpf_setsockopt, tcp_reno_undo_cwnd
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN
from tests.kernel.kernel_rig import Rig, counting, raises

EBUSY, ENOENT, EINVAL, EPERM, ENOPROTOOPT, ENOTSUPP = 16, 2, 22, 1, 92, 524


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
