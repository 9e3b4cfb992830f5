"""BPF Type Format: the types of an object or of the kernel (Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ccsim.bpf.errors import MalformedError

__all__ = ["Btf", "Member", "Reader", "Type", "check_references", "parse_btf", "sections"]

(
    VOID,
    INT,
    PTR,
    ARRAY,
    STRUCT,
    UNION,
    ENUM,
    FWD,
    TYPEDEF,
    VOLATILE,
    CONST,
    RESTRICT,
    FUNC,
    FUNC_PROTO,
    VAR,
    DATASEC,
    FLOAT,
    DECL_TAG,
    TYPE_TAG,
    ENUM64,
) = range(20)
KIND_NAMES = (
    *("void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile"),
    *("const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag"),
    *("type_tag", "enum64"),
)

MODIFIERS = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})
COMPOSITES = frozenset({STRUCT, UNION})
ENUMS = frozenset({ENUM, ENUM64})
SIZED = frozenset({INT, STRUCT, UNION, ENUM, DATASEC, FLOAT, ENUM64})  # not a type id
_REFERRING = frozenset({PTR, FUNC, VAR, DECL_TAG, FUNC_PROTO}) | MODIFIERS

SIGNED, CHAR, BOOL = 1, 2, 4  # encodings of INT
POINTER_BYTES = 8
MAX_DEPTH = 32  # of typedefs and arrays in each other, as libbpf has it
MAX_TYPES = 1_000_000
_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_WORD = struct.Struct("<I")
_PAIR = struct.Struct("<II")
_TRIPLE = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union; ``bits`` is the width of a bit-field, 0 for others."""

    name: str
    type: int
    bit_offset: int
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Type:
    """One type. What its kind has no use for is empty.

    size: bytes; type: what it refers to (pointed to, element, returned); count: elements of an
    array, linkage of functions and variables; encoding: of an INT; values: of an enumeration;
    params: (name, type) of a function's prototype; variables: (type, offset, size) of a DATASEC.
    """

    kind: int
    name: str = ""
    size: int = 0
    type: int = 0
    count: int = 0
    encoding: int = 0
    signed: bool = False
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    params: tuple[tuple[str, int], ...] = ()
    variables: tuple[tuple[int, int, int], ...] = ()


class Btf:
    """Types by number; number 0 is void."""

    def __init__(self, types: Sequence[Type], strings: bytes = b"\0") -> None:
        self.types = types
        self.strings = strings
        self._names: dict[str, list[int]] | None = None

    def __getitem__(self, number: int) -> Type:
        """Raises MalformedError for a number that no type has."""
        if not 0 <= number < len(self.types):
            raise MalformedError(f"BTF: there is no type {number}, only {len(self.types) - 1}")
        return self.types[number]

    def string(self, offset: int) -> str:
        """Return the text at an offset of the string section."""
        return _string(self.strings, offset)

    def named(self, name: str, kinds: Iterable[int] = ()) -> list[int]:
        """Return the numbers of the types of a name, of some kinds or of all."""
        if self._names is None:
            self._names = {}
            for number, it in enumerate(self.types):
                if it.name:
                    self._names.setdefault(it.name, []).append(number)
        found = self._names.get(name, [])
        return [n for n in found if self.types[n].kind in kinds] if kinds else list(found)

    def find(self, name: str, *kinds: int) -> int:
        """Return the number of the first type of a name and one of the kinds; 0 for none."""
        return next(iter(self.named(name, kinds)), 0)

    def resolve(self, number: int) -> int:
        """Return the number of a type without typedefs and qualifiers around it."""
        for _ in range(MAX_DEPTH):
            if self[number].kind not in MODIFIERS:
                return number
            number = self.types[number].type
        raise MalformedError(f"BTF: type {number}: qualifiers and typedefs in a circle")

    def plain(self, number: int) -> Type:
        """Return the type without typedefs and qualifiers around it."""
        return self.types[self.resolve(number)]

    def size_of(self, number: int) -> int:
        """Return a type's size in bytes; MalformedError for one that has none."""
        count = 1
        for _ in range(MAX_DEPTH):
            it = self.plain(number)
            if it.kind == ARRAY:
                count *= it.count
                number = it.type
                continue
            if it.kind == PTR:
                return count * POINTER_BYTES
            if it.kind in SIZED:
                return count * it.size
            if it.kind == VAR:
                number = it.type
                continue
            break
        raise MalformedError(f"BTF: type {number} ({self.describe(number)}) has no size")

    def align_of(self, number: int) -> int:
        """Return a type's natural alignment in bytes."""
        it = self.plain(number)
        for _ in range(MAX_DEPTH):
            if it.kind != ARRAY:
                break
            it = self.plain(it.type)
        if it.kind in COMPOSITES:
            return self._align_of_members(it)
        return POINTER_BYTES if it.kind == PTR else max(min(it.size, 8), 1)

    def _align_of_members(self, it: Type, depth: int = 0) -> int:
        if depth > MAX_DEPTH:
            raise MalformedError(f"BTF: struct {it.name} holds itself")
        largest = 1
        for member in it.members:
            inner = self.plain(member.type)
            if inner.kind in COMPOSITES:
                largest = max(largest, self._align_of_members(inner, depth + 1))
            else:
                largest = max(largest, self.align_of(member.type))
        return largest

    def describe(self, number: int) -> str:
        """Return how an error names a type: ``struct tcp_sock``."""
        it = self[number]
        return f"{KIND_NAMES[it.kind]} {it.name or '(anon)'}"


