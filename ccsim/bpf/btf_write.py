"""Types as a section ``.BTF``, and as the kernel takes those of an object
(Documentation/bpf/btf.rst, and what libbpf changes in ``bpf_object__sanitize_btf``)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Type
from ccsim.bpf.mapspec import MapSpec

__all__ = ["STATIC", "for_kernel", "write_btf"]

STATIC, GLOBAL, EXTERN = range(3)
"""Linkage of functions and variables."""
_MAGIC, _VERSION, _HEADER_BYTES = 0xEB9F, 1, 24
_FILLER = Type(kinds.INT, "int", size=4, encoding=kinds.SIGNED, signed=True)
"""In the place of a type of which the kernel must not hear; numbers of others stay."""


def for_kernel(btf: Btf, maps: Sequence[MapSpec], hidden: Collection[str] = ()) -> list[Type]:
    """Return an object's types as the kernel takes them: sections with the places of their
    variables, which clang leaves at 0; nothing external; ``hidden`` functions static."""
    sections = {spec.name: spec for spec in maps if spec.variables}
    types = [_for_kernel(btf, it, sections, hidden) for it in btf.types]
    kept = [it is not _FILLER for it in types]
    return [
        it if it.kind != kinds.DECL_TAG or kept[it.type] else _FILLER  # a tag of what is gone
        for it in types
    ]


def _for_kernel(
    btf: Btf, it: Type, sections: Mapping[str, MapSpec], hidden: Collection[str]
) -> Type:
    if it.kind in (kinds.FUNC, kinds.VAR) and it.count == EXTERN:
        return _FILLER
    if it.kind == kinds.FUNC and it.name in hidden:
        return replace(it, count=STATIC)
    if it.kind != kinds.DATASEC:
        return it
    spec = sections.get(it.name)
    if spec is None or it.name == ".kconfig":
        return _FILLER
    rows = [
        (variable, spec.variables[btf[variable].name].offset, size)
        for variable, _, size in it.variables
    ]
    return replace(it, size=spec.value_size, variables=tuple(sorted(rows, key=lambda row: row[1])))


def write_btf(types: Sequence[Type]) -> bytes:
    """Return a section ``.BTF`` of types by number, the first of which is void."""
    strings = _Strings()
    index = next((number for number, it in enumerate(types) if it.kind == kinds.INT), 0)
    body = b"".join(b"".join(_words(it, strings, index)) for it in types[1:])
    sizes = (_HEADER_BYTES, 0, len(body), len(body), len(strings.data))
    return struct.pack("<HBBIIIII", _MAGIC, _VERSION, 0, *sizes) + body + bytes(strings.data)


class _Strings:
    """Strings, each once."""

    def __init__(self) -> None:
        self.data = bytearray(1)
        self._places = {"": 0}

    def __call__(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._places[text]


def _words(it: Type, text: _Strings, index: int) -> Iterator[bytes]:
    """Yield the parts of one type; ``index`` is the number of an integer, which indexes arrays."""
    rows = len(it.members) or len(it.values) or len(it.params) or len(it.variables)
    flag = it.signed if it.kind != kinds.INT else False
    flag |= any(member.bits for member in it.members)
    count = it.count if it.kind == kinds.FUNC else rows
    other = it.size if it.kind in kinds.SIZED else it.type
    if it.kind == kinds.ARRAY:
        other = 0
    yield struct.pack("<III", text(it.name), flag << 31 | it.kind << 24 | count, other)
    if it.kind == kinds.INT:
        yield struct.pack("<I", it.encoding << 24 | 8 * it.size)
    elif it.kind == kinds.ARRAY:
        yield struct.pack("<III", it.type, index, it.count)
    elif it.kind in (kinds.VAR, kinds.DECL_TAG):
        yield struct.pack("<I", it.count)
    for member in it.members:
        place = member.bits << 24 | member.bit_offset if flag else member.bit_offset
        yield struct.pack("<III", text(member.name), member.type, place)
    for name, value in it.values:
        bits = value & (1 << 64) - 1
        yield struct.pack("<II", text(name), bits & 0xFFFFFFFF)
        if it.kind == kinds.ENUM64:
            yield struct.pack("<I", bits >> 32)
    for name, kind in it.params:
        yield struct.pack("<II", text(name), kind)
    for row in it.variables:
        yield struct.pack("<III", *row)
