"""What must hold after any sequence of operations, in both profiles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ccsim.kernel import (
    BPF_F_REPLACE,
    TCP_CONGESTION,
    BpfCmd,
    BpfLink,
    KernelError,
    Map,
    Sock,
    StructOpsMap,
)
from tests.kernel.kernel_rig import Rig, raises, snapshot

NAMES = ("cc", "dd")
SOME = st.integers(0, 7)


class KernelMachine(RuleBasedStateMachine):
    """Random operations on a handful of maps, links, pins and sockets."""

    profile = "linux"

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(self.profile)
        self.kernel = self.rig.kernel
        self.kernel.set_default("cubic")  # makes it unrestricted: the known leak stays out
        self.maps: list[Map] = []
        self.links: list[BpfLink] = []
        self.socks: list[Sock] = []

    def attempt(self, operation: Any, *args: Any) -> Any:
        """Carry out; if that fails nothing may have changed."""
        before = snapshot(self.kernel)
        try:
            return operation(*args)
        except KernelError:
            assert snapshot(self.kernel) == before
            return None

    @rule(name=st.sampled_from(NAMES), link=st.booleans(), complete=st.just(True))
    def load(self, name: str, link: bool, complete: bool) -> None:
        missing = {} if complete else {"undo_cwnd": None}
        key = f"m{len(self.maps)}"
        self.maps.append(self.rig.map(key, name, link=link, **missing))

    @precondition(lambda self: self.maps)
    @rule(i=SOME, flags=st.sampled_from([0, 0, 0, 1]))
    def update_elem(self, i: int, flags: int) -> None:
        map = self.maps[i % len(self.maps)]
        attr = {"map_fd": map.fd, "value": map.kern_vdata, "flags": flags}
        self.attempt(self.kernel.bpf, BpfCmd.MAP_UPDATE_ELEM, attr)

    @precondition(lambda self: self.maps)
    @rule(i=SOME)
    def delete_elem(self, i: int) -> None:
        map = self.maps[i % len(self.maps)]
        self.attempt(self.kernel.bpf, BpfCmd.MAP_DELETE_ELEM, {"map_fd": map.fd})

    @precondition(lambda self: self.maps)
    @rule(i=SOME)
    def close_map(self, i: int) -> None:
        self.maps[i % len(self.maps)].close()

    @precondition(lambda self: self.maps)
    @rule(i=SOME)
    def link_create(self, i: int) -> None:
        map = self.maps[i % len(self.maps)]
        fd = self.attempt(self.kernel.bpf, BpfCmd.LINK_CREATE, {"map_fd": map.fd})
        if fd is not None:
            self.links.append(BpfLink(self.kernel, map, fd))

    @rule(name=st.sampled_from(NAMES))
    def load_and_attach(self, name: str) -> None:
        self.load(name, True, True)
        self.update_elem(len(self.maps) - 1, 0)
        self.link_create(len(self.maps) - 1)

    @precondition(lambda self: self.links)
    @rule(i=SOME, name=st.sampled_from(NAMES), complete=st.booleans())
    def load_and_update(self, i: int, name: str, complete: bool) -> None:
        self.load(name, True, complete)
        self.update_elem(len(self.maps) - 1, 0)
        self.link_update(i, len(self.maps) - 1, 0, 0)

    @precondition(lambda self: self.links)
    @rule(i=SOME, new=SOME, old=SOME, flags=st.sampled_from([0, 0, 0, BPF_F_REPLACE, 1]))
    def link_update(self, i: int, new: int, old: int, flags: int) -> None:
        fds = [self.maps[k % len(self.maps)].fd for k in (new, old)]
        attr = {
            "link_fd": self.links[i % len(self.links)].fd,
            "new_map_fd": fds[0],
            "old_map_fd": fds[1] if flags else 0,
            "flags": flags,
        }
        before = self.kernel.available()
        self.attempt(self.kernel.bpf, BpfCmd.LINK_UPDATE, attr)
        assert sorted(before) == sorted(self.kernel.available())

    @precondition(lambda self: self.links)
    @rule(i=SOME)
    def link_detach(self, i: int) -> None:
        attr = {"link_fd": self.links[i % len(self.links)].fd}
        self.attempt(self.kernel.bpf, BpfCmd.LINK_DETACH, attr)

    @precondition(lambda self: self.links)
    @rule(i=SOME)
    def link_close(self, i: int) -> None:
        self.attempt(self.kernel.close_fd, self.links.pop(i % len(self.links)).fd)

    @precondition(lambda self: self.links)
    @rule(i=SOME, path=st.sampled_from(["p", "q"]))
    def pin(self, i: int, path: str) -> None:
        attr = {"bpf_fd": self.links[i % len(self.links)].fd, "pathname": path}
        self.attempt(self.kernel.bpf, BpfCmd.OBJ_PIN, attr)

    @rule(path=st.sampled_from(["p", "q"]))
    def unpin(self, path: str) -> None:
        self.attempt(self.kernel.unlink, path)

    @rule(connect=st.booleans(), name=st.sampled_from([*NAMES, "cubic", ""]))
    def open_socket(self, connect: bool, name: str) -> None:
        sk = self.rig.sock(connect=False)
        self.socks.append(sk)
        if name:
            self.attempt(self.kernel.setsockopt, sk, TCP_CONGESTION, name)
        if connect:
            self.kernel.connect(sk)

    @precondition(lambda self: self.socks)
    @rule(i=SOME, name=st.sampled_from([*NAMES, "reno"]))
    def setsockopt(self, i: int, name: str) -> None:
        sk = self.socks[i % len(self.socks)]
        self.attempt(self.kernel.setsockopt, sk, TCP_CONGESTION, name)

    @precondition(lambda self: self.socks)
    @rule(i=SOME)
    def listen_and_accept(self, i: int) -> None:
        sk, child = self.socks[i % len(self.socks)], Sock()
        self.attempt(self.kernel.listen, sk)
        self.attempt(self.kernel.accept, sk, child)
        if child.kernel_data is not None:
            self.socks.append(child)

    @precondition(lambda self: self.socks)
    @rule(i=SOME)
    def close_socket(self, i: int) -> None:
        self.kernel.close(self.socks.pop(i % len(self.socks)))

    @rule(name=st.sampled_from([*NAMES, "reno", "cubic"]))
    def sysctl(self, name: str) -> None:
        self.attempt(self.kernel.set_default, name)

    @rule(ticks=st.integers(0, 3))
    def advance(self, ticks: int) -> None:
        self.kernel.advance(self.kernel.now_ns + ticks * 2_000_000)

    def struct_ops_maps(self) -> list[StructOpsMap]:
        return [m for m in self.kernel.map_ids.living() if isinstance(m, StructOpsMap)]

    @invariant()
    def counts_are_what_holds_each_map(self) -> None:
        held = [link.map for link in self.kernel.link_ids.living() if link.map]
        held += [self.kernel.implementation_of(sk).owner for sk in self.kernel.sockets()]
        held += [ns.tcp_congestion_control.owner for ns in self.kernel.namespaces.values()]
        registered = [ca.owner for ca in self.kernel.tcp_cong.implementations()]
        held += [
            owner for owner in registered if isinstance(owner, StructOpsMap) and not owner.link
        ]
        for map in self.struct_ops_maps():
            assert map.refcnt == sum(owner is map for owner in held) >= 0

    @invariant()
    def a_name_has_one_live_implementation(self) -> None:
        names = self.kernel.available()
        assert len(set(names)) == len(names)
        for ca in self.kernel.tcp_cong.implementations():
            if isinstance(ca.owner, StructOpsMap):
                assert not ca.owner.freed
                assert ca.owner.value is ca
                assert ca.owner.refcnt > 0

    @invariant()
    def no_map_is_freed_while_something_refers_to_it(self) -> None:
        owners: list[Any] = [
            self.kernel.implementation_of(sk).owner for sk in self.kernel.sockets()
        ]
        owners += [link.map for link in self.kernel.link_ids.living() if link.map]
        owners += [obj for _, obj in self.kernel.fds.items()]
        assert not any(getattr(owner, "freed", False) for owner in owners)

    @invariant()
    def sockets_run_what_the_kernel_says(self) -> None:
        for sk in self.kernel.sockets():
            assert sk.ca_ops is self.kernel.implementation_of(sk).ops

    def teardown(self) -> None:
        """When everything is closed nothing is left."""
        for sk in self.kernel.sockets():
            self.kernel.close(sk)
        self.kernel.set_default("reno")
        for map in self.struct_ops_maps():
            if not map.link and map.value in self.kernel.tcp_cong.implementations():
                fd = self.kernel.bpf(BpfCmd.MAP_GET_FD_BY_ID, {"id": map.id})
                self.kernel.bpf(BpfCmd.MAP_DELETE_ELEM, {"map_fd": fd})
        for path, _ in self.kernel.bpffs.items():
            self.kernel.unlink(path)
        for fd, _ in self.kernel.fds.items():
            self.kernel.close_fd(fd)
        self.kernel.synchronize_rcu()
        assert self.kernel.map_ids.living() == []
        assert self.kernel.link_ids.living() == []
        assert self.kernel.prog_ids.living() == []
        assert self.kernel.available() == ["reno", "cubic"]


class V2Machine(KernelMachine):
    """The same in the posted series' kernel."""

    profile = "v2"


