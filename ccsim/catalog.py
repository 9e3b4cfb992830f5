"""Where the shipped algorithm and scenario files are and what they declare, without running any."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ccsim.errors import Problem, ScenarioError

__all__ = [
    "Table",
    "Tables",
    "algorithm_files",
    "algorithms_dir",
    "find_scenario",
    "labelled",
    "read_parameters",
    "read_policies",
    "read_tables",
    "registered_names",
    "scenario_files",
    "scenarios_dir",
    "study_files",
    "summary",
    "tables_in",
]

_PACKAGE = Path(__file__).resolve().parent
_TABLE = "TcpCongestionOps"
_DECLARED = re.compile(rf"^\w+ = {_TABLE}\($.*?^\)$", re.MULTILINE | re.DOTALL)
"""A table as ruff formats it: from its variable to the closing parenthesis."""
_PLAIN_TYPES = ("bool", "int", "float", "str")


@dataclass(frozen=True, slots=True)
class Table:
    """A module-level table of operations: the map bears the variable's name, sockets use ``name``.

    ``name`` is None when only running the file would tell it; so is ``restricted``, which tells
    whether the flags lack TCP_CONG_NON_RESTRICTED, and ``members``, the table's keywords that are
    not None.
    """

    map: str
    name: str | None
    line: int
    restricted: bool | None = True
    members: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one algorithm file; not ``complete`` if running it may show more names,
    ``none`` if nothing in it could make a table or a policy."""

    found: tuple[Table, ...]
    complete: bool
    none: bool = False


def algorithms_dir() -> Path:
    """Return the folder of shipped algorithm files: in the package, or beside it in a checkout."""
    return _shipped("algorithms")


def scenarios_dir() -> Path:
    """Return the folder of shipped scenarios: in the package, or beside it in a checkout."""
    return _shipped("scenarios")


def algorithm_files() -> dict[str, Path]:
    """Return the shipped algorithm files by the names that they register, sorted by name.

    Tables whose variable begins with an underscore are a file's own affair.
    """
    found: dict[str, Path] = {}
    for path in _files(algorithms_dir(), ".py"):
        facts = path.stat()
        names = _names_of(path, facts.st_mtime_ns, facts.st_size)
        found.update(dict.fromkeys(names or [path.stem], path))
    return dict(sorted(found.items()))


def scenario_files() -> dict[str, Path]:
    """Return the shipped scenarios by name (the file's, without its ending), sorted."""
    return {path.stem: path for path in _files(scenarios_dir(), ".yaml")}


def study_files() -> dict[str, Path]:
    """Return the shipped studies by name (the file's, without its ending), sorted."""
    return {path.stem: path for path in _files(scenarios_dir() / "studies", ".yaml")}


def summary(path: Path) -> str:
    """Return the first line of a Python file's docstring or of a YAML file's leading comment."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return next(iter((ast.get_docstring(ast.parse(text)) or "").splitlines()), "")
    comment = (line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#"))
    return next((line for line in comment if line), "")


def find_scenario(arg: str) -> Path:
    """Return the scenario file that ``arg`` means: a path, or the bare name of a shipped scenario.

    ScenarioError names the nearest shipped scenario when there is none.
    """
    path, is_dir = Path(arg), os.path.isdir(arg)  # os.path: False, not OSError, for odd names
    if os.path.exists(arg) and not is_dir:
        return path
    shipped = scenario_files()
    if arg in shipped:
        return shipped[arg]
    if is_dir:
        message = "expected a scenario file, got a folder"
    elif path.suffix or path.name != arg:
        message = "no such file" + _hint(path.stem, shipped)
    else:
        message = f"no file and no shipped scenario of this name{_hint(arg, shipped)}"
    raise ScenarioError(Problem(arg, 0, 0, "", message))


def tables_in(path: Path) -> Tables:
    """Return the tables of operations in an algorithm file, without running it.

    OSError and UnicodeDecodeError when it cannot be read, SyntaxError when it is not Python.
    """
    facts = path.stat()
    return _tables_of(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)  # a study validates thousands of scenarios
def _tables_of(path: Path, mtime_ns: int, size: int) -> Tables:
    return read_tables(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _names_of(path: Path, mtime_ns: int, size: int) -> list[str]:
    return registered_names(path.read_text(encoding="utf-8"))


def registered_names(source: str) -> list[str]:
    """Return the names of the public tables that a source declares, as `read_tables` finds them.

    Where every table is declared in the plain form, only those lines are parsed: a tenth of the
    time, which every run would pay for each shipped file.
    """
    declared = _DECLARED.findall(source)
    found: tuple[Table, ...] = ()
    if source.count(f"{_TABLE}(") == len(declared):
        found = read_tables("\n".join(declared)).found
    if not found or any(table.name is None for table in found):
        found = read_tables(source).found
    return [table.name for table in found if table.name and table.map[0] != "_"]


def read_tables(source: str) -> Tables:
    """Return the tables of operations that a Python source declares at module level."""
    try:
        module = ast.parse(source)
    except ValueError as error:  # a NUL character: ast reports it with another class
        raise SyntaxError(str(error)) from error
    texts = dict(_module_texts(module))
    found: list[Table] = []
    read: set[ast.Call] = set()
    last = dict(_assignments(module))
    for target, value in _assignments(module):
        if isinstance(value, ast.Call) and _called(value) == _TABLE:
            name = _name_argument(value, texts)
            members = _members(value) if last[target] is value else None
            found.append(Table(target, name, value.lineno, _is_restricted(value), members))
            read.add(value)
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    elsewhere = any(_called(call) in (_TABLE, "replace") and call not in read for call in calls)
    named = all(table.name is not None for table in found)
    makers = ast.Call | ast.Import | ast.ImportFrom | ast.ClassDef
    none = not any(isinstance(node, makers) for node in ast.walk(module))
    return Tables(tuple(found), bool(found) and named and not elsewhere, none)


def read_policies(source: str) -> dict[str, int]:
    """Return the state policies that a Python source defines at module level, and their lines.

    A policy is a class that derives from ``StatePolicy``, or from another one of the file, and has
    a ``name`` of its own that is a plain text.
    """
    found: dict[str, int] = {}
    bases = {"StatePolicy"}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        names = {getattr(base, "attr", getattr(base, "id", "")) for base in node.bases}
        if names & bases:
            bases.add(node.name)
            found |= {name: node.lineno for name in _class_texts(node, "name") if name}
    return found


def _class_texts(node: ast.ClassDef, wanted: str) -> Iterator[str]:
    """Yield the plain texts that a class assigns to an attribute."""
    for target, value in _assignments(ast.Module(node.body, [])):
        if target == wanted and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def read_parameters(source: str, map_name: str) -> dict[str, str] | None:
    """Return the module parameters of the table ``map_name`` and their types ("" for an unusual
    one), in order; None when only running the source would tell.

    The table's ``params`` must be ``None``, absent, or a call such as ``Params()`` of a dataclass
    that stands in the source or comes from ``ccsim``.
    """
    module = ast.parse(source)
    calls = (value for target, value in _assignments(module) if target == map_name)
    call = next((call for call in calls if isinstance(call, ast.Call)), None)
    if call is None or any(keyword.arg is None for keyword in call.keywords):
        return None
    params = next((keyword.value for keyword in call.keywords if keyword.arg == "params"), None)
    if params is None or (isinstance(params, ast.Constant) and params.value is None):
        return {}
    if isinstance(params, ast.Call) and isinstance(params.func, ast.Name):
        return _dataclass_fields(module, params.func.id)
    return None


def _dataclass_fields(module: ast.Module, name: str) -> dict[str, str] | None:
    """Return a dataclass's fields and their types, inherited ones first; None if unknown."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    found = classes.get(name)
    if found is None:
        return _imported_fields(module, name)
    fields: dict[str, str] = {}
    for base in reversed(found.bases):
        inherited = _dataclass_fields(module, base.id) if isinstance(base, ast.Name) else None
        if inherited is None:
            return None
        fields |= inherited
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kind = ast.unparse(node.annotation)
            if not kind.startswith("ClassVar"):
                fields[node.target.id] = kind if kind in _PLAIN_TYPES else ""
    return fields


