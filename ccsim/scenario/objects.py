"""The algorithm names that a scenario may use: shipped files, its own object files, its links."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ccsim import catalog
from ccsim.errors import Problem
from ccsim.files import read_bounded
from ccsim.kernel.errors import KernelError
from ccsim.kernel.loader import MAX_BYTES
from ccsim.kernel.tcp_cong import missing_operations
from ccsim.scenario.bpf_objects import ELF, MAX_BPF_OBJECT_BYTES, tables_of
from ccsim.scenario.document import Document
from ccsim.scenario.vocabulary import PROFILES, STATE_POLICIES
from ccsim.spec.limits import INIT_NET

__all__ = [
    "MAX_COUNT",
    "Known",
    "ObjectFile",
    "flow_names",
    "incomplete_tables",
    "known_names",
    "read_objects",
]

LINK_MECHANISMS = ("link_update", "reregister", "staged")  # whose ``to`` is a map
MAX_HZ = 1000
MAX_COUNT = 100_000  # flows that one entry may stand for


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A user's file: absolute path, SHA-256 of its content, its source, tables and state
    policies (names and their lines); its place among the scenario's ``objects`` and how it is
    written there; the variables that are set before a compiled one is loaded."""

    path: str
    sha256: str
    source: str
    tables: catalog.Tables
    policies: Mapping[str, int] = field(default_factory=dict)
    index: int = 0
    name: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_compiled(self) -> bool:
        """Whether it is a BPF object."""
        return not self.source

    @property
    def is_complete(self) -> bool:
        """Whether its tables are all known without running it; of policies alone there is none."""
        return self.tables.complete or bool(self.policies and not self.tables.found)


@dataclass(frozen=True, slots=True)
class Known:
    """What a scenario may refer to: ``maps`` in links and link updates, ``names`` by sockets.

    ``flows`` holds the flows behind each name that a swap may use: a flow, or all those that a
    ``count`` makes, or one of ``workloads``, which stands for its connections. ``namespaces``
    include the initial one, ``policies`` are those of object files. Not ``complete`` if an object
    file must run before all its names are known.
    """

    maps: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    flows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    workloads: frozenset[str] = frozenset()
    listeners: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset({INIT_NET})
    policies: frozenset[str] = frozenset()
    complete: bool = False


def read_objects(document: Document, folder: Path) -> tuple[list[ObjectFile], list[Problem]]:
    """Read the object files of a scenario, relative to its folder, without running them."""
    files: list[ObjectFile] = []
    problems: list[Problem] = []
    defined: dict[str, str] = {}
    objects = document.get("objects")
    for i, entry in enumerate(objects if isinstance(objects, list) else []):
        name, settings = _entry(entry)
        if name is None:
            continue  # the model reports it
        try:
            file = _read_object(folder / name, i, name, settings, document)
            _define(file, name, defined)
            files.append(file)
        except (OSError, ValueError, SyntaxError, KernelError) as error:
            problems.append(document.problem(("objects", i), _why(name, error)))
    return files, problems


def _entry(entry: object) -> tuple[str | None, dict[str, object]]:
    """Return the file that an entry names, None for none, and what it sets."""
    plain = {"file": entry} if isinstance(entry, str) else _keys(entry)
    name, settings = plain.get("file"), plain.get("set")
    return name if isinstance(name, str) else None, _keys(settings)


def _read_object(
    path: Path, index: int, name: str, settings: dict[str, object], document: Document
) -> ObjectFile:
    content = read_bounded(path, MAX_BPF_OBJECT_BYTES)
    limit = MAX_BPF_OBJECT_BYTES if content.startswith(ELF) else MAX_BYTES
    if len(content) > limit:
        raise ValueError(f"expected at most {limit // 1024} KiB, got more")
    if content.startswith(ELF):
        return _compiled(path, index, name, content, settings, document)
    if settings:
        raise ValueError("expected no 'set': only compiled objects have variables to set")
    source = content.decode("utf-8")
    tables = catalog.read_tables(source)
    if tables.none:
        raise ValueError("expected a table of operations or a state policy, got none")
    policies = catalog.read_policies(source)
    digest = hashlib.sha256(content).hexdigest()
    return ObjectFile(str(path.resolve()), digest, source, tables, policies, index, name)


def _compiled(
    path: Path,
    index: int,
    name: str,
    content: bytes,
    settings: dict[str, object],
    document: Document,
) -> ObjectFile:
    """Return a compiled BPF object, loaded for the kernel that the scenario asks for."""
    kernel = _keys(document.get("kernel"))
    profile, hz = kernel.get("profile", "linux"), kernel.get("hz", 250)
    known = profile if isinstance(profile, str) and profile in PROFILES else "linux"
    ticks = hz if isinstance(hz, int) and 0 < hz <= MAX_HZ else 250
    tables = tables_of(content, path.name, settings, known, ticks)
    digest = hashlib.sha256(content).hexdigest()
    return ObjectFile(str(path.resolve()), digest, "", tables, {}, index, name, settings)


def _define(file: ObjectFile, name: str, defined: dict[str, str]) -> None:
    """Note the names of a file; ValueError for one that an earlier file has."""
    for table in file.tables.found:
        first = defined.setdefault(table.name, name) if table.name else name
        if first != name:
            where = f", on line {table.line}," if table.line else ""
            raise ValueError(f"{table.name!r}{where} is defined in {first} too")
    for policy, line in file.policies.items():
        if policy in STATE_POLICIES:
            raise ValueError(f"state policy {policy!r}, on line {line}, ships with ccsim already")


