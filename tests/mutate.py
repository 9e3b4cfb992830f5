"""Changes one token of the code at a time and asks the tests of its package whether they notice.

``python -m tests.mutate PACKAGE… --number N --seed S`` (of ``tcp kernel net sim experiment
scenario``, and ``cc bpf linux`` when asked for) works in a copy of the checkout and prints each
change that no test failed for within a minute of processor time, those tests first that name the
changed module or function. The same seed makes the same changes. A change may be equivalent: look.
Needs Linux's ``/proc``.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "tcp": ["tcp", "digests"],
    "kernel": ["kernel", "selftests", "digests"],
    "net": ["net", "qdisc", "digests"],
    "sim": ["sim", "digests"],
    "experiment": ["experiment", "study"],
    "scenario": ["scenario"],
    "cc": ["cc", "kernel", "algorithms", "digests"],
    "bpf": ["bpf"],
    "linux": ["linux"],
}
"""The folders with the tests of each package; digests are those of everything simulated."""
NEAREST = 3
"""So many test files are asked before the digests."""
USUAL = ["tcp", "kernel", "net", "sim", "experiment", "scenario"]
SECONDS = 60.0
"""Processor time that the tests of a change may take; waiting ends after ten times as long."""
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


def tests_of(copy: Path, change: Change, package: str) -> list[str]:
    """Return the package's test files, those first that name the changed function, what the module
    offers or the module, then the digests."""
    module = change.file.stem
    function = _function_around(change)
    public = _public(change.file)

    def rank(file: Path) -> tuple[bool, int, bool, int]:
        text = file.read_text(encoding="utf-8")
        imports = re.search(rf"\b{module}\b.*import|import.*\b{module}\b", text)
        named = sum(bool(re.search(rf"\b{name}\b", text)) for name in public)
        return not (function and function in text), -named, not imports, file.stat().st_size

    folders = [copy / "tests" / name for name in TESTS[package]]
    files = sorted(_all(folders, "test_*.py"), key=rank)
    digests = [file for file in files if file.parent.name == "digests"]
    others = [file for file in files if file not in digests]
    return [str(file) for file in (*others[:NEAREST], *digests, *others[NEAREST:])]


def _all(folders: list[Path], pattern: str) -> list[Path]:
    return sorted(file for folder in folders for file in folder.rglob(pattern))


def _public(file: Path) -> list[str]:
    """Return what a module lists in ``__all__``."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _function_around(change: Change) -> str:
    """Return the name of the innermost function or class that holds a change."""
    held = [
        node
        for node in ast.walk(ast.parse(change.file.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.lineno <= change.line <= (node.end_lineno or 0)
    ]
    return max(held, key=lambda node: node.lineno).name if held else ""


def noticed(copy: Path, change: Change, package: str, seconds: float) -> str:
    """Return the test that fails with a change made in the copy and passes without; "" if none.

    A test that fails without the change too, as on a busy machine, is left out.
    """
    files = tests_of(copy, change, package)
    place = copy / change.file.relative_to(ROOT)
    before = place.read_bytes()
    left_out: list[str] = []
    while True:
        place.write_bytes(change.applied(before))
        try:
            left_out_now = [f"--deselect={one}" for one in left_out]
            failed = first_failure(copy, [*files, *left_out_now], seconds)
        finally:
            place.write_bytes(before)
        if "::" not in failed or not first_failure(copy, [str(copy / failed)], seconds):
            return failed
        left_out.append(failed)


def first_failure(copy: Path, arguments: list[str], seconds: float) -> str:
    """Run pytest until a test fails; return its name, "" if none does within the time."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = _ends(process, seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not ended or process.returncode == 0:
            return ""
        output.seek(0)
        found = re.search(r"^(?:FAILED|ERROR) (\S+)", output.read(), re.MULTILINE)
        return found[1] if found else f"pytest itself ({process.returncode})"


def _ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a process; False if it and its children have computed for too long before."""
    give_up = time.monotonic() + 10 * seconds
    while process.poll() is None:
        if _computed_s(process.pid) > seconds or time.monotonic() > give_up:
            return False
        time.sleep(1.0)
    return True


def _computed_s(session: int) -> float:
    """Return the processor time of the processes of a session and of their ended children."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Change, ask, tell; the exit status is 1 if less than 85 of 100 changes were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", default=USUAL, metavar="PACKAGE")
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of CPU for each change")
    parser.add_argument("--all", action="store_true", help="print what was noticed, and by what")
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
            witness = noticed(copy, change, package, args.seconds)
            found += bool(witness)
            if args.all or not witness:
                old = change.file.read_bytes()[change.start : change.end].decode()
                place = f"{change.file.relative_to(ROOT)}:{change.line}"
                print(f"{place}: {old!r} became {change.new!r} {witness}".rstrip(), flush=True)
    print(f"{found} of {args.number} noticed")
    return int(found < 0.85 * args.number)


if __name__ == "__main__":
    sys.exit(main())
