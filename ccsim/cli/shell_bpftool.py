"""``bpftool struct_ops register``, ``unregister`` and ``dump``, as a process that comes and goes.

What `register` loads is held by its link's pin alone, or without BPF_F_LINK by the registration
itself: the descriptors close when the tool ends (``tools/bpf/bpftool/struct_ops.c``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ccsim.kernel.bpf import BpfCmd
from ccsim.kernel.errors import ENOENT, KernelError
from ccsim.kernel.maps import StructOpsMap

if TYPE_CHECKING:
    from ccsim.kernel.kernel import Kernel
    from ccsim.kernel.libbpf import Map, Object

__all__ = ["dump", "register", "unregister"]


def register(kernel: Kernel, obj: Object, folder: str = "") -> str:
    """Load an object and register each of its maps; pin links below ``folder``.

    A link that is not pinned goes with the tool, and its name with it.
    """
    obj.load(kernel)
    try:
        return "\n".join(_registered(kernel, map, folder) for map in obj.maps.values())
    finally:
        obj.close()


def _registered(kernel: Kernel, map: Map, folder: str) -> str:
    map_id = _id_of(kernel, map.fd)
    link = map.attach_struct_ops()
    said = f"Registered {_st_ops(kernel, map_id)} {map.name} "
    if not link.real:
        return f"{said}id {map_id}"
    said += f"map id {map_id} link id {_id_of(kernel, link.fd)}"
    try:
        if folder:
            link.pin(f"{folder.rstrip('/')}/{map.name}")
    finally:
        kernel.close_fd(link.fd)
    return said if folder else f"{said}\nnot pinned: the name went with the tool; give a LINK_DIR"


def _id_of(kernel: Kernel, fd: int) -> int:
    return next(int(obj.id) for number, obj in kernel.fds.items() if number == fd)


def _st_ops(kernel: Kernel, map_id: int) -> str:
    return next(map.st_ops for map in _maps(kernel) if map.id == map_id)


def unregister(kernel: Kernel, words: Sequence[str]) -> str:
    """Delete the element of a map given as ``id N`` or ``name NAME``, as a link's cannot be."""
    lines = []
    for map in _meant(kernel, words):
        fd = kernel.bpf(BpfCmd.MAP_GET_FD_BY_ID, {"id": map.id})
        try:
            kernel.bpf(BpfCmd.MAP_DELETE_ELEM, {"map_fd": fd, "key": 0})
        finally:
            kernel.close_fd(fd)
        lines.append(f"Unregistered {map.st_ops} {map.name} id {map.id}")
    return "\n".join(lines)


def dump(kernel: Kernel, words: Sequence[str]) -> str:
    """Return the elements of struct_ops maps, of all without ``id N`` or ``name NAME``."""
    maps = _meant(kernel, words) if words else list(_maps(kernel))
    return json.dumps([entry for map in maps for entry in _entries(map)], indent=4)


def _entries(map: StructOpsMap) -> Iterator[dict[str, Any]]:
    yield {"bpf_map_info": {"type": "struct_ops", "id": map.id, "name": map.name}}
    data: dict[str, Any] = {}
    if map.value is not None:
        data = {"name": map.value.name, "flags": map.value.flags}
        data |= {str(prog.member): f"prog {prog.id}" for prog in map.progs}
        if map.value.ops.params is not None:
            data["module parameters"] = vars(map.value.ops.params)
    state = f"BPF_STRUCT_OPS_STATE_{map.state.name}"
    yield {f"bpf_struct_ops_{map.st_ops}": {"refcnt": map.refcnt, "state": state, "data": data}}


def _maps(kernel: Kernel) -> Iterator[StructOpsMap]:
    return (map for map in kernel.map_ids.living() if isinstance(map, StructOpsMap))


def _meant(kernel: Kernel, words: Sequence[str]) -> list[StructOpsMap]:
    kind, name = (*words, "", "")[:2]
    found = [map for map in _maps(kernel) if name == (str(map.id) if kind == "id" else map.name)]
    if kind not in ("id", "name") or not found:
        there = ", ".join(f"id {map.id} name {map.name}" for map in _maps(kernel)) or "none"
        expected = "expected id N or name NAME of a struct_ops map"
        raise KernelError(ENOENT, f"{expected}, got {' '.join(words) or 'neither'}; there: {there}")
    return found
