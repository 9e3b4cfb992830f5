"""A constant that a module's type file makes an integer of C is no attribute of it any more: nobody
else may import it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ccsim.compiled import MODULES, PACKAGE

FILES = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "algorithms").glob("*.py")])


def type_file(module: str) -> str:
    """Return a module's type file, with its lines joined."""
    path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".pxd")
    return path.read_text(encoding="utf-8").replace("\\\n", " ")


def hidden(module: str) -> set[str]:
    """Return the constants of a module that are integers of C where it is compiled."""
    lines = re.findall(r"^cdef (?:int|bint|long long) ([A-Z0-9_, ]+)$", type_file(module), re.M)
    return {name.strip() for line in lines for name in line.split(",")}


def imported_hidden(path: Path) -> list[str]:
    """Return what a file imports that it would not find."""
    types = path.with_suffix(".pxd")
    text = types.read_text(encoding="utf-8").replace("\\\n", " ") if types.exists() else ""
    shared = set(re.findall(r"\w+", " ".join(re.findall(r"cimport (.+)", text))))
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
        if alias.name in hidden(node.module) - shared
    ]


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix()
)
def test_no_file_imports_what_compiling_hides(path: Path) -> None:
    assert imported_hidden(path) == []


def test_a_hidden_constant_is_found(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text("from ccsim.tcp.rate import EVER_RETRANS, take_sample\n")
    assert imported_hidden(file) == ["ccsim.tcp.rate.EVER_RETRANS"]
