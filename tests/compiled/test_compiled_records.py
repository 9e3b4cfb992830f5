"""A dataclass that is written out for the compiler is still what it was, on the same lines."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ccsim import compiled
from ccsim.compiled import records
from ccsim.compiled.write_out import write_out

ROOT = Path(__file__).resolve().parents[2]
SOURCE = '''\
"""A module."""
from dataclasses import dataclass, field

STEP = 3


@dataclass(slots=True)
class Base:
    """What all remember."""

    a: int = 1
    b: int = STEP  # a constant of the module

    # and a comment
    c: bool = False
    log: list[int] = field(default_factory=lambda: [7])


@dataclass(slots=True)
class Derived(Base):
    """What one remembers beside."""

    d: int = 4
    e: tuple[int, int] = (0, 0)
    f: int = 0
    g: int = 0
    h: int = 0
    i: int = 0


@dataclass(frozen=True)
class Params:
    """Not a class that is compiled to a struct."""

    beta: int = 717


def raises():
    raise ValueError("here")
'''
TYPES = """\
cdef class Base:
    cdef public long long a, b
    cdef public bint c
    cdef public list log

cdef class Derived(Base):
    cdef public long long d, f, g, h, i
    cdef public tuple e
"""
STEMS = [
    *(compiled.PACKAGE.joinpath(*name.split(".")[1:]) for name in compiled.MODULES),
    *(path.with_suffix("") for path in compiled.typed_algorithms()),
]


def run(name: str, source: str) -> ModuleType:
    """Execute a source as a module."""
    module = sys.modules[name] = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec", dont_inherit=True), vars(module))
    return module


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    """Return the module as it stands, and as it is compiled."""
    yield run("as_it_stands", SOURCE), run("written_out", write_out(SOURCE, TYPES))
    del sys.modules["as_it_stands"], sys.modules["written_out"]


def test_every_line_keeps_its_number() -> None:
    before, after = SOURCE.splitlines(), write_out(SOURCE, TYPES).splitlines()
    assert len(before) == len(after)
    for line in ("class Derived(Base):", "class Params:", 'raise ValueError("here")', "STEP = 3"):
        assert [i for i, text in enumerate(before) if line in text] == [
            i for i, text in enumerate(after) if line in text
        ]


def test_what_no_type_file_names_stays_as_it_is() -> None:
    assert write_out(SOURCE, "cdef long long STEP\n") == SOURCE
    assert write_out(SOURCE, TYPES).count("@dataclass(slots=True)") == 0
    assert write_out(SOURCE, TYPES).count("@dataclass(frozen=True)") == 1


def test_what_follows_other_fields_is_read_by_a_method_and_set_as_it_is() -> None:
    source = (
        "late = sk.tcp_jiffies32 - sk.lsndtime\nsk.packets_out = 3\nif sk.packets_out == 3: pass\n"
    )
    assert write_out(source, "") == (
        "late = sk._ticks() - sk.lsndtime\nsk.packets_out = 3\nif sk._out() == 3: pass\n"
    )


def test_fields_defaults_repr_and_copies_are_the_dataclass_s(pair: tuple[Any, Any]) -> None:
    for module in pair:
        one = module.Derived(2, d=9)
        text = "Derived(a=2, b=3, c=False, log=[7], d=9, e=(0, 0), f=0, g=0, h=0, i=0)"
        assert repr(one) == text
        names = [field.name for field in dataclasses.fields(one)]
        assert names == ["a", "b", "c", "log", "d", "e", "f", "g", "h", "i"]
        assert dataclasses.asdict(one)["b"] == 3
        assert dataclasses.replace(one, d=5).d == 5
        assert dataclasses.is_dataclass(type(one))
        assert one.log is not module.Derived().log
        other = copy.copy(one)
        assert other == one
        other.e = (1, 2)
        assert other != one
        assert module.Derived.__slots__ == ("d", "e", "f", "g", "h", "i")


def test_only_the_same_class_is_equal(pair: tuple[Any, Any]) -> None:
    for module in pair:
        assert module.Base() == module.Base()
        assert module.Base() != module.Derived()
        assert module.Base() != (1, 3, False, [7])


@pytest.mark.parametrize(
    ("values", "named"), [((), {"nobody": 1}), ((2,), {"a": 1}), ((0,) * 11, {})]
)
def test_what_a_dataclass_refuses_is_refused(
    pair: tuple[Any, Any], values: tuple[int, ...], named: dict[str, int]
) -> None:
    for module in pair:
        with pytest.raises(TypeError):
            module.Derived(*values, **named)


def test_a_user_may_derive_a_dataclass_from_it(pair: tuple[Any, Any]) -> None:
    for module in pair:
        mine: Any = dataclasses.make_dataclass(
            "Mine", [("mine", int, 5)], bases=(module.Derived,), slots=True
        )
        assert mine.__slots__ == ("mine",)  # what is inherited lies in the base
        assert repr(mine(a=8)).endswith("i=0, mine=5)")
        assert mine(a=8).a == 8
        for other in (copy.copy(mine(a=8, mine=6)), copy.deepcopy(mine(a=8, mine=6))):
            assert (other.a, other.log, other.mine) == (8, [7], 6)


def test_a_copy_has_what_a_class_of_python_adds(pair: tuple[Any, Any]) -> None:
    for module in pair:
        loose: Any = type("Loose", (module.Base,), {})  # its instances have a dictionary
        one = loose(a=2)
        one.seen = 5
        assert (copy.copy(one).a, copy.copy(one).seen) == (2, 5)
        assert copy.copy(one).log is one.log
        assert copy.deepcopy(one).log is not one.log


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    c: bool = False\n", "    def c(self): ...\n", "expected a field with a default in"),
        ("    c: bool = False\n", "    c: bool\n", "expected a field with a default in line 15"),
        ("@dataclass(slots=True)\nclass Base", "@dataclass\nclass Base", "expected @dataclass"),
        ("    g: int = 0\n    h: int = 0\n    i: int = 0\n", "", "6 lines of fields or more"),
        ("    d: int = 4\n", "    dd: int = 4\n", "Derived: d in the .pxd file, dd in the .py"),
        ("    cdef public tuple e\n", "", "nothing more in the .pxd file, e in the .py"),
    ],
)
def test_a_class_that_cannot_be_written_out_is_an_error(old: str, new: str, reason: str) -> None:
    assert (SOURCE + TYPES).count(old) == 1
    if old in TYPES:
        with pytest.raises(ValueError, match=reason):
            write_out(SOURCE, TYPES.replace(old, new))
    else:
        with pytest.raises(ValueError, match=reason):
            write_out(SOURCE.replace(old, new), TYPES)


@pytest.mark.parametrize("stem", STEMS, ids=lambda stem: stem.name)
def test_the_project_s_own_files_can_be_written_out(stem: Path) -> None:
    source = stem.with_suffix(".py").read_text(encoding="utf-8")
    written = write_out(source, stem.with_suffix(".pxd").read_text(encoding="utf-8"))
    assert len(written.split("\n")) == len(source.split("\n"))
    compile(written, str(stem), "exec")


def test_a_record_takes_the_defaults_of_its_fields() -> None:
    found = records.fields_of(None, ("a", "int", 1), ("b", "int", 2))
    assert [(field.name, field.default) for field in found.values()] == [("a", 1), ("b", 2)]
    assert records.PARAMS.eq
    assert not records.PARAMS.frozen
