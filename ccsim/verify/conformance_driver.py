"""The program that made the recordings, over an emulated kernel: its slots, operations, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ccsim.kernel.bpf import BpfCmd, MapType
from ccsim.kernel.errors import EBADF, EISCONN, ENOTCONN, KernelError, errno_name
from ccsim.kernel.kernel import Kernel
from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.kernel.libbpf import Object
from ccsim.kernel.maps import StructOpsMap
from ccsim.kernel.ops import TCP_CONG_NON_RESTRICTED, RateSample, TcpCongestionOps
from ccsim.kernel.sock import TCP_ESTABLISHED, Sock
from ccsim.kernel.tcp_cong import TCP_RENO

__all__ = ["OPERATIONS", "RecordingDriver", "Step"]

Step = dict[str, Any]


class _Connection:
    """A client's socket and, once connected, the server's end."""

    def __init__(self) -> None:
        self.client = Sock()
        self.server = Sock()

    @property
    def connected(self) -> bool:
        return self.client.sk_state == TCP_ESTABLISHED


class RecordingDriver:
    """What the recordings were made with: `step` carries out one operation and observes all."""

    def __init__(self, profile: str) -> None:
        builtins = [TCP_RENO, *(replace(TCP_RENO, name=name, flags=0) for name in ("bbr", "cubic"))]
        self.kernel = Kernel(profile, builtins, default="bbr")
        self.netns = self.kernel.netns_add("test")
        self.kernel.set_default("reno", self.netns)
        self.listener = Sock()
        self.kernel.socket(self.listener, self.netns)
        self.kernel.setsockopt(self.listener, TCP_CONGESTION, "reno")
        self.kernel.listen(self.listener)
        self.fds: dict[str, int] = {}  # maps and links by slot
        self.values: dict[int, Any] = {}  # what is written into a map, by descriptor
        self.labels: dict[tuple[str, int], str] = {}  # kind, id
        self.made: Counter[str] = Counter()
        self.connections: dict[str, _Connection] = {}
        self.init: Counter[str] = Counter()
        self.release: Counter[str] = Counter()
        self.served: set[str] = set()
        self.tables = _tables(self)

    def step(self, op: str, args: list[str]) -> Step:
        """Carry out one operation and observe everything."""
        self.init.clear()
        self.release.clear()
        self.served.clear()
        extra: Step = {}
        try:
            extra = OPERATIONS[op](self, *args) or {}
            errno = "OK"
        except KernelError as error:
            errno = errno_name(error.number)
        return {"errno": errno, "served_by": sorted(self.served), **extra, "obs": self.observe()}

    def observe(self) -> Step:
        """Return what the recordings note after each operation."""
        return {
            "avail": " ".join(self.kernel.available()),
            "default": self.kernel.get_default(self.netns),
            "maps": {self.label(map): _map_view(map) for map in self.kernel.map_ids.living()},
            "links": {
                self.label(link): self.label(link.map) if link.map else None
                for link in self.kernel.link_ids.living()
            },
            "conns": {
                slot: self.kernel.getsockopt(connection.client, TCP_CONGESTION)
                for slot, connection in self.connections.items()
            },
            "init": dict(self.init),
            "release": dict(self.release),
        }

    def label(self, obj: Any) -> str:
        """Return an object's label, such as ``A1#1``."""
        return self.labels[obj.kind, obj.id]

    def fd(self, slot: str) -> int:
        """Return the descriptor in a slot, -1 for an empty one."""
        return self.fds.get(slot, -1)

    def add(self, slot: str, fd: int) -> None:
        """Put a new object's descriptor into its slot and label the object."""
        self.fds[slot] = fd
        self.made[slot] += 1
        obj = self.kernel.fds.get(fd, slot)
        self.labels[obj.kind, obj.id] = f"{slot}#{self.made[slot]}"

    def map_new(self, slot: str) -> None:
        """Create a map and keep its descriptor under a name."""
        if slot == "ARR":
            attr = {"map_type": MapType.ARRAY, "map_name": slot, "max_entries": 1}
            self.add(slot, self.kernel.bpf(BpfCmd.MAP_CREATE, attr))
            return
        obj = Object.open({slot: self.tables[slot]})
        obj.load(self.kernel)
        self.add(slot, obj.maps[slot].fd)
        self.values[obj.maps[slot].fd] = obj.maps[slot].kern_vdata

    def map_set(self, slot: str, flags: str = "0") -> None:
        """Update element 0 of a map."""
        fd = self.fd(slot)
        value = self.values.get(fd, 1)
        self.kernel.bpf(
            BpfCmd.MAP_UPDATE_ELEM,
            {"map_fd": fd, "key": 0, "value": value, "flags": int(flags, 0)},
        )

    def map_delete(self, slot: str) -> None:
        """Delete element 0 of a map."""
        self.kernel.bpf(BpfCmd.MAP_DELETE_ELEM, {"map_fd": self.fd(slot)})

    def close_fd(self, slot: str) -> None:
        """Close a descriptor."""
        self.kernel.close_fd(self.fd(slot))
        del self.fds[slot]

    def link_create(self, slot: str, map: str, flags: str = "0") -> None:
        """Create a link over a map."""
        attr = {"map_fd": self.fd(map), "flags": int(flags, 0)}
        self.add(slot, self.kernel.bpf(BpfCmd.LINK_CREATE, attr))

    def link_update(self, slot: str, map: str, flags: str, old: str) -> None:
        """Replace the map of a link."""
        self.kernel.bpf(
            BpfCmd.LINK_UPDATE,
            {
                "link_fd": self.fd(slot),
                "new_map_fd": self.fd(map),
                "flags": {"none": 0, "replace": 4}.get(flags) if flags.isalpha() else int(flags, 0),
                "old_map_fd": 0 if old == "-" else self.fd(old),
            },
        )

    def link_detach(self, slot: str) -> None:
        """Detach a link."""
        self.kernel.bpf(BpfCmd.LINK_DETACH, {"link_fd": self.fd(slot)})

    def link_pin(self, slot: str, path: str) -> None:
        """Pin a link to a path."""
        self.kernel.bpf(BpfCmd.OBJ_PIN, {"bpf_fd": self.fd(slot), "pathname": path})

    def link_get(self, slot: str, path: str) -> None:
        """Open a pinned link."""
        self.fds[slot] = self.kernel.bpf(BpfCmd.OBJ_GET, {"pathname": path})

    def unpin(self, path: str) -> None:
        """Remove a pin."""
        self.kernel.unlink(path)

    def conn_prep(self, slot: str, name: str = "-") -> None:
        """Open a socket and choose its congestion control."""
        connection = self.connections[slot] = _Connection()
        self.kernel.socket(connection.client, self.netns)
        if name != "-":
            self.kernel.setsockopt(connection.client, TCP_CONGESTION, name)

    def conn_go(self, slot: str) -> None:
        """Connect a prepared socket to the listener."""
        connection = self.connection(slot)
        if connection.connected:
            raise KernelError(EISCONN, f"{slot} is connected")
        self.kernel.connect(connection.client)
        self.kernel.accept(self.listener, connection.server)

    def conn_open(self, slot: str, name: str = "-") -> None:
        """Open a socket and connect it."""
        try:
            self.conn_prep(slot, name)
        finally:
            self.conn_go(slot)

    def connection(self, slot: str) -> _Connection:
        """Return the connection in a slot; EBADF for an empty one."""
        if slot not in self.connections:
            raise KernelError(EBADF, f"{slot} is empty")
        return self.connections[slot]

    def listen_cc(self, name: str) -> None:
        """Choose the listener's congestion control."""
        self.kernel.setsockopt(self.listener, TCP_CONGESTION, name)

    def conn_cc(self, slot: str, name: str) -> None:
        """Change a connection's congestion control."""
        self.kernel.setsockopt(self.connection(slot).client, TCP_CONGESTION, name)

    def conn_send(self, slot: str) -> None:
        """Let the client send."""
        _transfer(self._established(slot).client)

    def conn_rsend(self, slot: str) -> Step:
        """Let the server send; return what serves it."""
        server = self._established(slot).server
        _transfer(server)
        return {"server_cc": self.kernel.getsockopt(server, TCP_CONGESTION)}

    def _established(self, slot: str) -> _Connection:
        connection = self.connection(slot)
        if not connection.connected:
            raise KernelError(ENOTCONN, f"{slot} is not connected")
        return connection

    def conn_close(self, slot: str) -> None:
        """Close both ends of a connection."""
        connection = self.connection(slot)
        if connection.connected:
            self.kernel.close(connection.server)
        self.kernel.close(connection.client)
        del self.connections[slot]

    def sysctl_set(self, name: str) -> None:
        """Set the namespace's default."""
        self.kernel.set_default(name, self.netns)

    def load_get_info(self) -> None:
        """Load a table with a hook that struct_ops does not support."""
        table = replace(self.tables["A1"], get_info=lambda sk: {})
        Object.open({"unsupported": table}).load(self.kernel)


