"""The TCP header of a captured frame, as far as it was kept; all else is passed over."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from ccsim.exchange.blocks import Frame

__all__ = ["TcpPacket", "dissected"]

Endpoint = tuple[bytes, int]  # address, port
ETHERNET, RAW, SLL, SLL2, NULL, LOOP, IPV4, IPV6 = 1, 101, 113, 276, 0, 108, 228, 229
LINK_BYTES = {ETHERNET: 14, SLL: 16, SLL2: 20, NULL: 4, LOOP: 4}
VLAN = (b"\x81\x00", b"\x88\xa8")
IP_TYPES = (b"\x08\x00", b"\x86\xdd")
TCP = 6
EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options
_PORTS = Struct(">HHIIBBH")
_EDGES = Struct(">II")


@dataclass(frozen=True, slots=True)
class TcpPacket:
    """What a TCP packet says: its ends, and numbers as they are on the wire.

    ``length`` payload [bytes]; ``size`` the whole of the IP packet [bytes]; ``blocks`` SACK blocks;
    ``mss`` of a SYN, 0: not said; ``ecn`` the field of the IP header.
    """

    t_ns: int
    interface: int
    source: Endpoint
    target: Endpoint
    seq: int
    ack: int
    flags: int
    length: int
    size: int
    blocks: tuple[tuple[int, int], ...]
    mss: int
    ecn: int


def dissected(frame: Frame) -> TcpPacket | None:
    """Return the TCP packet in a frame; None if there is none, or too little of it was kept."""
    data = frame.data
    start = _ip_start(frame.link_type, data)
    if start is None or len(data) < start + 20:
        return None
    version = data[start] >> 4
    if version == 4:
        return _version_4(frame, data, start)
    return _version_6(frame, data, start) if version == 6 else None


def _ip_start(link_type: int, data: bytes) -> int | None:
    """Return where the IP header begins, if the link type says it; None for others."""
    if link_type in (RAW, IPV4, IPV6):
        return 0
    start = LINK_BYTES.get(link_type)
    if start is None or link_type in (NULL, LOOP):
        return start
    if link_type == SLL2:
        return start if data[0:2] in IP_TYPES else None
    kind = data[start - 2 : start]
    while kind in VLAN and link_type == ETHERNET:
        start += 4
        kind = data[start - 2 : start]
    return start if kind in IP_TYPES else None


def _version_4(frame: Frame, data: bytes, start: int) -> TcpPacket | None:
    head = (data[start] & 15) * 4
    fragment = int.from_bytes(data[start + 6 : start + 8], "big") & 0x1FFF
    if data[start + 9] != TCP or head < 20 or fragment:
        return None
    size = int.from_bytes(data[start + 2 : start + 4], "big")
    # Segmentation offload leaves 0 where a packet is larger than the field can say.
    size = size or len(data) - start
    ends = data[start + 12 : start + 16], data[start + 16 : start + 20]
    return _tcp(frame, start + head, size - head, size, ends, data[start + 1] & 3)


def _version_6(frame: Frame, data: bytes, start: int) -> TcpPacket | None:
    if len(data) < start + 40:
        return None
    payload = int.from_bytes(data[start + 4 : start + 6], "big") or len(data) - start - 40
    ends = data[start + 8 : start + 24], data[start + 24 : start + 40]
    kind, at, rest = data[start + 6], start + 40, payload
    while kind in EXTENSIONS and len(data) >= at + 8:
        length = 8 * (data[at + 1] + 1)
        kind, at, rest = data[at], at + length, rest - length
    if kind != TCP:
        return None
    return _tcp(frame, at, rest, payload + 40, ends, data[start + 1] >> 4 & 3)


def _tcp(
    frame: Frame, at: int, rest: int, size: int, ends: tuple[bytes, bytes], ecn: int
) -> TcpPacket | None:
    """Return what the TCP header at a place says, ``rest`` bytes of it and payload being there."""
    data = frame.data
    if len(data) < at + 20:
        return None
    source, target, seq, ack, offset, flags, _ = _PORTS.unpack_from(data, at)
    head = (offset >> 4) * 4
    if head < 20 or rest < head:
        return None
    mss, blocks = _options(data[at + 20 : at + head])
    return TcpPacket(
        frame.t_ns,
        frame.interface,
        (ends[0], source),
        (ends[1], target),
        seq,
        ack,
        flags,
        rest - head,
        size,
        blocks,
        mss,
        ecn,
    )


def _options(data: bytes) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the MSS and the SACK blocks among options, up to where they make sense."""
    mss, blocks = 0, list[tuple[int, int]]()
    at = 0
    while at < len(data) and data[at]:
        if data[at] == 1:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        value = data[at + 2 : at + length]
        if length < 2 or len(value) < length - 2:
            break
        if data[at] == 2 and length == 4:
            mss = int.from_bytes(value, "big")
        elif data[at] == 5:
            blocks = [
                (
                    int.from_bytes(value[k : k + 4], "big"),
                    int.from_bytes(value[k + 4 : k + 8], "big"),
                )
                for k in range(0, len(value) - 7, 8)
            ]
        at += length
    return mss, tuple(blocks)