def _why(name: str, error: Exception) -> str:
    """Say why an object file cannot be used, with the place in it if it has one."""
    if isinstance(error, FileNotFoundError):
        return f"no such file {name!r}; object files are looked up beside the scenario"
    if isinstance(error, SyntaxError):
        place = f"{name}:{error.lineno}:{error.offset}" if error.lineno else name
        return f"{place}: not valid Python: {error.msg}"
    if isinstance(error, UnicodeDecodeError):
        return f"{name}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}"
    if isinstance(error, KernelError):
        return f"{name}: {error}"
    if isinstance(error, OSError):
        return f"{name}: cannot be read: {error.strerror}"
    return f"{name}: {error}"


def incomplete_tables(document: Document, files: Sequence[ObjectFile]) -> list[Problem]:
    """Return a problem for each table that the kernel would refuse when the run begins, as it lacks
    an operation.

    A map that only a link update puts behind its link is refused then, which a run may want to
    show. Of a compiled object nothing is attached that nobody asks for and Linux would not take.
    """
    links, linked = _links(document)
    first, asked = _maps_behind(document), _asked_for(document)
    problems: list[Problem] = []
    for file in files:
        for table in file.tables.found:
            attached = table.map not in linked and table.name not in links
            if table.members is None or not (attached or table.map in first):
                continue
            missing = missing_operations(table.members)
            if file.is_compiled and table.map not in first and table.name not in asked:
                continue
            if missing and not table.map.startswith("_"):
                place = f"{file.name}:{table.line}" if table.line else file.name
                text = f"{place}: EINVAL: {table.name or table.map}: {missing}"
                problems.append(document.problem(("objects", file.index), text))
    return problems


def _asked_for(document: Document) -> set[str]:
    """Return the names that sockets are to choose."""
    found = {target_name(_keys(document.get("kernel")).get("default"))}
    for section in ("flows", "listeners", "workloads", "swaps"):
        entries = document.get(section)
        for entry in entries if isinstance(entries, list) else []:
            keys = _keys(entry)
            found |= {target_name(keys.get("congestion")), target_name(keys.get("to"))}
    return found


def known_names(document: Document, files: Sequence[ObjectFile]) -> Known:
    """Collect what a scenario may refer to; reads it before it is validated, so asks for little.

    A map of an object file that is put behind a link is registered by the link's name alone.
    """
    tables = [t for file in files for t in file.tables.found if not t.map.startswith("_")]
    shipped = catalog.algorithm_files()
    links, linked = _links(document)
    own = {table.name for table in tables if table.name and table.map not in linked}
    return Known(
        maps=frozenset({*shipped, *(table.map for table in tables)}),
        names=frozenset({*shipped, *own, *links}),
        links=frozenset(links),
        flows=_flow_names(document.get("flows")) | _workload_names(document.get("workloads")),
        workloads=_listener_names(document.get("workloads")),
        listeners=_listener_names(document.get("listeners")),
        namespaces=frozenset({INIT_NET, *_keys(document.get("namespaces"))}),
        policies=frozenset(name for file in files for name in file.policies),
        complete=all(file.is_complete for file in files),
    )


def _links(document: Document) -> tuple[set[str], set[str]]:
    """Return the links' names, and the maps that they or a link update put behind them."""
    swaps = document.get("swaps")
    linked = _maps_behind(document)
    for swap in swaps if isinstance(swaps, list) else []:
        if isinstance(swap, dict) and swap.get("via") in LINK_MECHANISMS:
            linked.add(target_name(swap.get("to")))
    return set(_keys(document.get("links"))), linked


def _maps_behind(document: Document) -> set[str]:
    """Return the maps that the scenario's links begin with."""
    return {target_name(map_name) for map_name in _keys(document.get("links")).values()} - {""}


def target_name(value: object) -> str:
    """Return the name in what a document says, bare or with parameters; empty if there is none."""
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else ""


def _keys(section: object) -> dict[str, object]:
    """Return a mapping of the document; empty where it holds something else."""
    return dict(section) if isinstance(section, dict) else {}


def _listener_names(listeners: object) -> frozenset[str]:
    """Return the names that listeners have been given."""
    entries = listeners if isinstance(listeners, list) else []
    names = [_keys(entry).get("name") for entry in entries]
    return frozenset(name for name in names if isinstance(name, str))


def flow_names(name: str, count: int | None) -> tuple[str, ...]:
    """Return the flows that one entry stands for: itself, or with a count name-1, name-2, …."""
    return (name,) if count is None else tuple(f"{name}-{i + 1}" for i in range(count))


def _workload_names(workloads: object) -> dict[str, tuple[str, ...]]:
    """Return the workloads' names, each of which stands for its connections, however many."""
    return {name: (name,) for name in _listener_names(workloads)}


def _flow_names(flows: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for i, flow in enumerate(flows if isinstance(flows, list) else []):
        plain = flow if isinstance(flow, dict) else {}
        name, count = plain.get("name", f"flow-{i + 1}"), plain.get("count")
        if isinstance(name, str):
            several = isinstance(count, int) and 1 <= count <= MAX_COUNT
            members = flow_names(name, count if several else None)
            found |= {member: (member,) for member in members} | {name: members}
    return found