def _map_view(map: Any) -> Step:
    if not isinstance(map, StructOpsMap):
        return {}
    return {"state": int(map.state), "refcnt": map.refcnt}


def _transfer(sk: Sock) -> None:
    """Let the hooks run that one acknowledgement runs."""
    ops = sk.ca_ops
    if ops.cong_control is not None:
        ops.cong_control(sk, 0, 0, RateSample())
    else:
        assert ops.cong_avoid is not None
        ops.cong_avoid(sk, 0, 1)


OPERATIONS: dict[str, Callable[..., Step | None]] = {
    "map_new": RecordingDriver.map_new,
    "map_set": RecordingDriver.map_set,
    "map_delete": RecordingDriver.map_delete,
    "map_close": RecordingDriver.close_fd,
    "link_create": RecordingDriver.link_create,
    "link_update": RecordingDriver.link_update,
    "link_detach": RecordingDriver.link_detach,
    "link_close": RecordingDriver.close_fd,
    "link_pin": RecordingDriver.link_pin,
    "link_get": RecordingDriver.link_get,
    "unpin": RecordingDriver.unpin,
    "conn_open": RecordingDriver.conn_open,
    "conn_prep": RecordingDriver.conn_prep,
    "conn_go": RecordingDriver.conn_go,
    "conn_cc": RecordingDriver.conn_cc,
    "conn_send": RecordingDriver.conn_send,
    "conn_rsend": RecordingDriver.conn_rsend,
    "conn_close": RecordingDriver.conn_close,
    "listen_cc": RecordingDriver.listen_cc,
    "sysctl_set": RecordingDriver.sysctl_set,
    "load_get_info": RecordingDriver.load_get_info,
}