def _imported_fields(module: ast.Module, name: str) -> dict[str, str] | None:
    """Return the fields of a dataclass that is imported from a module of ccsim; else None."""
    for node in module.body:
        if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
            continue
        original = next((a.name for a in node.names if (a.asname or a.name) == name), None)
        package, *parts = node.module.split(".")
        path = _PACKAGE.joinpath(*parts).with_suffix(".py")
        if original and package == "ccsim" and parts and path.is_file():
            return _dataclass_fields(ast.parse(path.read_text(encoding="utf-8")), original)
    return None


def _shipped(folder: str) -> Path:
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def labelled(name: str, params: Mapping[str, bool | int | float | str]) -> str:
    """Return what lists call an algorithm with parameters of its own: ``cubic(hystart=false)``."""
    if not params:
        return name
    values = ((key, str(v).lower() if isinstance(v, bool) else str(v)) for key, v in params.items())
    return f"{name}({','.join(f'{key}={value}' for key, value in sorted(values))})"


def _files(folder: Path, ending: str) -> list[Path]:
    """Return the files of a shipped folder, sorted; private and hidden ones are not listed."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob(f"*{ending}") if path.name[0] not in "._")


def _hint(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word.replace("-", "_"), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; shipped are {', '.join(names)}" if names else ""


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the plain assignments at module level: variable and value."""
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, value


def _module_texts(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the module's string constants: ``NAME = "my_cc"``."""
    for target, value in _assignments(module):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield target, value.value


def _called(call: ast.Call) -> str:
    """Return the last part of what is called: TcpCongestionOps for ``ops.TcpCongestionOps(…)``."""
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _name_argument(call: ast.Call, texts: dict[str, str]) -> str | None:
    """Return a table's ``name=``, a literal or a constant of the module; None for anything else."""
    for keyword in call.keywords:
        if keyword.arg == "name":
            if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                return keyword.value.value
            if isinstance(keyword.value, ast.Name):
                return texts.get(keyword.value.id)
    return None


def _members(call: ast.Call) -> frozenset[str] | None:
    """Return the keywords of a table that are not None; None with ``**``, which hides some."""
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    given = (k for k in call.keywords if not _is_none(k.value))
    return frozenset(keyword.arg for keyword in given if keyword.arg)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _is_restricted(call: ast.Call) -> bool | None:
    """Report whether a table's flags lack TCP_CONG_NON_RESTRICTED; None for what is not plain."""
    flags = next((keyword.value for keyword in call.keywords if keyword.arg == "flags"), None)
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    if flags is None:
        return True
    words = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(flags)} - {""}
    if "TCP_CONG_NON_RESTRICTED" in words:
        return False
    if isinstance(flags, ast.Constant) and isinstance(flags.value, int):
        return not flags.value & 1
    return True if words == {"TCP_CONG_NEEDS_ECN"} else None
