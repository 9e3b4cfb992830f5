"""Reading captures, pcapng (draft-ietf-opsawg-pcapng) and pcap (draft-ietf-opsawg-pcap), as
untrusted data: every length is checked before it is believed, and one frame at a time is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from ccsim.exchange.errors import ImportedFileError
from ccsim.units import NS_PER_S

__all__ = ["Frame", "frames", "is_capture"]

MOST_BLOCK_BYTES = 1 << 24
"""Of one block; a packet of IPv4 or IPv6 without jumbo payload has 65,575 bytes at most."""
MOST_INTERFACES = 65_536
MOST_NS = 1 << 63
_SECTION = 0x0A0D0D0A
_INTERFACE, _OLD_PACKET, _SIMPLE, _PACKET = 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_TSRESOL, _TSOFFSET = 9, 14
_PCAP = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}  # magic: ns per unit of a packet's time
_U32 = {order: Struct(order + "I") for order in "<>"}
_HEAD = {order: Struct(order + "II") for order in "<>"}
_INTERFACE_HEAD = {order: Struct(order + "HHI") for order in "<>"}
_PACKET_HEAD = {order: Struct(order + "IIIII") for order in "<>"}
_OPTION = {order: Struct(order + "HH") for order in "<>"}
_PCAP_HEAD = {order: Struct(order + "IHHiIII") for order in "<>"}
_PCAP_RECORD = {order: Struct(order + "IIII") for order in "<>"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured packet: when [ns], on which interface, of which link type, the bytes kept."""

    t_ns: int
    interface: int
    link_type: int
    data: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    unit_ns: tuple[int, int]  # a fraction
    offset_ns: int


def is_capture(head: bytes) -> bool:
    """Report whether a file begins as a capture does; ``head`` are its first four bytes or more."""
    if len(head) < 4:
        return False
    numbers = {order.unpack(head[:4])[0] for order in _U32.values()}
    return bool(numbers & {_SECTION, *_PCAP})


def frames(path: Path) -> Iterator[Frame]:
    """Yield the packets of a capture; ImportedFileError for what is none, OSError."""
    with path.open("rb") as stream:
        reader = _Reader(str(path), stream)
        head = stream.read(4)
        if len(head) == 4 and _U32["<"].unpack(head)[0] == _SECTION:
            stream.seek(0)
            yield from reader.sections()
            return
        for order in "<>":
            if len(head) == 4 and _U32[order].unpack(head)[0] in _PCAP:
                stream.seek(0)
                yield from reader.records(order)
                return
        raise reader.wrong(0, f"expected a capture (pcapng or pcap), got {head.hex() or 'nothing'}")