def _tables(driver: RecordingDriver) -> dict[str, TcpCongestionOps]:
    """Return the tables in the recordings' map slots: complete ones, and each kind of invalid
    one.
    """
    tables = {slot: _counting(driver, slot, name) for slot, name in SLOT_NAMES.items()}
    for slot, changes in SLOT_CHANGES.items():
        tables[slot] = replace(tables[slot], **changes)
    b2 = tables["B2"]
    tables["B2"] = replace(b2, cong_avoid=None, cong_control=_served(driver, "B2"))
    return tables


SLOT_NAMES = {
    **dict.fromkeys(("A1", "A2", "X1", "X2", "X3", "X6", "L1"), "bca"),
    **dict.fromkeys(("B1", "B2"), "bcb"),
    **dict.fromkeys(("L2", "XL"), "bcl"),
    "R1": "reno",
    "X4": "sixteen_chars_xx",
    "X5": "",
}
SLOT_CHANGES: dict[str, dict[str, Any]] = {
    "B1": {"flags": TCP_CONG_NON_RESTRICTED},
    "X1": {"cong_avoid": None},
    "X2": {"ssthresh": None},
    "X3": {"undo_cwnd": None},
    "X6": {"flags": 0x80},
    "L1": {"link": False},
    "L2": {"link": False},
    "XL": {"link": False, "undo_cwnd": None},
}


def _counting(driver: RecordingDriver, slot: str, name: str) -> TcpCongestionOps:
    """Return a complete table whose hooks note that they ran."""

    def init(sk: Sock) -> None:
        driver.init[slot] += 1

    def release(sk: Sock) -> None:
        driver.release[slot] += 1

    return replace(
        TCP_RENO, name=name, flags=0, init=init, release=release, cong_avoid=_served(driver, slot)
    )


def _served(driver: RecordingDriver, slot: str) -> Callable[..., None]:
    def hook(sk: Sock, *_args: Any) -> None:
        driver.served.add(slot)

    return hook
