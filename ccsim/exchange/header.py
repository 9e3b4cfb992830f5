"""The IPv4 and TCP headers of a segment, with checksums (RFC 791, 9293, 7323, 2018, 1071)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from ccsim.exchange.segment import CE, SYN, Segment

__all__ = ["Endpoints", "headers"]

_IP = Struct(">BBHHHBBH4s4s")
_TCP = Struct(">HHIIBBHHH")
_PSEUDO = Struct(">4s4sHH")
_STAMPS = Struct(">BBII")
_MSS = Struct(">BBH")
NOP = bytes((1,))
_BLOCK = Struct(">II")
DONT_FRAGMENT = 0x4000
TTL = 64
TIMESTAMP_BYTES = 12  # which the MSS option does not know of
TCP = 6
U16, U32 = 0xFFFF, 0xFFFF_FFFF
ISN = (2_000_000_000, 1_000_000_000)
"""Initial sequence numbers: of the end that receives data, and of the one that sends it."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses and ports of a flow, what its ends advertise, and how windows are scaled."""

    sender: bytes
    receiver: bytes
    sender_port: int
    receiver_port: int
    mss_bytes: int
    rwnd_bytes: int
    sack: bool = True
    timestamps: bool = True  # without, as many bytes of the header say nothing

    @property
    def scale(self) -> int:
        """The shift of window scaling: the least that can say the window, 7 to 14."""
        return min(max(7, (self.rwnd_bytes >> 16).bit_length()), 14)


def headers(ends: Endpoints, segment: Segment, *, ce: bool = False) -> bytes:
    """Return a segment's headers; the payload of ``segment.length`` bytes after them is zeros."""
    out = segment.from_sender
    source, target = (ends.sender, ends.receiver) if out else (ends.receiver, ends.sender)
    ports = (ends.sender_port, ends.receiver_port)
    options = _options(ends, segment)
    size = _TCP.size + len(options)
    isn, answered = ISN[out], ISN[not out]
    ack = 0 if segment.ack is None else answered + segment.ack & U32
    window = ends.rwnd_bytes >> (0 if segment.flags & SYN else ends.scale)
    fields = [
        *(ports if out else ports[::-1]),
        isn + segment.seq & U32,
        ack,
        size << 2 | segment.flags >> 8,
        segment.flags & 0xFF,
        min(window, U16),
    ]
    pseudo = _PSEUDO.pack(source, target, TCP, size + segment.length)
    checksum = _checksum(pseudo + _TCP.pack(*fields, 0, 0) + options)
    tcp = _TCP.pack(*fields, checksum, 0) + options
    total = _IP.size + size + segment.length
    about = (0x45, CE if ce else segment.ecn, total, segment.ident & U16, DONT_FRAGMENT, TTL, TCP)
    checksum = _checksum(_IP.pack(*about, 0, source, target))
    return _IP.pack(*about, checksum, source, target) + tcp


def _options(ends: Endpoints, segment: Segment) -> bytes:
    stamps = _STAMPS.pack(8, 10, segment.ts_val & U32, segment.ts_ecr & U32)
    stamps = stamps if ends.timestamps else NOP * len(stamps)
    if segment.flags & SYN:
        permitted = bytes((4, 2)) if ends.sack else NOP * 2
        said = _MSS.pack(2, 4, ends.mss_bytes + TIMESTAMP_BYTES)
        return said + permitted + stamps + NOP + bytes((3, 3, ends.scale))
    options = NOP * 2 + stamps
    if not segment.blocks:
        return options
    options = options if ends.timestamps else b""
    isn = ISN[not segment.from_sender]
    blocks = b"".join(_BLOCK.pack(isn + a & U32, isn + b & U32) for a, b in segment.blocks)
    return options + bytes((1, 1, 5, 2 + len(blocks))) + blocks


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes: the ones' complement sum
    of 16-bit words is the number itself modulo 2^16 - 1."""
    return -int.from_bytes(data, "big") % U16
