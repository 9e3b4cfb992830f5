"""What a type file makes a variable of C is not to be imported: machine code does not show it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ccsim.compiled import MODULES

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = re.compile(
    r"^cdef (?:const )?(?:int|long long|unsigned long long|bint|double|object|tuple|dict|list) "
    r"(\w+(?:, \w+)*)$",
    re.MULTILINE,
)


def hidden(types: str) -> set[str]:
    """Return the variables of C at the level of a module."""
    return {name for line in VARIABLES.findall(types) for name in line.split(", ")}


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of what a file imports from modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def test_variables_of_c_are_found() -> None:
    assert hidden("cdef int A, B\ncdef class C:\n    cdef public int d\ncdef int f(int x)\n") == {
        *("A", "B")
    }


def test_nobody_imports_a_variable_of_c() -> None:
    kept = {
        name: hidden(ROOT.joinpath(*name.split(".")).with_suffix(".pxd").read_text())
        for name in MODULES
    }
    files = [*(ROOT / "ccsim").rglob("*.py"), *(ROOT / "algorithms").glob("*.py")]
    wrong = [
        f"{path.relative_to(ROOT)}: {name} of {module}"
        for path in files
        for module, name in imported(path)
        if name in kept.get(module, ())
    ]
    assert wrong == []