class _Reader:
    """Reads one file; ``at`` is how much of it has been read."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self._name = name
        self._stream = stream
        self.at = 0
        self._interfaces: list[_Interface] = []

    def wrong(self, offset: int, reason: str) -> ImportedFileError:
        """Return the error of something at a byte of the file."""
        return ImportedFileError(self._name, f"byte {offset}", reason)

    def _take(self, count: int, what: str) -> bytes:
        """Read that many bytes; there must be as many."""
        data = self._stream.read(count)
        if len(data) < count:
            got = f"the file ends after {len(data)}"
            raise self.wrong(self.at, f"expected {count} bytes of {what}, {got}: it is cut off")
        self.at += count
        return data

    def _first(self, count: int, what: str) -> bytes:
        """Read as `_take`, or nothing at the end of the file."""
        probe = self._stream.read(1)
        if not probe:
            return b""
        self.at += 1
        return probe + self._take(count - 1, what)

    # --- pcap ---

    def records(self, order: str) -> Iterator[Frame]:
        """Yield the packets of a pcap file."""
        head = self._take(_PCAP_HEAD[order].size, "the file's header")
        magic, major, minor, *_, link = _PCAP_HEAD[order].unpack(head)
        if major != 2:
            raise self.wrong(4, f"expected version 2 of pcap, got {major}.{minor}")
        unit_ns, link_type = _PCAP[magic], link & 0xFFFF
        while True:
            start = self.at
            head = self._first(_PCAP_RECORD[order].size, "a packet's header")
            if not head:
                return
            seconds, parts, kept, _ = _PCAP_RECORD[order].unpack(head)
            self._check_length(start + 8, kept)
            if parts * unit_ns >= NS_PER_S:
                raise self.wrong(start + 4, f"expected less than a second, got {parts} units")
            data = self._take(kept, "a packet")
            yield Frame(seconds * NS_PER_S + parts * unit_ns, 0, link_type, data, start)

    def _check_length(self, offset: int, length: int) -> None:
        if length > MOST_BLOCK_BYTES:
            raise self.wrong(offset, f"expected a length up to {MOST_BLOCK_BYTES}, got {length}")

    # --- pcapng ---

    def sections(self) -> Iterator[Frame]:
        """Yield the packets of a pcapng file."""
        order = "<"
        while True:
            start = self.at
            head = self._first(8, "a block's header")
            if not head:
                return
            kind, length = _HEAD[order].unpack(head)
            if kind == _SECTION:
                order, length = self._section(start, head)
                self._interfaces = []
            self._check_length(start + 4, length)
            if length < 12 or length % 4:
                raise self.wrong(start + 4, f"expected a block of 12, 16, … bytes, got {length}")
            body = self._take(length - (self.at - start) - 4, "a block")
            (again,) = _U32[order].unpack(self._take(4, "a block's length"))
            if again != length:
                raise self.wrong(self.at - 4, f"expected the block's length {length}, got {again}")
            if kind == _INTERFACE:
                self._interfaces.append(self._interface(start, order, body))
                if len(self._interfaces) > MOST_INTERFACES:
                    raise self.wrong(start, f"expected up to {MOST_INTERFACES} interfaces")
            elif kind == _PACKET:
                yield self._packet(start, order, body)
            elif kind in (_SIMPLE, _OLD_PACKET):
                what = "has no times" if kind == _SIMPLE else "is obsolete"
                raise self.wrong(start, f"expected Enhanced Packet Blocks, got one that {what}")

    def _section(self, start: int, head: bytes) -> tuple[str, int]:
        """Return the byte order of a section, and the length of the block that opens it."""
        magic = self._take(4, "a byte-order magic")
        for order, number in _U32.items():
            if number.unpack(magic)[0] == _BYTE_ORDER:
                (length,) = number.unpack(head[4:])
                if length < 28:
                    raise self.wrong(start + 4, f"expected a block of 28 bytes, got {length}")
                return order, length
        raise self.wrong(start + 8, f"expected a byte-order magic, got {magic.hex()}")

    def _interface(self, start: int, order: str, body: bytes) -> _Interface:
        head = _INTERFACE_HEAD[order]
        if len(body) < head.size:
            raise self.wrong(start, f"expected an interface in {head.size} bytes, got {len(body)}")
        link_type, _, _ = head.unpack_from(body)
        unit_ns, offset_ns = (1_000, 1), 0
        for code, value in self._options(start, order, body[head.size :]):
            if code == _TSRESOL and len(value) == 1:
                unit_ns = _resolution(value[0])
            elif code == _TSOFFSET and len(value) == 8:
                little = order == "<"
                seconds = int.from_bytes(value, "little" if little else "big", signed=True)
                offset_ns = seconds * NS_PER_S
        return _Interface(link_type, unit_ns, offset_ns)

    def _options(self, start: int, order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield codes and values; what is left over must be less than an option."""
        at, head = 0, _OPTION[order]
        while at + head.size <= len(data):
            code, length = head.unpack_from(data, at)
            at += head.size
            if not code:
                return
            if at + length > len(data):
                raise self.wrong(start, f"expected an option of {length} bytes within its block")
            yield code, data[at : at + length]
            at += -(-length // 4) * 4

    def _packet(self, start: int, order: str, body: bytes) -> Frame:
        head = _PACKET_HEAD[order]
        if len(body) < head.size:
            raise self.wrong(start, f"expected a packet in {head.size} bytes, got {len(body)}")
        number, high, low, kept, _ = head.unpack_from(body)
        if number >= len(self._interfaces):
            known = f"{len(self._interfaces)} described before"
            raise self.wrong(start + 8, f"expected an interface of {known}, got number {number}")
        if head.size + kept > len(body):
            raise self.wrong(start + 20, f"expected {kept} bytes kept within their block")
        one = self._interfaces[number]
        times, over = one.unit_ns
        t_ns = (high << 32 | low) * times // over + one.offset_ns
        if not 0 <= t_ns < MOST_NS:
            raise self.wrong(start + 12, f"expected a time within 292 years of 1970, got {t_ns} ns")
        return Frame(t_ns, number, one.link_type, body[head.size : head.size + kept], start)


def _resolution(value: int) -> tuple[int, int]:
    """Return how many ns a unit of time has, as a fraction: powers of 10, or of 2."""
    over = 1 << (value & 0x7F) if value & 0x80 else 10**value
    return NS_PER_S, over
