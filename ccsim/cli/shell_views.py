"""Views of the emulated kernel's state as text, after ``ss`` and ``bpftool``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ccsim.kernel.bpf import TCP_CONGESTION_OPS
from ccsim.kernel.maps import StructOpsMap
from ccsim.kernel.sock import TCP_ESTABLISHED, TCP_SYN_SENT
from ccsim.kernel.tcp_cong import TCP_LISTEN

if TYPE_CHECKING:
    from ccsim.cli.shell_socket import ShellSock
    from ccsim.kernel.kernel import Kernel
    from ccsim.kernel.libbpf import BpfLink

__all__ = ["BPFTOOL", "fds", "links", "maps", "sockets", "table"]


STATES = {TCP_LISTEN: "LISTEN", TCP_ESTABLISHED: "ESTAB", TCP_SYN_SENT: "SYN-SENT"}


def table(heads: list[str], rows: list[list[Any]]) -> str:
    """Lay out rows under their heads, columns aligned to the left."""
    cells = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def sockets(kernel: Kernel, named: Mapping[str, ShellSock]) -> str:
    """One line a socket: state, name of its congestion control, map that serves it, window."""
    rows = []
    for name, sk in named.items():
        state = STATES.get(sk.sk_state, "UNCONN")
        ca = kernel.implementation_of(sk)
        runs = sk.ca_ops.name  # not the implementation's own, where that has given way to another
        rows.append([state, name, runs, ca.map_name, f"cwnd:{sk.snd_cwnd}", f"acks:{sk.acks}"])
    return table(["State", "Socket", "Congestion", "Served by", "Window", "ACKs"], rows)


def maps(kernel: Kernel) -> str:
    """One line a map: state, references, kind and the name in its element."""
    rows = []
    for map in _struct_ops(kernel):
        kind = "link" if map.link else "no link"
        name = map.value.name if map.value else "-"
        rows.append([f"{map.id}:", map.name, kind, map.state.name, map.refcnt, name])
    return table(["id", "map", "kind", "state", "refcnt", "name"], rows)


def links(kernel: Kernel, named: Mapping[str, BpfLink] | None = None) -> str:
    """One line a link: its map and how many descriptors and pins hold it."""
    handles = {obj.id: fd for fd, obj in kernel.fds.items() if obj.kind == "link"}
    names = {link.fd: name for name, link in (named or {}).items() if not link.dead}
    rows = []
    for link in kernel.link_ids.living():
        name = names.get(handles.get(link.id, -1), "-")
        rows.append([f"{link.id}:", name, link.map.name if link.map else "detached", link.users])
    return table(["id", "link", "map", "held by"], rows)


def fds(kernel: Kernel) -> str:
    """One line a descriptor or pin."""
    held = [*kernel.fds.items(), *kernel.bpffs.items()]
    rows = [[where, f"{obj.kind} {obj.id}", getattr(obj, "name", "")] for where, obj in held]
    return table(["fd or pin", "object", "name"], rows)


def _struct_ops(kernel: Kernel) -> list[StructOpsMap]:
    return [map for map in kernel.map_ids.living() if isinstance(map, StructOpsMap)]


def _bpftool_struct_ops(kernel: Kernel) -> str:
    return "\n".join(
        f"{map.id}: {map.name:<15} {map.st_ops}" for map in _struct_ops(kernel) if map.value
    )


def _bpftool_map(kernel: Kernel) -> str:
    lines = []
    for map in kernel.map_ids.living():
        struct_ops = isinstance(map, StructOpsMap)
        flags = 0x2000 if struct_ops and map.link else 0
        kind = "struct_ops" if struct_ops else "array"
        lines.append(f"{map.id}: {kind}  name {map.name}  flags {flags:#x}")
    return "\n".join(lines)


def _bpftool_link(kernel: Kernel) -> str:
    return "\n".join(
        f"{link.id}: struct_ops  {f'map {link.map.id}' if link.map else 'detached'}"
        for link in kernel.link_ids.living()
    )


def _bpftool_prog(kernel: Kernel) -> str:
    return "\n".join(
        f"{prog.id}: struct_ops  name {prog.name}  {TCP_CONGESTION_OPS}.{prog.member}"
        for prog in kernel.prog_ids.living()
    )


BPFTOOL: dict[str, Callable[[Kernel], str]] = {
    "struct_ops": _bpftool_struct_ops,
    "map": _bpftool_map,
    "link": _bpftool_link,
    "prog": _bpftool_prog,
}
