"""Changes one token of the code at a time and asks the tests of its package whether they notice.

``python -m tests.mutate PACKAGE… --number N --seed S`` (of ``tcp kernel net sim experiment
scenario``) works in a copy of the checkout, prints each change that nobody noticed within a minute,
and how many were. The same seed makes the same changes. A change may be equivalent: look.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "tcp": ["tcp"],
    "kernel": ["kernel", "selftests"],
    "net": ["net"],
    "sim": ["sim"],
    "experiment": ["experiment", "study"],
    "scenario": ["scenario"],
}
"""The folders with the tests of each package."""
SECONDS = 60
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.Mod: "*",
}


@dataclass(frozen=True)
class Change:
    """One piece of a file, by bytes, and what replaces it."""

    file: Path
    line: int
    start: int
    end: int
    new: str

    def applied(self, source: bytes) -> bytes:
        """Return the source with the change in it."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def changes(file: Path) -> Iterator[Change]:
    """Yield the changes that can be made to a file; those of annotations and texts are none."""
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    skipped = {id(node) for note in _annotations(tree) for node in ast.walk(note)}
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.expr):
            continue
        for new in _mutated(node, source.decode()):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            yield Change(file, node.lineno, start, end, f"({new})")


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        found = (getattr(node, name, None) for name in ("annotation", "returns"))
        yield from (one for one in found if isinstance(one, ast.AST))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield node


def _mutated(node: ast.expr, source: str) -> Iterator[str]:
    """Yield what may stand for an expression."""

    def text(part: ast.AST) -> str:
        return ast.get_source_segment(source, part) or ""

    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS and len(node.ops) == 1:
        yield f"{text(node.left)} {COMPARISONS[type(node.ops[0])]} {text(node.comparators[0])}"
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield f"({text(node.left)}) {OPERATORS[type(node.op)]} ({text(node.right)})"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield word.join(f"({text(value)})" for value in node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield text(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield str(node.value + 1)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        swapped = {"min": "max", "max": "min", "any": "all", "all": "any"}.get(node.func.id)
        if swapped:
            yield swapped + text(node)[len(node.func.id) :]


def noticed(copy: Path, change: Change, package: str) -> bool:
    """Tell whether the package's tests fail, or take too long, with a change made in the copy."""
    place = copy / change.file.relative_to(ROOT)
    before = place.read_bytes()
    place.write_bytes(change.applied(before))
    folders = [str(copy / "tests" / name) for name in TESTS[package]]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *folders],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=SECONDS) != 0
    except subprocess.TimeoutExpired:
        return False  # nothing failed within the minute
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        place.write_bytes(before)


def main() -> int:
    """Change, ask, tell; the exit status is 1 if less than 85 of 100 changes were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", default=list(TESTS), metavar="PACKAGE")
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    found = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "results", "__pycache__"))
        for _ in range(args.number):
            package = rng.choice(args.packages)
            files = sorted((ROOT / "ccsim" / package).rglob("*.py"))
            change = rng.choice([one for file in files for one in changes(file)])
            good = noticed(copy, change, package)
            found += good
            if not good:
                old = change.file.read_bytes()[change.start : change.end].decode()
                place = f"{change.file.relative_to(ROOT)}:{change.line}"
                print(f"{place}: {old!r} became {change.new!r}", flush=True)
    print(f"{found} of {args.number} noticed")
    return int(found < 0.85 * args.number)


if __name__ == "__main__":
    sys.exit(main())
