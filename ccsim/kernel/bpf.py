"""The ``bpf()`` system call: commands on file descriptors (``kernel/bpf/syscall.c``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from ccsim.kernel.errors import E2BIG, EEXIST, EINVAL, ENOTSUPP, EOPNOTSUPP, KernelError
from ccsim.kernel.links import StructOpsLink
from ccsim.kernel.maps import StructOpsMap, StructOpsValue
from ccsim.kernel.objects import ArrayMap, BpfObject, Prog
from ccsim.kernel.ops import (
    TCP_CONG_NEEDS_ECN,
    TCP_CONG_NON_RESTRICTED,
    TcpCongestionOps,
)
from ccsim.kernel.profiles import LinkUpdate
from ccsim.kernel.tcp_cong import Implementation, tcp_validate_congestion_control
from ccsim.kernel.verifier import check_obj_name, check_prog

if TYPE_CHECKING:
    from ccsim.kernel.kernel import Kernel

__all__ = ["BPF_F_LINK", "BPF_STRUCT_OPS", "BpfCmd", "MapType", "ProgType", "bpf"]

BPF_NOEXIST = 1
BPF_EXIST = 2
BPF_F_LINK = 1 << 13
BPF_STRUCT_OPS = 44  # enum bpf_attach_type
TCP_CONGESTION_OPS = "tcp_congestion_ops"
ST_OPS_TYPES = (TCP_CONGESTION_OPS, "bpf_dummy_ops")


class BpfCmd(IntEnum):
    """``enum bpf_cmd``: the commands that struct_ops needs."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    LINK_CREATE = 28
    LINK_UPDATE = 29
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    LINK_DETACH = 34


class MapType(IntEnum):
    """``enum bpf_map_type``: those that the emulator has."""

    ARRAY = 2
    STRUCT_OPS = 26


class ProgType(IntEnum):
    """``enum bpf_prog_type``: those that the emulator has."""

    STRUCT_OPS = 27


Attr = Mapping[str, Any]


def bpf(kernel: Kernel, cmd: int, attr: Attr) -> Any:
    """Carry out one command. Raises KernelError; EINVAL for an unknown command or member of
    ``attr``.
    """
    try:
        handler, members = COMMANDS[BpfCmd(cmd)]
    except ValueError:
        raise KernelError(EINVAL, f"bpf: there is no command {cmd}") from None
    required = {member[:-1] for member in members.split() if member[-1] == "!"}
    wrong = (required - set(attr)) | (set(attr) - set(members.replace("!", "").split()))
    if wrong:
        raise KernelError(
            EINVAL,
            f"bpf: {BpfCmd(cmd).name}: expected {members} (! is required), "
            f"got {' '.join(attr) or 'nothing'}",
        )
    return handler(kernel, attr)


def _map(kernel: Kernel, fd: int, what: str) -> StructOpsMap | ArrayMap:
    """EBADF for a descriptor that is not open, EINVAL for one that is no map (``bpf_map_get``)."""
    obj = kernel.fds.get(fd, what)
    if not isinstance(obj, StructOpsMap | ArrayMap):
        raise KernelError(EINVAL, f"{what}: fd {fd} is a {obj.kind}, not a map")
    return obj


def _link(kernel: Kernel, fd: int, what: str) -> StructOpsLink:
    """EBADF for a descriptor that is not open, EINVAL for one that is no link
    (``bpf_link_get_from_fd``).
    """
    obj = kernel.fds.get(fd, what)
    if not isinstance(obj, StructOpsLink):
        raise KernelError(EINVAL, f"{what}: fd {fd} is a {obj.kind}, not a link")
    return obj