def parse_btf(data: bytes) -> Btf:
    """Read a section ``.BTF``. Raises MalformedError for whatever is not within its bounds."""
    types, strings = sections(data)
    reader = Reader(types, strings)
    found = [Type(VOID)]
    while reader.at < len(types):
        if len(found) > MAX_TYPES:
            raise MalformedError(f"BTF: more than {MAX_TYPES} types")
        found.append(reader.type())
    for number, it in enumerate(found):
        check_references(it, number, len(found))
    return Btf(found, strings)


def sections(data: bytes) -> tuple[bytes, bytes]:
    """Return the sections of types and of strings."""
    if len(data) < _HEADER.size:
        raise MalformedError(f"BTF: expected a header of {_HEADER.size} bytes, got {len(data)}")
    magic, version, _, header, type_at, type_size, string_at, string_size = _HEADER.unpack_from(
        data
    )
    if magic != _MAGIC or version != 1:
        raise MalformedError(
            f"BTF: expected magic {_MAGIC:#x} and version 1 in little-endian order, "
            f"got {magic:#x} and {version}"
        )
    end = max(type_at + type_size, string_at + string_size)
    if header < _HEADER.size or header + end > len(data):
        raise MalformedError(f"BTF: its sections end at {header + end} of {len(data)} bytes")
    strings = data[header + string_at : header + string_at + string_size]
    if not strings or strings[0] or strings[-1]:
        raise MalformedError("BTF: expected strings that begin and end with NUL")
    return data[header + type_at : header + type_at + type_size], strings


def _string(strings: bytes, offset: int) -> str:
    if not offset:
        return ""
    if offset >= len(strings):
        raise MalformedError(f"BTF: string offset {offset} of {len(strings)} bytes")
    return strings[offset : strings.index(0, offset)].decode("utf-8", "replace")


