"""The house stays one in which a newcomer finds every room: files and functions that fit in a head,
no lines written twice, and a docstring on all that is public."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "ccsim").rglob("*.py"), *(ROOT / "algorithms").glob("*.py")])
MOST_LINES = 450
MOST_OF_A_FUNCTION = 60
MEDIAN_OF_FUNCTIONS = 7
RUN = 6  # equal lines one after the other
MOST_RUNS = 9

LONG = {
    "ccsim/tcp/input.py:_plain_ack": "runs for each ACK: calls would cost more than what they do",
}
"""What may be longer, and why. The list only gets shorter."""

VARIANTS = (".setter", "overload")  # of what has its docstring beside
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lengths(path: Path) -> dict[str, int]:
    """Return how many lines each function has, its docstring included."""
    return {
        f"{name(path)}:{node.name}@{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree(path))
        if isinstance(node, Function)
    }


def lines_of_code(source: str) -> list[str]:
    """Return the lines, stripped, without comments, imports and the list of public names."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) != "__all__":
            continue
        if isinstance(node, ast.Assign | ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or 0) + 1))
    stripped = ((k, line.strip()) for k, line in enumerate(source.splitlines(), 1))
    return [line for k, line in stripped if k not in left_out and line and line[0] != "#"]


def equal_runs(sources: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return the pairs of places that have at least `RUN` equal lines, and the first of them."""
    lines = {name: lines_of_code(source) for name, source in sources.items()}
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for name, code in lines.items():
        for k in range(len(code) - RUN + 1):
            places[tuple(code[k : k + RUN])].append((name, k))
    pairs = {
        (one, other)
        for found in places.values()
        for k, one in enumerate(found)
        for other in found[k + 1 :]
    }
    return sorted(
        (one[0], other[0], lines[one[0]][one[1]])
        for one, other in pairs
        if ((one[0], one[1] - 1), (other[0], other[1] - 1)) not in pairs
    )


@cache
def classes() -> dict[str, list[ast.ClassDef]]:
    found = defaultdict(list)
    for node in (node for path in FILES for node in ast.walk(tree(path))):
        if isinstance(node, ast.ClassDef):
            found[node.name].append(node)
    return found


def inherits(owner: ast.ClassDef, method: str) -> bool:
    """Report whether a class that this one is made of says what a method does."""
    return any(
        inherits(above, method)
        or any(said(node) for node in above.body if getattr(node, "name", "") == method)
        for base in owner.bases
        for above in classes()[ast.unparse(base).split("[")[0].split(".")[-1]]
    )


def said(node: ast.AST) -> bool:
    return isinstance(node, Function | ast.ClassDef) and bool(ast.get_docstring(node))


def silent(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[str]:
    """Yield the public names of a body that have no docstring."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from silent(node.body, node)
        variant = any(ast.unparse(one).endswith(VARIANTS) for one in node.decorator_list)
        inherited = owner is not None and inherits(owner, node.name)
        if not (said(node) or variant or inherited):
            yield node.name


def test_a_file_fits_in_a_head() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {file for file, n in lines.items() if n > MOST_LINES} <= set(LONG)


def test_what_is_public_has_a_docstring() -> None:
    assert [f"{name(path)}: {one}" for path in FILES for one in silent(tree(path).body)] == []


def test_functions_are_short() -> None:
    found = {one: n for path in FILES for one, n in lengths(path).items()}
    long = {one.split("@")[0] for one, n in found.items() if n > MOST_OF_A_FUNCTION}
    assert long == {one for one in LONG if ":" in one}
    assert median(found.values()) <= MEDIAN_OF_FUNCTIONS


def test_hardly_any_lines_are_written_twice() -> None:
    # each algorithm is a file that stands alone, so those may repeat one another
    package = [path for path in FILES if path.is_relative_to(ROOT / "ccsim")]
    found = equal_runs({name(path): path.read_text("utf-8") for path in package})
    assert len(found) <= MOST_RUNS, "\n".join(map(str, found))


def test_the_finder_of_equal_lines_finds_them() -> None:
    six = "\n".join(f"a{k} = {k}" for k in range(6))
    five = "\n".join(f"a{k} = {k}" for k in range(5))
    assert equal_runs({"one": f"{six}\nb = 1", "other": f"def f():\n    # why\n    c = 2\n\n{six}"})
    assert not equal_runs({"one": f"{five}\nb = 1", "other": f"c = 2\n{five}"})
    imports = "\n".join(f"import a{k}" for k in range(6))
    assert not equal_runs({"one": imports, "other": imports})


def test_the_reader_of_docstrings_misses_none() -> None:
    source = '''
class Shown:
    """Said."""
    def bare(self): ...
    def _own(self): ...
def plain():
    """Said."""
async def later(): ...
'''
    assert list(silent(ast.parse(source).body)) == ["bare", "later"]


def test_in_one_room_no_two_public_classes_share_a_name() -> None:
    """A room is a folder of the package; a name that two of its classes bore would say nothing."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in FILES:
        room = name(path).split("/")[1]
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[room, node.name].append(name(path))
    assert {key: found for key, found in places.items() if len(found) > 1} == {}
