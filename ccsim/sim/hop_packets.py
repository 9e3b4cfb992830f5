"""Packets of flows as hops see them: the flow's hash, its hosts, what a buffer of theirs takes."""

from __future__ import annotations

from zlib import crc32

from ccsim.net.network import Segment
from ccsim.spec import Flow

__all__ = ["Hosts", "hosts_of", "make_segment"]

Hosts = tuple[int, int]
"""Hashes of the sending and the receiving host."""
MEMORY_BYTES = 804  # that a socket buffer takes beside a full packet: 2304 for 1500 (truesize)
U32 = 0xFFFF_FFFF
SPREAD = 0x9E37_79B9  # of consecutive numbers over 32 bits (Fibonacci hashing)


def hosts_of(spec: Flow, index: int) -> Hosts:
    """Return hashes of the hosts between which a flow goes: those it names, or two of its own."""
    names = spec.hosts or (f"sender of {index}", f"receiver of {index}")
    return crc32(names[0].encode()), crc32(names[1].encode())


def make_segment(number: int, size: int, index: int, way: int, hosts: Hosts) -> Segment:
    """Return packet ``number`` of flow ``index``, of ``size`` bytes, on its way forth (0) or back
    (1)."""
    packet = Segment(number, size, flow=index, truesize=size + MEMORY_BYTES)
    packet.hash = (2 * index + way + 1) * SPREAD & U32
    packet.srchost, packet.dsthost = hosts[::-1] if way else hosts
    packet.seq, packet.sent_ns, packet.row = 0, 0, None
    return packet
