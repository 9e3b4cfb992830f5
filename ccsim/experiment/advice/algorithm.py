"""An algorithm as a command line names it: a shipped one, one with parameters, or one in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccsim.catalog import Table, Tables, algorithm_files, tables_in
from ccsim.errors import CcsimError, ScenarioError
from ccsim.files import read_bounded
from ccsim.kernel.errors import KernelError
from ccsim.scenario.bpf_objects import MAX_BPF_OBJECT_BYTES, tables_of
from ccsim.scenario.document import parse_value

__all__ = ["Algorithm", "algorithm_of"]

_FILE = re.compile(r"(?P<file>.+\.(?:py|o))(?::(?P<name>[\w.-]+))?\Z")
_WITH_PARAMETERS = re.compile(r"(?P<name>[\w.-]+)\((?P<parameters>.*)\)\Z")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm: ``map`` is what stands behind links, ``name`` what sockets ask for, ``file``
    where it is from (empty: shipped); it may have ``parameters``."""

    map: str
    name: str
    file: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    phases: bool = False

    @property
    def as_name(self) -> Any:
        """What a scenario writes where a socket chooses."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    @property
    def as_map(self) -> Any:
        """What a scenario writes behind a link."""
        return {"name": self.map, **self.parameters} if self.parameters else self.map


def algorithm_of(what: str, text: str) -> Algorithm:
    """Return what a text means; ``what`` says in errors whose text it is. CcsimError."""
    if found := _FILE.match(text):
        return _of_file(what, found["file"], found["name"])
    if found := _WITH_PARAMETERS.match(text):
        try:
            given = parse_value(f"{{{found['parameters'].replace('=', ': ')}}}", what)
        except ScenarioError:
            expected = "parameters as in cubic(hystart=false)"
            raise CcsimError(f"advise: {what}: expected {expected}, got {text!r}") from None
        return Algorithm(found["name"], found["name"], parameters=given, phases=_has_phases(text))
    return Algorithm(text, text, phases=_has_phases(text))


def _has_phases(text: str) -> bool:
    name = text.partition("(")[0]
    file = algorithm_files().get(name)
    tables = tables_in(file).found if file else ()
    return any("phase" in (table.members or ()) for table in tables if table.name == name)


def _of_file(what: str, file: str, name: str | None) -> Algorithm:
    """Return the algorithm in a file; CcsimError if there is none, or another one, or several."""
    path = Path(file)
    try:
        found = [one for one in _tables(path).found if not one.map.startswith("_")]
    except OSError as error:
        raise CcsimError(f"advise: {what}: {file}: {error.strerror or error}") from error
    except SyntaxError as error:
        place = f"{file}:{error.lineno}:{error.offset}"
        raise CcsimError(f"advise: {what}: {place}: not valid Python: {error.msg}") from error
    except (ValueError, KernelError) as error:
        raise CcsimError(f"advise: {what}: {file}: {error}") from error
    named = [one for one in found if one.name]
    known = [one for one in named if one.map == name] or [
        one for one in named if name in (None, one.name)
    ]
    if len(known) != 1:
        raise CcsimError(f"advise: {what}: {_which(file, name, found)}")
    table = known[0]
    phases = "phase" in (table.members or ())
    return Algorithm(table.map, str(table.name), str(path.resolve()), phases=phases)


def _tables(path: Path) -> Tables:
    if path.suffix == ".py":
        return tables_in(path)
    content = read_bounded(path, MAX_BPF_OBJECT_BYTES)
    return tables_of(content, path.name, {}, "linux", 250)


def _which(file: str, name: str | None, tables: Sequence[Table]) -> str:
    names = [table.map for table in tables if table.name]
    if not names:
        return f"{file}: expected a table of operations with a name, got none"
    got = f"got {name!r}" if name else "got no name"
    return f"{file}: expected FILE:MAP with one of {', '.join(names)}, {got}"
