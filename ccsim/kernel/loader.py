"""Algorithm files: Python files whose module-level tables are congestion controls."""

from __future__ import annotations

import ast
import hashlib
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from types import FrameType, ModuleType

from ccsim.catalog import algorithms_dir
from ccsim.compiled import compiled_algorithm
from ccsim.ending import no_exits
from ccsim.errors import CcsimError, HookTimeout
from ccsim.files import read_bounded
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.policy import StatePolicy
from ccsim.kernel.tcp_cong import TCP_RENO

__all__ = [
    "MAX_BYTES",
    "ObjectFileChanged",
    "ObjectFileError",
    "declared_at",
    "is_loaded",
    "is_users",
    "load_file",
    "load_tables",
    "loaded_file",
    "unloaded_after",
]

Tables = dict[str, TcpCongestionOps]
Policies = dict[str, type[StatePolicy]]

_PREFIX = "_ccsim_object_"
MAX_BYTES = 1024 * 1024
"""An algorithm file is no larger than this."""
_serial = count(1)
_loading = threading.local()
"""Holds the ``names`` of modules that `unloaded_after` is to let go."""
_compiled_from: dict[str, str] = {}
"""Files as loaded, by what tracebacks call the code that was compiled from them."""


class ObjectFileError(CcsimError, ValueError):
    """A file that cannot be loaded as an object; the message begins with file and line."""


class ObjectFileChanged(ObjectFileError):
    """A file that is not what it was when its hash was taken."""


def load_tables(path: str | Path) -> dict[str, TcpCongestionOps]:
    """Execute an algorithm file and return its tables by the names of their variables, in the
    file's order; variables that begin with an underscore are the file's own affair.

    Loading runs the file's code with all the rights of this process: load only files you trust.
    Each call executes the file anew, in a module of its own under a private name; nothing is
    written beside the file.

    Raises ObjectFileError: the file cannot be read, has a syntax error, raises while it is
    executed, or holds no module-level TcpCongestionOps.
    """
    tables, _ = load_file(path)
    if not tables:
        raise ObjectFileError(
            f"{path}:1: expected at least one module-level TcpCongestionOps, got none; "
            'hint: end the file with a table such as my_cc = TcpCongestionOps(name="my_cc", …)'
        )
    return tables


def load_file(path: str | Path, sha256: str = "") -> tuple[Tables, Policies]:
    """Execute a file as `load_tables` does; return its tables by variable and the state policies
    that it defines by their names. A file may hold either, or both, or neither.

    The bytes that are executed are those that have the hash ``sha256``, if one is given:
    ObjectFileChanged for a file that has changed since.
    """
    path = Path(path)
    content = _read(path)
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise ObjectFileChanged(f"{path}: it changed since the scenario was loaded; start it again")
    machine = compiled_algorithm(content)
    module = _adopt(path, machine) if machine else _execute(path, _compile(path, content))
    found = dict(vars(module))
    tables = {name: value for name, value in found.items() if _declares(name, value)}
    policies = {
        value.name: value for value in found.values() if _is_policy_of(module.__name__, value)
    }
    if not tables and not policies:
        sys.modules.pop(module.__name__, None)
    return tables, policies


@contextmanager
def unloaded_after() -> Iterator[None]:
    """Let the modules of files that this thread loads meanwhile go at the end: nobody looks for
    them any more, and hooks that somebody still holds go on working."""
    before = getattr(_loading, "names", None)
    names: list[str] = []
    _loading.names = names
    try:
        yield
    finally:
        _loading.names = before
        for name in names:
            sys.modules.pop(name, None)


def is_loaded(frame: FrameType) -> bool:
    """Report whether a frame executes code of an algorithm file."""
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and name.startswith(_PREFIX)


def is_users(frame: FrameType) -> bool:
    """Report whether a frame executes code of an algorithm file that does not ship with ccsim."""
    if not is_loaded(frame):
        return False
    return Path(frame.f_code.co_filename).parent != algorithms_dir()


def _is_policy_of(module: str, value: object) -> bool:
    """Report whether a value is a named state policy that a module itself defines."""
    if not isinstance(value, type) or not issubclass(value, StatePolicy):
        return False
    return value.__module__ == module and bool(value.name)


def loaded_file(filename: str) -> str:
    """Return the file that a traceback means: what was compiled from one bears another name."""
    return _compiled_from.get(filename, filename)


def declared_at(ops: TcpCongestionOps) -> str:
    """Return ``file:line`` of the declaration of a table that `load_tables` returned; empty for
    another.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(_PREFIX):
            variables = (variable for variable, value in vars(module).items() if value is ops)
            if variable := next(variables, ""):
                return _place(str(module.__file__), variable)
    return ""


def _place(file: str, variable: str) -> str:
    """Return the place at which a file last assigns a variable; the file alone if it cannot
    tell."""
    try:
        statements = ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):  # it has changed since it was loaded
        return file
    lines = [
        statement.lineno
        for statement in statements
        for target in _targets(statement)
        if isinstance(target, ast.Name) and target.id == variable
    ]
    return f"{file}:{lines[-1]}" if lines else file


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """Return what a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _declares(name: str, value: object) -> bool:
    """Report whether a variable is a table of the file: neither private nor the kernel's reno."""
    return isinstance(value, TcpCongestionOps) and name[0] != "_" and value is not TCP_RENO


def _read(path: Path) -> bytes:
    """Return what a file holds, at most `MAX_BYTES`: a device may have no end."""
    try:
        content = read_bounded(path, MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        reason = getattr(error, "strerror", None) or error
        raise ObjectFileError(f"{path}: cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise ObjectFileError(f"{path}: expected at most {MAX_BYTES // 1024} KiB, got more")
    return content


def _compile(path: Path, content: bytes) -> object:
    """Compile the file's content, whose errors are those of the source text."""
    try:
        return compile(content, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # for a NUL byte it depends on the Python
        line = getattr(error, "lineno", None) or 0
        raise ObjectFileError(f"{path}:{line}: syntax error: {error}") from error


def _adopt(path: Path, machine: ModuleType) -> ModuleType:
    """Return a fresh module with what the module that was compiled from the file holds; tables of
    its own stand for executing the file anew."""
    module = _fresh_module(path)
    _compiled_from[f"{machine.__name__}.py"] = str(path)
    for name, value in vars(machine).items():
        if not name.startswith("__"):
            vars(module)[name] = replace(value) if _declares(name, value) else value
    return module


def _fresh_module(path: Path) -> ModuleType:
    """Return a module of a private name for the file; it is in ``sys.modules``, where dataclasses
    look."""
    name = f"{_PREFIX}{next(_serial)}"
    spec = spec_from_file_location(name, path)
    assert isinstance(spec, ModuleSpec)
    module = module_from_spec(spec)
    sys.modules[name] = module
    names: list[str] | None = getattr(_loading, "names", None)
    if names is not None:
        names.append(name)
    return module


def _execute(path: Path, code: object) -> ModuleType:
    """Run the code in a fresh module."""
    module = _fresh_module(path)
    try:
        with no_exits():
            exec(code, vars(module))  # type: ignore[arg-type]
    except (Exception, SystemExit, GeneratorExit, HookTimeout) as error:
        del sys.modules[module.__name__]
        place = f"{path}:{_line(path, error)}"
        raise ObjectFileError(
            f"{place}: executing the file raised {type(error).__name__}: {error}"
        ) from error
    return module


def _line(path: Path, error: BaseException) -> int:
    """Return the line of the file that was being executed when the error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename == str(path)]
    return lines[-1] if lines else 0
