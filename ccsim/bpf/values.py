"""Variables of an object as Python values, read and written by their type in BTF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import MAX_DEPTH, Btf, Type

__all__ = ["decode_value", "encode_value"]


def decode_value(btf: Btf, type: int, data: bytes, depth: int = 0) -> Any:
    """Return a variable's value: numbers, booleans, text for arrays of ``char``, lists, and dicts
    for structs.
    """
    it = btf.plain(type)
    if depth > MAX_DEPTH:
        return data.hex()
    if it.kind == kinds.STRUCT or it.kind == kinds.UNION:
        return {m.name or f"_{m.bit_offset}": _member(btf, m, data, depth) for m in it.members}
    if it.kind == kinds.ARRAY:
        element = btf.plain(it.type)
        if _is_char(element):
            return data.split(b"\0")[0].decode("utf-8", "replace")
        size = btf.size_of(it.type)
        if not size:
            return []
        parts = (data[at : at + size] for at in range(0, it.count * size, size))
        return [decode_value(btf, it.type, part, depth + 1) for part in parts]
    number = int.from_bytes(data, "little", signed=it.signed)
    return bool(number) if it.encoding & kinds.BOOL else number


def _member(btf: Btf, member: kinds.Member, data: bytes, depth: int) -> Any:
    if not member.bits:
        at = member.bit_offset // 8
        return decode_value(btf, member.type, data[at : at + btf.size_of(member.type)], depth + 1)
    number = int.from_bytes(data, "little") >> member.bit_offset & (1 << member.bits) - 1
    if btf.plain(member.type).signed and number >> member.bits - 1:
        number -= 1 << member.bits
    return number


def _is_char(it: Type) -> bool:
    return it.kind == kinds.INT and it.size == 1 and it.name == "char"


def encode_value(btf: Btf, type: int, value: Any, name: str) -> bytes:
    """Return the bytes of a value for a variable.

    Numbers and booleans suit integers and enumerations (which take their enumerators' names too),
    text arrays of ``char``, lists arrays, mappings structs. Raises ValueError that says what was
    expected.
    """
    it = btf.plain(type)
    size = btf.size_of(type)
    if it.kind == kinds.ARRAY and isinstance(value, list | tuple):
        if len(value) > it.count:
            raise ValueError(f"{name}: expected at most {it.count} values, got {len(value)}")
        parts = [encode_value(btf, it.type, v, f"{name}[{n}]") for n, v in enumerate(value)]
        return b"".join(parts).ljust(size, b"\0")
    if it.kind == kinds.ARRAY and isinstance(value, str) and btf.size_of(it.type) == 1:
        text = value.encode()
        if len(text) >= size:
            raise ValueError(f"{name}: expected at most {size - 1} bytes, got {len(text)}")
        return text.ljust(size, b"\0")
    if it.kind == kinds.STRUCT and isinstance(value, Mapping):
        return _struct(btf, it, value, name)
    if it.kind in kinds.ENUMS and isinstance(value, str):
        value = dict(it.values).get(value, value)
    if it.kind == kinds.INT or it.kind in kinds.ENUMS:
        return _integer(it, value, name)
    raise ValueError(f"{name}: expected {_wanted(btf, it)}, got {value!r}")


def _struct(btf: Btf, it: Type, value: Mapping[str, Any], name: str) -> bytes:
    """Return a struct's bytes; members that are not named are 0."""
    members = {member.name: member for member in it.members if not member.bits}
    data = bytearray(it.size)
    for key, item in value.items():
        member = members.get(key)
        if member is None:
            known = ", ".join(members)
            raise ValueError(f"{name}: there is no member {key!r}; it has {known}")
        content = encode_value(btf, member.type, item, f"{name}.{key}")
        at = member.bit_offset // 8
        data[at : at + len(content)] = content
    return bytes(data)


def _integer(it: Type, value: Any, name: str) -> bytes:
    bits = 8 * it.size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if it.signed else (0, (1 << bits) - 1)
    if it.encoding & kinds.BOOL:
        low, high = 0, 1
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, got {value!r}")
    return int(value).to_bytes(it.size, "little", signed=it.signed)


def _wanted(btf: Btf, it: Type) -> str:
    if it.kind == kinds.ARRAY:
        text = btf.size_of(it.type) == 1
        return f"text or a list of at most {it.count}" if text else f"a list of {it.count} values"
    if it.kind == kinds.STRUCT:
        return f"members of struct {it.name} by name"
    return f"nothing, for a {kinds.KIND_NAMES[it.kind]} cannot be set"
