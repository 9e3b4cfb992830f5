"""What the kernel's tests share: tables that only count, a kernel with maps by name, snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ccsim.kernel import (
    TCP_CONGESTION,
    TCP_RENO,
    BpfCmd,
    BpfLink,
    Kernel,
    KernelError,
    Map,
    Object,
    Sock,
    StructOpsMap,
    TcpCongestionOps,
    errno_name,
)

__all__ = ["Rig", "counting", "raises", "snapshot"]


def counting(calls: Counter[str], key: str, name: str, **changes: Any) -> TcpCongestionOps:
    """Return a complete table whose hooks count as ``key.hook``."""

    def init(sk: Sock) -> None:
        calls[f"{key}.init"] += 1

    def release(sk: Sock) -> None:
        calls[f"{key}.release"] += 1

    def cong_avoid(sk: Sock, ack: int, acked: int) -> None:
        calls[f"{key}.cong_avoid"] += 1

    table = replace(TCP_RENO, name=name, flags=0, init=init, release=release, cong_avoid=cong_avoid)
    return replace(table, **changes)


@contextmanager
def raises(errno: str, words: str = "") -> Iterator[None]:
    """Expect a KernelError of this name whose message contains the words."""
    with pytest.raises(KernelError) as caught:
        yield
    assert errno_name(caught.value.number) == errno, str(caught.value)
    assert words in str(caught.value)


class Rig:
    """A kernel with reno and cubic built in, and shorthands; ``calls`` counts hooks."""

    def __init__(self, profile: str = "linux", **more: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.cubic = counting(self.calls, "cubic", "cubic")
        self.kernel = Kernel(profile, [TCP_RENO, self.cubic], **more)

    def map(self, key: str, name: str = "cc", **changes: Any) -> Map:
        """Load an object with one map and return the map."""
        obj = Object.open({key: counting(self.calls, key, name, **changes)})
        obj.load(self.kernel)
        return obj.maps[key]

    def linked(self, key: str, name: str = "cc") -> tuple[Map, BpfLink]:
        """Load a map and link it."""
        map = self.map(key, name)
        return map, map.attach_struct_ops()

    def sock(self, name: str = "", *, connect: bool = True, netns: Any = None) -> Sock:
        """Open a socket, choose its algorithm, connect it."""
        sk = Sock()
        self.kernel.socket(sk, netns)
        if name:
            self.kernel.setsockopt(sk, TCP_CONGESTION, name)
        if connect:
            self.kernel.connect(sk)
        return sk

    def served_by(self, sk: Sock) -> str:
        """Return the map that serves a socket."""
        return self.kernel.implementation_of(sk).map_name

    def view(self, map: Map) -> tuple[str, int]:
        """Return a map's state and reference count."""
        obj = self.of(map)
        return obj.state.name, obj.refcnt

    def of(self, map: Map) -> StructOpsMap:
        """Return the kernel's object of a map."""
        obj = self.kernel.fds.get(map.fd, map.name)
        assert isinstance(obj, StructOpsMap)
        return obj

    def progs(self, map: Map) -> dict[str, int]:
        """Return the descriptors of a map's programs by member."""
        assert map.kern_vdata is not None
        return dict(map.kern_vdata.progs)

    def acknowledge(self, sk: Sock) -> None:
        """Let the hook run that an ACK runs."""
        assert sk.ca_ops.cong_avoid is not None
        sk.ca_ops.cong_avoid(sk, 0, 1)

    def bpf(self, cmd: BpfCmd, **attr: Any) -> Any:
        """Carry out a command."""
        return self.kernel.bpf(cmd, attr)


def snapshot(kernel: Kernel) -> Any:
    """Return everything that a failed operation must leave as it was."""
    maps = {
        map.id: (map.state, map.refcnt, map.pending, id(map.value), map.users)
        for map in kernel.map_ids.living()
        if isinstance(map, StructOpsMap)
    }
    links = {link.id: (id(link.map), link.users) for link in kernel.link_ids.living()}
    progs = {prog.id: (prog.maps, prog.users) for prog in kernel.prog_ids.living()}
    return (
        maps,
        links,
        progs,
        [(id(ca), ca.flags, ca.owner.refcnt) for ca in kernel.tcp_cong.implementations()],
        {n: id(ns.tcp_congestion_control) for n, ns in kernel.namespaces.items()},
        [(fd, id(obj)) for fd, obj in kernel.fds.items()],
        [(path, id(obj)) for path, obj in kernel.bpffs.items()],
        [(id(sk), id(kernel.implementation_of(sk)), sk.ca_initialized) for sk in kernel.sockets()],
    )
