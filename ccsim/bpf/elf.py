"""The ELF file around a BPF object: sections, symbols and relocations, each within its bounds.

pyelftools reads the headers; symbol tables and relocations, of which a hostile file may claim any
number, are cut out of the file here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ccsim.bpf.errors import (
    LIBBPF_ERRNO_ENDIAN,
    LIBBPF_ERRNO_FORMAT,
    OPEN,
    BpfObjectError,
    MalformedError,
)

__all__ = ["ElfFile", "Relocation", "Section", "Symbol", "read_elf"]

EM_BPF = 247
MAX_SECTIONS = 10_000
MAX_BSS = 1 << 30  # bytes, as large as a map may be in Linux here
SHT_PROGBITS, SHT_SYMTAB, SHT_NOBITS, SHT_REL = 1, 2, 8, 9
SHF_EXECINSTR = 4
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION = range(4)
STB_LOCAL, STB_GLOBAL, STB_WEAK = range(3)
STV_INTERNAL, STV_HIDDEN = 1, 2
_SYMBOL = struct.Struct("<IBBHQQ")
_REL = struct.Struct("<QQ")
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TYPES = {
    "SHT_PROGBITS": SHT_PROGBITS,
    "SHT_SYMTAB": SHT_SYMTAB,
    "SHT_STRTAB": 3,
    "SHT_NOBITS": SHT_NOBITS,
    "SHT_REL": SHT_REL,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A section; ``data`` is empty for ``.bss``, which has a ``size`` alone."""

    index: int
    name: str
    type: int
    flags: int
    size: int
    info: int
    link: int
    data: bytes

    @property
    def executable(self) -> bool:
        """Whether it holds code."""
        return bool(self.flags & SHF_EXECINSTR)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol; ``section`` is 0 for one that the file does not define; ``hidden`` is one that is
    not for other files, though it is global."""

    name: str
    value: int
    size: int
    type: int
    bind: int
    section: int
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place in a section, and the number of the symbol whose address belongs there."""

    offset: int
    type: int
    symbol: int


@dataclass(frozen=True)
class ElfFile:
    """Sections by index, symbols by number, relocations by the section that they change."""

    sections: list[Section]
    symbols: list[Symbol]
    relocations: dict[int, list[Relocation]] = field(default_factory=dict)

    def section(self, name: str) -> Section | None:
        """Return the first section of a name."""
        return next((s for s in self.sections if s.name == name), None)


def read_elf(data: bytes) -> ElfFile:
    """Read a relocatable BPF object. Raises BpfObjectError (stage open) for anything else."""
    _check_head(data)
    sections = list(_sections(data))
    tables = [s for s in sections if s.type == SHT_SYMTAB]
    if len(tables) != 1:
        raise MalformedError(f"elf: expected one symbol table, got {len(tables)}")
    symbols = list(_symbols(tables[0], sections))
    relocations: dict[int, list[Relocation]] = {}
    for section in sections:
        if section.type == SHT_REL:
            if section.info >= len(sections):
                raise MalformedError(f"elf: {section.name}: there is no section {section.info}")
            rows = list(_relocations(section, len(symbols)))
            relocations.setdefault(section.info, []).extend(rows)
    return ElfFile(sections, symbols, relocations)


def _refuse(message: str, number: int = LIBBPF_ERRNO_FORMAT) -> BpfObjectError:
    return BpfObjectError(OPEN, number, f"elf: {message}")


def _check_head(data: bytes) -> None:
    if data[:4] != b"\x7fELF" or len(data) < _HEADER.size:
        raise _refuse("not an ELF file")
    if data[4] != 2:
        raise _refuse("expected a 64-bit object")
    if data[5] != 1:
        raise _refuse("expected a little-endian object", LIBBPF_ERRNO_ENDIAN)
    head = _HEADER.unpack_from(data)
    kind, machine, table, width, count = head[1], head[2], head[6], head[11], head[12]
    if (kind, machine) != (1, EM_BPF):
        raise _refuse(
            f"expected a relocatable file for BPF (type 1, machine {EM_BPF}), "
            f"got type {kind}, machine {machine}"
        )
    if not 0 < count < MAX_SECTIONS or width != _SECTION.size:
        raise _refuse(f"expected 1 to {MAX_SECTIONS - 1} sections, got {count}")
    if table + count * width > len(data):
        raise _refuse(f"the table of sections ends behind the file's {len(data)} bytes")


def _sections(data: bytes) -> Iterator[Section]:
    from elftools.elf.elffile import ELFFile

    try:
        file = ELFFile(io.BytesIO(data))
        found = [file.get_section(number) for number in range(file.num_sections())]
        headers = [(section.name, section.header) for section in found]
    except Exception as error:  # pyelftools lets many kinds escape that a damaged file causes
        raise _refuse(f"its headers are damaged ({type(error).__name__}: {error})") from error
    for index, (name, header) in enumerate(headers):
        yield _section(data, index, name, header)


def _section(data: bytes, index: int, name: str, header: Mapping[str, Any]) -> Section:
    kind = header["sh_type"]
    number = _TYPES.get(kind, 0) if isinstance(kind, str) else 0
    start, size = int(header["sh_offset"]), int(header["sh_size"])
    content = b""
    if number == SHT_NOBITS:
        if size > MAX_BSS:
            raise MalformedError(f"elf: {name}: {size} bytes are more than a map may have")
    elif number:
        if start + size > len(data):
            raise _refuse(f"{name}: ends at {start + size} of {len(data)} bytes")
        content = data[start : start + size]
    flags, info, link = (int(header[key]) for key in ("sh_flags", "sh_info", "sh_link"))
    return Section(index, name, number, flags, size, info, link, content)


def _symbols(table: Section, sections: list[Section]) -> Iterator[Symbol]:
    if table.size % _SYMBOL.size or table.link >= len(sections):
        raise _refuse("the symbol table is damaged")
    names = sections[table.link].data
    for name, info, other, section, value, size in _SYMBOL.iter_unpack(table.data):
        text = _name(names, name)
        if info & 0xF == STT_SECTION and 0 < section < len(sections):
            text = text or sections[section].name
        hidden = other & 3 in (STV_INTERNAL, STV_HIDDEN)
        yield Symbol(text, value, size, info & 0xF, info >> 4, section, hidden)


def _name(names: bytes, offset: int) -> str:
    end = names.find(0, offset)
    if offset and (offset >= len(names) or end < 0):
        raise _refuse(f"a symbol's name lies at {offset} of {len(names)} bytes")
    return names[offset:end].decode("utf-8", "replace") if offset else ""


def _relocations(section: Section, symbols: int) -> Iterator[Relocation]:
    if section.size % _REL.size:
        raise _refuse(f"{section.name}: expected rows of {_REL.size} bytes")
    for offset, info in _REL.iter_unpack(section.data):
        number = info >> 32
        if number >= symbols:
            raise _refuse(f"{section.name}: there is no symbol {number}")
        yield Relocation(offset, info & 0xFFFFFFFF, number)
