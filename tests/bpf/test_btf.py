"""BTF, read from bytes that are put together by hand after Documentation/bpf/btf.rst."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, parse_btf
from ccsim.bpf.errors import MalformedError

STRINGS = b"\0int\0pair\0a\0b\0"  # int at 1, pair at 5, a at 10, b at 12


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *(value & 0xFFFFFFFF for value in values))


def section(types: bytes, strings: bytes = STRINGS, **changes: int) -> bytes:
    head = {"magic": 0xEB9F, "version": 1, "header": 24, "size": len(types)} | changes
    return (
        struct.pack("<HBB", head["magic"], head["version"], 0)
        + words(head["header"], 0, head["size"], len(types), len(strings))
        + types
        + strings
    )


INT = words(1, kinds.INT << 24, 4, 1 << 24 | 32)
PAIR = words(5, 1 << 31 | kinds.STRUCT << 24 | 2, 8, 10, 1, 0, 12, 1, 5 << 24 | 32)


def test_a_struct_with_a_bit_field_is_read() -> None:
    btf = parse_btf(section(INT + PAIR))
    assert btf[1].signed
    assert btf[2].members == (Member("a", 1, 0), Member("b", 1, 32, 5))
    assert (btf.find("pair", kinds.STRUCT), btf.find("pair", kinds.UNION)) == (2, 0)


def test_sizes_multiply_through_arrays_and_pass_typedefs() -> None:
    array = words(0, kinds.ARRAY << 24, 0, 1, 1, 6)
    name = words(5, kinds.TYPEDEF << 24, 2)
    btf = parse_btf(section(INT + array + name + words(0, kinds.PTR << 24, 3)))
    assert [btf.size_of(n) for n in (1, 2, 3, 4)] == [4, 24, 24, 8]


def test_enumerations_of_64_bits_join_their_halves() -> None:
    wide = words(5, 1 << 31 | kinds.ENUM64 << 24 | 1, 8, 10, -2, -1)
    assert parse_btf(section(wide))[1].values == (("a", -2),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a header of 24 bytes"),
        (section(INT, magic=0x9FEB), "expected magic 0xeb9f"),
        (section(INT, size=400), "end at"),
        (section(INT, strings=b"int\0"), "begin and end with NUL"),
        (section(INT[:-4]), "end in the middle"),
        (section(words(1, 31 << 24, 0)), "no kind 31"),
        (section(words(99, kinds.INT << 24, 4, 32)), "string offset 99"),
        (section(words(1, kinds.INT << 24, 4, 64)), "64 bits in 4 bytes"),
        (section(words(5, kinds.STRUCT << 24 | 0xFFFF, 8)), "beyond the types' end"),
        (section(INT + words(5, kinds.STRUCT << 24 | 1, 4, 10, 1, 64)), "beyond its end"),
        (section(words(0, kinds.PTR << 24, 7)), "does not exist"),
    ],
)
def test_damaged_sections_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_btf(data)


def test_types_in_a_circle_have_no_size() -> None:
    btf = parse_btf(section(words(5, kinds.TYPEDEF << 24, 1)))
    with pytest.raises(MalformedError, match="in a circle"):
        btf.size_of(1)
    holder = parse_btf(section(words(5, kinds.STRUCT << 24 | 1, 4, 10, 1, 0)))
    with pytest.raises(MalformedError, match="holds itself"):
        holder.align_of(1)
    with pytest.raises(MalformedError, match="no size"):
        parse_btf(section(INT)).size_of(0)


@given(st.binary(max_size=64), st.binary(max_size=120))
def test_whatever_the_bytes_a_section_is_read_or_refused(head: bytes, types: bytes) -> None:
    for data in (head, section(types), section(INT + types)):
        try:
            btf = parse_btf(data)
        except MalformedError:
            continue
        assert isinstance(btf, Btf)
