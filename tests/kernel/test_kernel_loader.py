"""Algorithm files: what loading returns, and how each kind of wrong file is reported."""

from __future__ import annotations

import errno
import sys

import pytest

from ccsim.kernel import TCP_RENO, Map, ObjectFileError, load_tables
from ccsim.kernel.libbpf import TableError
from ccsim.kernel.loader import declared_at

GOOD = """from dataclasses import dataclass
from typing import NamedTuple, get_type_hints
from ccsim.kernel import TCP_RENO
from dataclasses import replace

@dataclass(slots=True)
class State:
    n: "int" = 3

get_type_hints(State)
mine = replace(TCP_RENO, name="mine", private=State)
_helper = replace(TCP_RENO, name="helper")
"""


def test_a_file_yields_its_tables_by_variable_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "algorithms.py"
    path.write_text(GOOD)
    tables = load_tables(path)
    assert {key: ops.name for key, ops in tables.items()} == {"mine": "mine"}
    private = tables["mine"].private
    assert private is not None
    assert private().n == 3
    assert "algorithms" not in sys.modules
    assert [p.name for p in tmp_path.iterdir()] == ["algorithms.py"]


def test_each_load_executes_the_file_anew(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(GOOD)
    first, second = load_tables(str(path)), load_tables(path)
    assert first["mine"] is not second["mine"]
    assert first["mine"].private is not second["mine"].private


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        (b"x = 1\n", ":1:", "expected at least one module-level TcpCongestionOps, got none"),
        (b"\n\ndef f(:\n", ":3:", "syntax error"),
        (b"x = 1\n\0", ":", "null bytes"),
        (b"import no_such_module_at_all\n", ":1:", "ModuleNotFoundError"),
        (b"x = 1\ny = x / 0\n", ":2:", "ZeroDivisionError: division by zero"),
        (b"def f():\n    raise KeyError('k')\n\nf()\n", ":2:", "KeyError: 'k'"),
        (b"import sys\nsys.exit(3)\n", ":2:", "SystemExit: 3"),
        (b"# coding: klingon\n", ":", "unknown encoding"),
        (b"a = '\xff'\n", ":", "utf-8"),
    ],
)
def test_a_file_that_cannot_be_an_object_is_an_error_with_file_and_line(
    tmp_path, source, place, words
):
    path = tmp_path / "bad.py"
    path.write_bytes(source)
    before = set(sys.modules)
    with pytest.raises(ObjectFileError) as caught:
        load_tables(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert words in str(caught.value)
    assert {name for name in set(sys.modules) - before if "ccsim" in name} == set()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent.py", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_and_says_why(tmp_path, name, why):
    with pytest.raises(ObjectFileError) as caught:
        load_tables(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read: {why}"


def test_an_error_raised_elsewhere_shows_the_line_that_called(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import json\n\njson.loads('{')\n")
    with pytest.raises(ObjectFileError, match=r"bad\.py:3: executing the file raised JSON"):
        load_tables(path)


def test_a_table_whose_file_has_gone_since_is_placed_by_the_file_alone(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    table = load_tables(path)["mine"]
    assert declared_at(table) == f"{path}:11"
    path.unlink()
    assert declared_at(table) == str(path)


def test_a_refusal_that_has_its_place_keeps_it(tmp_path):
    outer = Map("outer", TCP_RENO)
    with pytest.raises(TableError) as raised, outer.placed():
        raise TableError(errno.EINVAL, "refused", "inner.py:3")
    assert raised.value.place == "inner.py:3"