def map_create(kernel: Kernel, attr: Attr) -> int:
    """``map_create``, ``bpf_struct_ops_map_alloc``: a new map; returns its descriptor."""
    name = attr.get("map_name", "")
    check_obj_name(name, "map create")
    entries, flags = attr.get("max_entries", 1), attr.get("map_flags", 0)
    if entries < 1:
        raise KernelError(EINVAL, f"map create: max_entries: expected at least 1, got {entries}")
    if attr["map_type"] == MapType.ARRAY:
        return _install(kernel, kernel.map_ids.add, ArrayMap(name, entries))
    if attr["map_type"] != MapType.STRUCT_OPS:
        raise KernelError(EINVAL, f"map create: no map type {attr['map_type']}")
    if entries != 1 or flags & ~BPF_F_LINK:
        raise KernelError(
            EINVAL,
            f"map create: a struct_ops map has one entry and no flag but BPF_F_LINK, "
            f"got {entries} entries and flags {flags:#x}",
        )
    st_ops = attr.get("btf_vmlinux_value_type", TCP_CONGESTION_OPS)
    if st_ops not in ST_OPS_TYPES:
        raise KernelError(ENOTSUPP, f"map create: the kernel has no struct_ops type {st_ops!r}")
    new = StructOpsMap(
        name,
        st_ops,
        link=bool(flags & BPF_F_LINK),
        state=kernel.profile.init_state,
        last_put=kernel.last_put,
    )
    return _install(kernel, kernel.map_ids.add, new)


def _install(kernel: Kernel, add: Callable[[BpfObject], None], obj: BpfObject) -> int:
    add(obj)
    return kernel.fds.install(obj)


def map_lookup_elem(kernel: Kernel, attr: Attr) -> Any:
    """``bpf_struct_ops_map_sys_lookup_elem``: state, refcnt and name, all zero before the element
    is written.
    """
    map = _map(kernel, attr["map_fd"], "map lookup")
    _check_key(map, attr.get("key", 0))
    if isinstance(map, ArrayMap):
        return map.values.get(attr.get("key", 0), 0)
    if map.value is None:
        return {"state": 0, "refcnt": 0, "name": ""}
    return {"state": int(map.state), "refcnt": map.refcnt, "name": map.value.name}


def _check_key(map: StructOpsMap | ArrayMap, key: int) -> None:
    if isinstance(map, StructOpsMap) and key:
        raise KernelError(E2BIG, f"{map.name}: a struct_ops map has the key 0 only, got {key}")
    if isinstance(map, ArrayMap) and not 0 <= key < map.max_entries:
        raise KernelError(E2BIG, f"{map.name}: expected a key below {map.max_entries}, got {key}")


def map_update_elem(kernel: Kernel, attr: Attr) -> None:
    """``bpf_struct_ops_map_update_elem``: write a map's operations; without BPF_F_LINK that
    registers them.
    """
    map = _map(kernel, attr["map_fd"], "map update")
    if isinstance(map, ArrayMap):
        _array_update(map, attr.get("key", 0), attr["value"], attr.get("flags", 0))
        return
    if attr.get("flags", 0):
        raise KernelError(
            EINVAL, f"{map.name}: map update: expected flags 0, got {attr['flags']:#x}"
        )
    _check_key(map, attr.get("key", 0))
    kernel.profile.check_update(map)
    value = attr["value"]
    if not isinstance(value, StructOpsValue):
        raise KernelError(EINVAL, f"{map.name}: expected a StructOpsValue, got {value!r}")
    ops, progs = _build_ops(kernel, map, value)
    ca = Implementation(ops, map, map.name)
    if map.link:
        if kernel.profile.validates_prepared:
            tcp_validate_congestion_control(ops)
        kernel.profile.prepared(map)
    else:
        _register(kernel, map, ca)
        kernel.profile.registered(map)
    map.store(ca, progs)


def _array_update(map: ArrayMap, key: int, value: Any, flags: int) -> None:
    """``array_map_update_elem``: an array's elements all exist, so BPF_NOEXIST fails."""
    if flags > BPF_EXIST:
        raise KernelError(EINVAL, f"{map.name}: map update: expected flags 0 to 2, got {flags:#x}")
    _check_key(map, key)
    if flags == BPF_NOEXIST:
        raise KernelError(EEXIST, f"{map.name}: the element exists")
    map.values[key] = value


def _build_ops(
    kernel: Kernel, map: StructOpsMap, value: StructOpsValue
) -> tuple[TcpCongestionOps, list[Prog]]:
    """Turn the written value into a table of operations (``bpf_tcp_ca_init_member``)."""
    if not value.name:
        raise KernelError(EINVAL, f"{map.name}: the congestion control has no name")
    check_obj_name(value.name, f"{map.name}: congestion control")
    if value.flags & ~(TCP_CONG_NON_RESTRICTED | TCP_CONG_NEEDS_ECN):
        raise KernelError(EINVAL, f"{map.name}: flags: expected 0 to 3, got {value.flags:#x}")
    progs = {member: _prog(kernel, map, member, fd) for member, fd in value.progs.items()}
    members: dict[str, Any] = {member: prog.func for member, prog in progs.items()}
    ops = TcpCongestionOps(
        name=value.name,
        flags=value.flags,
        private=value.private,
        params=value.params,
        train=value.train,
        sack_train=value.sack_train,
        rtt_floor=value.rtt_floor,
        export_model=value.export_model,
        import_model=value.import_model,
        phase=value.phase,
        ect_1=value.ect_1,
        link=map.link,
        **members,
    )
    return ops, list(progs.values())


