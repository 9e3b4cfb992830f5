"""What is asked: two algorithms, which may be files, and a path, all as a command line has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccsim.catalog import Table, Tables, tables_in
from ccsim.errors import CcsimError, Problem, ScenarioError
from ccsim.files import read_bounded
from ccsim.kernel.errors import KernelError
from ccsim.scenario import Scenario, load_scenario
from ccsim.scenario.bpf_objects import MAX_BPF_OBJECT_BYTES, tables_of
from ccsim.scenario.document import parse_value
from ccsim.scenario.path_presets import PRESETS

__all__ = ["Algorithm", "Asked", "asked", "path_keys"]

_WORDS = {"flows.0.congestion": "FROM", "swaps.0.to": "TO"}
"""What a key of the scenario is called on the command line."""
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: from which algorithm to which, over which path; ``texts`` are the words of the
    command line, ``path`` the keys of a scenario's path, ``scenario`` one flow of the old
    algorithm on it."""

    texts: tuple[str, str, str]
    old: Algorithm
    new: Algorithm
    path: dict[str, Any]
    scenario: Scenario

    @property
    def objects(self) -> list[str]:
        """The algorithm files, each once."""
        return list(dict.fromkeys(one.file for one in (self.old, self.new) if one.file))


def asked(old: str, new: str, path: str) -> Asked:
    """Return the question that the words of a command line make.

    ``old`` and ``new`` are names, names with parameters as tables list them,
    ``cubic(hystart=false)``, or files, with ``:MAP`` where a file has several. ``path`` is a
    preset, or keys of a scenario's path: ``rate=20 Mbit/s,rtt=40 ms``. CcsimError says what is
    wrong with which of them.
    """
    algorithms = _algorithm("FROM", old), _algorithm("TO", new)
    _check_apart(*algorithms)
    keys = path_keys(path)
    return Asked((old, new, path), *algorithms, keys, _scenario(algorithms, keys))


def path_keys(text: str) -> dict[str, Any]:
    """Return the keys of a path: ``dsl``, ``dsl,rtt=60 ms``, or all of it as key=value."""
    keys: dict[str, Any] = {}
    for part in _parts(text):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals and not keys and key:
            key, value = "preset", key
        elif not (key and value):
            expected = f"a preset ({', '.join(PRESETS)}) or key=value with commas between"
            raise CcsimError(f"advise: --path: expected {expected}, got {part.strip()!r}")
        if key in keys:
            raise CcsimError(f"advise: --path: expected each key once, got {key!r} twice")
        try:
            keys[key] = parse_value(value, "--path")
        except ScenarioError:
            raise CcsimError(f"advise: --path: {key}: not a value: {value!r}") from None
    return keys


def _parts(text: str) -> list[str]:
    """Cut at commas that are not within brackets."""
    parts, depth = [""], 0
    for mark in text:
        depth += (mark in "{[(") - (mark in "}])")
        if mark == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += mark
    return parts


def _scenario(algorithms: Sequence[Algorithm], path: dict[str, Any]) -> Scenario:
    """Return one flow on the path that may choose either, which validates all of it."""
    old, new = algorithms
    keys = {
        "name": "advise",
        "duration": "2 s",
        "path": path,
        "objects": list(dict.fromkeys(one.file for one in algorithms if one.file)),
        "flows": [{"name": "bulk", "congestion": old.as_name}],
        "swaps": [{"at": "1 s", "via": "setsockopt", "flows": ["bulk"], "to": new.as_name}],
    }
    try:
        return load_scenario(keys)
    except ScenarioError as error:  # it speaks of keys that nobody wrote
        raise CcsimError("\n".join(_in_words(one) for one in error.problems)) from None


def _in_words(problem: Problem) -> str:
    """Return a problem of the scenario in terms of the command line."""
    place = problem.path
    for key, word in _WORDS.items():
        place = word + place.removeprefix(key) if place.startswith(key) else place
    return f"advise: {place}: {problem.message}"


def _algorithm(what: str, text: str) -> Algorithm:
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
    from ccsim.catalog import algorithm_files

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


def _check_apart(old: Algorithm, new: Algorithm) -> None:
    """Refuse two tables of one name: a kernel could not hold both."""
    if (
        old.file
        and new.file
        and old.name == new.name
        and (old.file, old.map) != (new.file, new.map)
    ):
        raise CcsimError(
            f"advise: TO: {new.file}: expected another name than FROM's, got {new.name!r} twice; "
            "rename one, as two maps of one name cannot be registered"
        )
