"""Flows as hops tell them apart: their hashes, and those of their hosts."""

from __future__ import annotations

from zlib import crc32

from ccsim.spec import Flow

__all__ = ["Hosts", "hash_of", "hosts_of"]

Hosts = tuple[int, int]
"""Hashes of the sending and the receiving host."""
U32 = 0xFFFF_FFFF
SPREAD = 0x9E37_79B9  # of consecutive numbers over 32 bits (Fibonacci hashing)


def hosts_of(spec: Flow, index: int) -> Hosts:
    """Return hashes of the hosts between which a flow goes: those it names, or two of its own."""
    names = spec.hosts or (f"sender of {index}", f"receiver of {index}")
    return crc32(names[0].encode()), crc32(names[1].encode())


def hash_of(index: int, way: int) -> int:
    """Return the hash by which qdiscs know flow ``index`` on its way forth (0) or back (1)."""
    return (2 * index + way + 1) * SPREAD & U32
