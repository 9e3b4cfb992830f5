"""A kernel's types read as they are asked for: the same as all of them read at once."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.bpf import btf as kinds
from ccsim.bpf.btf import Btf, Member, Type, parse_btf
from ccsim.bpf.btf_index import IndexedBtf
from ccsim.bpf.btf_write import for_kernel, write_btf
from ccsim.bpf.errors import MalformedError
from ccsim.bpf.kernel_btf import kernel_btf
from ccsim.bpf.object import open_object

OBJECTS = sorted((Path(__file__).parent / "data" / "objects").glob("*.bpf.o"))
INT = struct.pack("<IIII", 1, kinds.INT << 24, 4, 32)


def section(types: bytes, strings: bytes = b"\0int\0") -> bytes:
    """Return a section .BTF by the layout of Documentation/bpf/btf.rst."""
    sizes = (24, 0, len(types), len(types), len(strings))
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, *sizes) + types + strings


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_every_type_and_name_is_the_same_as_read_at_once(path: Path) -> None:
    btf = open_object(path).btf
    data = write_btf(btf.types)
    indexed = IndexedBtf(data)
    assert list(indexed.types) == btf.types == parse_btf(data).types
    for name in {it.name for it in btf.types} | {"no_such_name", ""}:
        assert indexed.named(name) == btf.named(name)
    assert indexed.find("tcp_sock", kinds.STRUCT) == btf.find("tcp_sock", kinds.STRUCT)


def test_the_kernel_that_is_emulated_survives_being_written() -> None:
    types = kernel_btf(4).types
    assert IndexedBtf(write_btf(types)).types[:] == types


def test_a_name_that_ends_another_one_is_found_where_it_lies() -> None:
    """Linkers may let ``int`` lie within ``uint``: its offset is 2, and there is no other."""
    word = struct.pack("<IIII", 2, kinds.INT << 24, 4, 32)
    found = IndexedBtf(section(word, b"\0uint\0"))
    assert found.named("int") == [1]
    assert found.named("uint") == []


@pytest.mark.parametrize(
    ("types", "words"),
    [
        (INT[:8], "in the middle of one"),
        (INT + struct.pack("<III", 0, kinds.STRUCT << 24 | 2, 8) + bytes(12), "middle of one"),
        (struct.pack("<III", 1, 30 << 24, 4), "no kind 30"),
    ],
)
def test_types_that_do_not_fill_their_section_are_refused(types: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        IndexedBtf(section(types))


def test_a_reference_to_no_type_is_refused_when_it_is_read() -> None:
    pointer = struct.pack("<III", 0, kinds.PTR << 24, 9)
    found = IndexedBtf(section(INT + pointer))
    assert found[1].name == "int"
    with pytest.raises(MalformedError, match="type 2 refers to a type that does not exist"):
        found[2]
    with pytest.raises(MalformedError, match="there is no type 3"):
        found[3]


@given(st.binary(max_size=80))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        list(IndexedBtf(section(data)).types)


def test_the_kernel_is_told_where_variables_lie_and_nothing_external() -> None:
    """aimd.bpf.o: clang leaves sections at size 0 and calls the kernel's functions external."""
    opened = open_object(next(path for path in OBJECTS if path.name == "aimd.bpf.o"))
    types = for_kernel(opened.btf, opened.maps)
    told = Btf(types)
    bss = next(spec for spec in opened.maps if spec.name == ".bss")
    rows = told[told.find(".bss", kinds.DATASEC)]
    assert rows.size == bss.value_size
    assert sorted(offset for _, offset, _ in rows.variables) == sorted(
        variable.offset for variable in bss.variables.values()
    )
    assert not told.named(".ksyms")
    assert all(it.count < 2 for it in types if it.kind in (kinds.FUNC, kinds.VAR))
    assert len(types) == len(opened.btf.types)


def test_hidden_functions_are_static_and_a_tag_goes_with_what_it_marks() -> None:
    proto = Type(kinds.FUNC_PROTO)
    types = [
        Type(kinds.VOID),
        proto,
        Type(kinds.FUNC, "inner", type=1, count=1),
        Type(kinds.FUNC, "outer", type=1, count=1),
        Type(kinds.FUNC, "extern", type=1, count=2),
        Type(kinds.DECL_TAG, "bpf_kfunc", type=4, count=0xFFFFFFFF),
        Type(kinds.STRUCT, "s", size=4, members=(Member("b", 7, 3, 2),)),
        Type(kinds.INT, "int", size=4),
    ]
    told = for_kernel(Btf(types), (), {"inner"})
    assert [it.count for it in told[2:4]] == [0, 1]
    assert [it.kind for it in told[4:6]] == [kinds.INT, kinds.INT]
    assert parse_btf(write_btf(told)).types[6].members == (Member("b", 7, 3, 2),)