SETTINGS = settings(max_examples=25, stateful_step_count=35, deadline=None)
TestLinux = KernelMachine.TestCase
TestLinux.settings = SETTINGS
TestV2 = V2Machine.TestCase
TestV2.settings = SETTINGS


class Watched(list):
    """A list of implementations that notes the names in it after each change."""

    def __init__(self, items: Any) -> None:
        super().__init__(items)
        self.seen: list[list[str]] = []

    def append(self, item: Any) -> None:
        super().append(item)
        self.seen.append([ca.name for ca in self])

    def remove(self, item: Any) -> None:
        super().remove(item)
        self.seen.append([ca.name for ca in self])


@pytest.mark.parametrize("profile", ["linux", "v2"])
def test_the_name_never_vanishes_during_a_link_update(profile):
    rig = Rig(profile)
    _, link = rig.linked("old")
    new = rig.map("new")
    watched = Watched(rig.kernel.tcp_cong.implementations())
    rig.kernel.tcp_cong._list = watched
    link.update_map(new)
    assert watched.seen == [["reno", "cubic", "cc", "cc"], ["reno", "cubic", "cc"]]


def test_the_name_does_vanish_the_old_way():
    rig = Rig()
    old, new = rig.map("old", link=False), rig.map("new", link=False)
    old.attach_struct_ops()
    with raises("EEXIST"):
        new.update_elem()
    old.delete_elem()
    assert rig.kernel.available() == ["reno", "cubic"]
    new.update_elem()
    assert rig.kernel.available() == ["reno", "cubic", "cc"]


def test_a_reference_too_many_dropped_is_noticed():
    rig = Rig()
    map = rig.of(rig.map("m"))
    with pytest.raises(AssertionError, match="below zero"):
        map.put()