def _prog(kernel: Kernel, map: StructOpsMap, member: str, fd: int) -> Prog:
    prog = kernel.fds.get(fd, f"{map.name}: {member}")
    if not isinstance(prog, Prog) or prog.member != member:
        raise KernelError(EINVAL, f"{map.name}: {member}: fd {fd} is no program for this member")
    return prog


def _register(kernel: Kernel, map: StructOpsMap, ca: Implementation) -> None:
    """``st_ops->reg``: only congestion control has it."""
    if map.st_ops != TCP_CONGESTION_OPS:
        raise KernelError(EOPNOTSUPP, f"{map.name}: {map.st_ops} cannot be registered")
    kernel.tcp_cong.register(ca)


def _value_of(map: StructOpsMap) -> Implementation:
    assert map.value is not None, f"{map.name} is {map.state.name} without a value"
    return map.value


def map_delete_elem(kernel: Kernel, attr: Attr) -> None:
    """``bpf_struct_ops_map_delete_elem``."""
    map = _map(kernel, attr["map_fd"], "map delete")
    if isinstance(map, ArrayMap):
        raise KernelError(EINVAL, f"{map.name}: the elements of an array cannot be deleted")
    _check_key(map, attr.get("key", 0))
    if kernel.profile.begin_delete(map):
        kernel.tcp_cong.unregister(_value_of(map))
        map.put()


def prog_load(kernel: Kernel, attr: Attr) -> int:
    """``bpf_prog_load``: check one function and return its descriptor."""
    if attr["prog_type"] != ProgType.STRUCT_OPS:
        raise KernelError(EINVAL, f"prog load: no program type {attr['prog_type']}")
    member, func = attr["attach_member"], attr["insns"]
    check_prog(member, func)
    return _install(kernel, kernel.prog_ids.add, Prog(attr.get("prog_name", ""), member, func))


def obj_pin(kernel: Kernel, attr: Attr) -> None:
    """``bpf_obj_pin``: EINVAL for a descriptor that is not open (``bpf_fd_probe_obj`` knows no
    better).
    """
    try:
        obj = kernel.fds.get(attr["bpf_fd"], "pin")
    except KernelError as error:
        raise KernelError(EINVAL, error.message) from error
    kernel.bpffs.pin(attr["pathname"], obj)


def obj_get(kernel: Kernel, attr: Attr) -> int:
    """``bpf_obj_get``: a new descriptor for what is pinned."""
    return kernel.fds.install(kernel.bpffs.get(attr["pathname"]))


def obj_get_info_by_fd(kernel: Kernel, attr: Attr) -> dict[str, Any]:
    """``bpf_obj_get_info_by_fd``: for a link ``map_id`` is None once it is detached."""
    obj = kernel.fds.get(attr["bpf_fd"], "info")
    if isinstance(obj, StructOpsLink):
        return {"id": obj.id, "type": "struct_ops", "map_id": obj.map.id if obj.map else None}
    if isinstance(obj, Prog):
        return {"id": obj.id, "type": ProgType.STRUCT_OPS, "name": obj.name}
    if isinstance(obj, ArrayMap):
        return {"id": obj.id, "type": MapType.ARRAY, "name": obj.name, "map_flags": 0}
    assert isinstance(obj, StructOpsMap)
    flags = BPF_F_LINK if obj.link else 0
    return {"id": obj.id, "type": MapType.STRUCT_OPS, "name": obj.name, "map_flags": flags}


