"""Writing pcapng captures (draft-ietf-opsawg-pcapng): sections, interfaces, packets, comments."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import BinaryIO

__all__ = ["INBOUND", "OUTBOUND", "PcapngWriter"]

INBOUND, OUTBOUND = 1, 2
LINKTYPE_RAW = 101  # packets begin with the IP header
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT, _IF_NAME, _IF_TSRESOL, _FLAGS, _USERAPPL = 1, 2, 9, 2, 4
NANOSECONDS = bytes((9,))
_HEAD = Struct("<II")
_TAIL = Struct("<I")
_SECTION_BODY = Struct("<IHHq")
_INTERFACE_BODY = Struct("<HHI")
_PACKET_BODY = Struct("<IIIII")
_OPTION = Struct("<HH")


class PcapngWriter:
    """Writes one section to a binary stream; ``snaplen`` cuts what is kept of each packet (0: all).

    Times are nanoseconds since the run began, which stands at 1970-01-01.
    """

    def __init__(self, stream: BinaryIO, *, program: str, comment: str, snaplen: int = 0) -> None:
        self._stream = stream
        self._snaplen = snaplen
        self._interfaces = 0
        self.bytes = 0
        body = _SECTION_BODY.pack(_BYTE_ORDER, 1, 0, -1)
        self._block(_SECTION, body, [(_COMMENT, comment.encode()), (_USERAPPL, program.encode())])

    def interface(self, name: str) -> int:
        """Describe an interface; return its number."""
        body = _INTERFACE_BODY.pack(LINKTYPE_RAW, 0, self._snaplen)
        self._block(_INTERFACE, body, [(_IF_NAME, name.encode()), (_IF_TSRESOL, NANOSECONDS)])
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self,
        interface: int,
        t_ns: int,
        head: bytes,
        zeros: int,
        direction: int,
        comments: Sequence[str] = (),
    ) -> None:
        """Write a packet: ``head`` and that many zeros after it."""
        whole = len(head) + zeros
        kept = min(whole, self._snaplen or whole)
        padded = -(-kept // 4) * 4
        body = _PACKET_BODY.pack(interface, t_ns >> 32, t_ns & 0xFFFF_FFFF, kept, whole)
        data = head[:kept] + bytes(padded - min(kept, len(head)))
        options = [(_COMMENT, text.encode()) for text in comments]
        self._block(_PACKET, body + data, [(_FLAGS, _TAIL.pack(direction)), *options])

    def _block(self, kind: int, body: bytes, options: Sequence[tuple[int, bytes]]) -> None:
        parts = [body]
        for code, value in options:
            parts += [_OPTION.pack(code, len(value)), value, bytes(-len(value) % 4)]
        if options:
            parts.append(bytes(4))
        length = sum(map(len, parts)) + 12
        data = b"".join((_HEAD.pack(kind, length), *parts, _TAIL.pack(length)))
        self.bytes += len(data)
        self._stream.write(data)
