"""Section ``.BTF.ext``: source lines and CO-RE relocations of a program (btf.rst)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ccsim.bpf.btf import Btf
from ccsim.bpf.errors import MalformedError

__all__ = ["BtfExt", "CoreRelocation", "SourceLine", "parse_btf_ext"]

_HEADER = struct.Struct("<HBBI")
_PART = struct.Struct("<II")
_WORD = struct.Struct("<I")
_ROW = struct.Struct("<IIII")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """The line of C from which an instruction comes."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        name = self.file.rsplit("/", 1)[-1]
        return f"{self.text.strip()} @ {name}:{self.line}"


@dataclass(frozen=True, slots=True)
class CoreRelocation:
    """One relocation: a type of the object's BTF, a path into it (``0:1:2``) and what is asked."""

    offset: int  # of the instruction in its section [bytes]
    type: int
    path: str
    kind: int


@dataclass(frozen=True)
class BtfExt:
    """By section's name: lines by offset of the instruction in bytes, and relocations in order."""

    lines: dict[str, dict[int, SourceLine]] = field(default_factory=dict)
    relocations: dict[str, list[CoreRelocation]] = field(default_factory=dict)


def parse_btf_ext(data: bytes, btf: Btf) -> BtfExt:
    """Read a section ``.BTF.ext``. Raises MalformedError for whatever is not within its bounds."""
    if len(data) < _HEADER.size:
        raise MalformedError(f"BTF.ext: expected a header of 24 bytes, got {len(data)}")
    magic, version, _, header = _HEADER.unpack_from(data)
    if magic != 0xEB9F or version != 1 or not 24 <= header <= len(data):
        raise MalformedError("BTF.ext: expected magic 0xeb9f, version 1 and a header that fits")
    found = BtfExt()
    for section, row in _rows(data, header, 1, btf):
        offset, file, text, place = row
        line = SourceLine(btf.string(file), place >> 10, btf.string(text))
        found.lines.setdefault(section, {})[offset] = line
    if header >= 32:
        for section, row in _rows(data, header, 2, btf):
            offset, type, path, kind = row
            relocation = CoreRelocation(offset, type, btf.string(path), kind)
            found.relocations.setdefault(section, []).append(relocation)
    return found


def _rows(data: bytes, header: int, part: int, btf: Btf) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (section, row) of one part: 1 lines, 2 relocations; their rows begin with four
    words.
    """
    start, size = _PART.unpack_from(data, 8 + 8 * part)
    at, end = header + start, header + start + size
    if end > len(data):
        raise MalformedError(f"BTF.ext: part {part} ends at {end} of {len(data)} bytes")
    if not size:
        return
    width = _word(data, at, end)
    at += 4
    if width < _ROW.size or width % 4:
        raise MalformedError(f"BTF.ext: part {part}: rows of {width} bytes")
    while at < end:
        name, count = _word(data, at, end), _word(data, at + 4, end)
        at += 8
        if at + count * width > end:
            raise MalformedError(f"BTF.ext: part {part}: {count} rows lie beyond its end")
        section = btf.string(name)
        for row in range(at, at + count * width, width):
            yield section, _ROW.unpack_from(data, row)
        at += count * width


def _word(data: bytes, at: int, end: int) -> int:
    if at + 4 > end:
        raise MalformedError(f"BTF.ext: ends in the middle of a row, at {at}")
    return int(_WORD.unpack_from(data, at)[0])