def link_create(kernel: Kernel, attr: Attr) -> int:
    """``bpf_struct_ops_link_create``: register a map's operations for as long as the link lives."""
    if attr.get("attach_type", BPF_STRUCT_OPS) != BPF_STRUCT_OPS:
        raise KernelError(EINVAL, f"link create: no attach type {attr['attach_type']}")
    try:
        obj = _map(kernel, attr["map_fd"], "link create")
    except KernelError as error:
        raise KernelError(
            kernel.profile.link_create_fd_errno or error.number, error.message
        ) from error
    if not isinstance(obj, StructOpsMap):
        raise KernelError(EINVAL, "link create: expected a struct_ops map, got an array")
    kernel.profile.begin_link(obj)
    try:
        _register(kernel, obj, _value_of(obj))
    except KernelError:
        kernel.profile.abort_link(obj)
        raise
    return _install(kernel, kernel.link_ids.add, StructOpsLink(obj, partial(_detach, kernel)))


def link_update(kernel: Kernel, attr: Attr) -> None:
    """``bpf_struct_ops_map_link_update``: put another map behind the link, under the same name."""
    old_fd = attr.get("old_map_fd", 0)
    args = LinkUpdate(
        flags=attr.get("flags", 0),
        link=lambda: _link(kernel, attr["link_fd"], "link update"),
        new_map=lambda: _map(kernel, attr["new_map_fd"], "link update: new map"),
        old_map=lambda: _map(kernel, old_fd, "link update: old map"),
        old_map_fd=old_fd,
    )
    link, old, new = kernel.profile.check_link_update(args)
    kernel.profile.begin_link(new)
    try:
        kernel.tcp_cong.update(_value_of(new), _value_of(old))
    except KernelError:
        kernel.profile.abort_link(new)
        raise
    link.map = new
    kernel.profile.unlinked(old)
    old.put()


def link_detach(kernel: Kernel, attr: Attr) -> None:
    """``bpf_struct_ops_map_link_detach``: always succeeds, also the second time."""
    _detach(kernel, _link(kernel, attr["link_fd"], "link detach"))


def _detach(kernel: Kernel, link: StructOpsLink) -> None:
    map, link.map = link.map, None
    if map is None:
        return
    kernel.profile.unlinked(map)
    kernel.tcp_cong.unregister(_value_of(map))
    map.put()


def _get_fd_by_id(table: str, kernel: Kernel, attr: Attr) -> int:
    return kernel.fds.install(getattr(kernel, table).get(attr["id"]))


def _get_next_id(table: str, kernel: Kernel, attr: Attr) -> int:
    return getattr(kernel, table).after(attr.get("start_id", 0))


COMMANDS: dict[BpfCmd, tuple[Callable[[Any, Attr], Any], str]] = {
    BpfCmd.MAP_CREATE: (
        map_create,
        "map_type! map_name map_flags max_entries btf_vmlinux_value_type",
    ),
    BpfCmd.MAP_LOOKUP_ELEM: (map_lookup_elem, "map_fd! key"),
    BpfCmd.MAP_UPDATE_ELEM: (map_update_elem, "map_fd! key value! flags"),
    BpfCmd.MAP_DELETE_ELEM: (map_delete_elem, "map_fd! key"),
    BpfCmd.PROG_LOAD: (prog_load, "prog_type! prog_name attach_member! insns!"),
    BpfCmd.OBJ_PIN: (obj_pin, "bpf_fd! pathname!"),
    BpfCmd.OBJ_GET: (obj_get, "pathname!"),
    BpfCmd.PROG_GET_NEXT_ID: (partial(_get_next_id, "prog_ids"), "start_id"),
    BpfCmd.MAP_GET_NEXT_ID: (partial(_get_next_id, "map_ids"), "start_id"),
    BpfCmd.PROG_GET_FD_BY_ID: (partial(_get_fd_by_id, "prog_ids"), "id!"),
    BpfCmd.MAP_GET_FD_BY_ID: (partial(_get_fd_by_id, "map_ids"), "id!"),
    BpfCmd.OBJ_GET_INFO_BY_FD: (obj_get_info_by_fd, "bpf_fd!"),
    BpfCmd.LINK_CREATE: (link_create, "map_fd! attach_type flags"),
    BpfCmd.LINK_UPDATE: (link_update, "link_fd! new_map_fd! flags old_map_fd"),
    BpfCmd.LINK_GET_FD_BY_ID: (partial(_get_fd_by_id, "link_ids"), "id!"),
    BpfCmd.LINK_GET_NEXT_ID: (partial(_get_next_id, "link_ids"), "start_id"),
    BpfCmd.LINK_DETACH: (link_detach, "link_fd!"),
}
