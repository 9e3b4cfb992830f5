"""What types say: the arguments of an operation, the locks and timers in a map's values."""

from __future__ import annotations

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf
from ccsim.bpf.kernel_btf import kernel_btf

__all__ = ["prototype_of", "special_members"]


def prototype_of(member: str, count: int) -> tuple[list[str], bool]:
    """Return an operation's arguments (the struct each points to, or nothing), and whether it
    returns a value.
    """
    btf = kernel_btf(count)
    ops = btf[btf.find("tcp_congestion_ops", kinds.STRUCT)]
    pointer = next(m.type for m in ops.members if m.name == member)
    prototype = btf[btf[pointer].type]
    arguments = []
    for _, type in prototype.params:
        it = btf.plain(type)
        struct = btf.plain(it.type).name if it.kind == kinds.PTR else ""
        arguments.append("tcp_sock" if struct == "sock" else struct)
    return arguments, bool(prototype.type)


def special_members(btf: Btf, type: int) -> list[tuple[str, int, int]]:
    """Return the locks and timers in values of a type: (name, start, end)."""
    it = btf.plain(type)
    if it.kind != kinds.STRUCT:
        return []
    found = []
    for member in it.members:
        inner = btf.plain(member.type)
        if inner.kind == kinds.STRUCT and inner.name in ("bpf_spin_lock", "bpf_timer"):
            start = member.bit_offset // 8
            found.append((inner.name, start, start + inner.size))
    return found