class Reader:
    """Reads one type after the other."""

    def __init__(self, data: bytes, strings: bytes) -> None:
        self.data = data
        self.at = 0
        self._strings = strings
        self._known: dict[int, str] = {0: ""}

    def type(self) -> Type:
        """Read the next type. MalformedError if it is none."""
        name, info, size_or_type = self._take(_TYPE)
        kind, count, flag = info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31)
        if not 0 < kind < len(KIND_NAMES):
            raise MalformedError(f"BTF: there is no kind {kind}")
        return _PARSERS[kind](self, self.text(name), kind, count, flag, size_or_type)

    def text(self, offset: int) -> str:
        """Return the string at an offset of the string table."""
        found = self._known.get(offset)
        if found is None:
            found = self._known[offset] = _string(self._strings, offset)
        return found

    def _take(self, format: struct.Struct) -> tuple[int, ...]:
        if self.at + format.size > len(self.data):
            raise MalformedError(f"BTF: types end in the middle of one, at {self.at}")
        found = format.unpack_from(self.data, self.at)
        self.at += format.size
        return found

    def _rows(self, format: struct.Struct, count: int) -> list[tuple[int, ...]]:
        end = self.at + count * format.size
        if end > len(self.data):
            raise MalformedError(f"BTF: {count} rows at {self.at} lie beyond the types' end")
        found = list(format.iter_unpack(self.data[self.at : end]))
        self.at = end
        return found

    def plain(self, name: str, kind: int, count: int, flag: bool, other: int) -> Type:
        """Make a type that is its header alone: it has a size, or refers to another type."""
        if kind in SIZED:
            return Type(kind, name, size=other)
        return Type(kind, name, type=other, count=count, signed=flag)

    def integer(self, name: str, kind: int, count: int, flag: bool, size: int) -> Type:
        """Read the rest of an integer."""
        (word,) = self._take(_WORD)
        encoding, bits = word >> 24 & 0xF, word & 0xFF
        if not 0 < size <= 16 or bits > 8 * size:
            raise MalformedError(f"BTF: int {name}: {bits} bits in {size} bytes")
        return Type(INT, name, size=size, encoding=encoding, signed=bool(encoding & SIGNED))

    def array(self, name: str, kind: int, count: int, flag: bool, size: int) -> Type:
        """Read the rest of an array."""
        element, _, elements = self._take(_TRIPLE)
        return Type(ARRAY, name, type=element, count=elements)

    def composite(self, name: str, kind: int, count: int, flag: bool, size: int) -> Type:
        """Read the members of a struct or union."""
        members = tuple(
            Member(self.text(n), t, o & 0xFFFFFF if flag else o, o >> 24 if flag else 0)
            for n, t, o in self._rows(_TRIPLE, count)
        )
        if any(m.bit_offset + m.bits > 8 * size for m in members):
            raise MalformedError(f"BTF: {KIND_NAMES[kind]} {name}: a member lies beyond its end")
        return Type(kind, name, size=size, members=members)

    def enumeration(self, name: str, kind: int, count: int, flag: bool, size: int) -> Type:
        """Read the values of an enumeration."""
        if kind == ENUM64:
            rows = [(n, low | high << 32) for n, low, high in self._rows(_TRIPLE, count)]
        else:
            rows = [(n, v) for n, v in self._rows(_PAIR, count)]
        bits = 64 if kind == ENUM64 else 32
        values = tuple((self.text(n), v - (v >> bits - 1 << bits) if flag else v) for n, v in rows)
        return Type(kind, name, size=size, signed=flag, values=values)

    def prototype(self, name: str, kind: int, count: int, flag: bool, returned: int) -> Type:
        """Read the parameters of a function prototype."""
        params = tuple((self.text(n), t) for n, t in self._rows(_PAIR, count))
        return Type(FUNC_PROTO, name, type=returned, params=params)

    def variable(self, name: str, kind: int, count: int, flag: bool, type: int) -> Type:
        """Read the linkage of a variable."""
        (linkage,) = self._take(_WORD)
        return Type(kind, name, type=type, count=linkage)

    def section(self, name: str, kind: int, count: int, flag: bool, size: int) -> Type:
        """Read the variables of a data section."""
        rows = tuple((t, o, s) for t, o, s in self._rows(_TRIPLE, count))
        return Type(DATASEC, name, size=size, variables=rows)


_Parser = Callable[[Reader, str, int, int, bool, int], Type]
_PARSERS: dict[int, _Parser] = dict.fromkeys(range(1, len(KIND_NAMES)), Reader.plain)
_PARSERS |= {
    INT: Reader.integer,
    ARRAY: Reader.array,
    STRUCT: Reader.composite,
    UNION: Reader.composite,
    ENUM: Reader.enumeration,
    ENUM64: Reader.enumeration,
    FUNC_PROTO: Reader.prototype,
    VAR: Reader.variable,
    DATASEC: Reader.section,
    DECL_TAG: Reader.variable,
}


def check_references(it: Type, number: int, count: int) -> None:
    """MalformedError for a reference to a type that is none of ``count``."""
    used = [it.type, *(m.type for m in it.members), *(t for _, t in it.params)]
    used += [t for t, _, _ in it.variables]
    if any(n >= count for n in used):
        raise MalformedError(f"BTF: type {number} refers to a type that does not exist")
