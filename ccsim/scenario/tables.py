"""What a scenario asks of the tables behind its names: read in algorithm files that are not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ccsim import catalog
from ccsim.kernel.loader import load_file
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.scenario.objects import ObjectFile
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.spec.limits import Parameter
from ccsim.units import show

__all__ = ["is_restricted", "wrong_parameters"]

_FITTING: Mapping[str, tuple[type, ...]] = {
    "bool": (bool, int),
    "int": (bool, int),
    "float": (bool, int, float),
    "str": (str,),
}
INT_MIN, INT_MAX = -(2**31), 2**31 - 1
"""What a module parameter of Linux holds."""
_SPELLED = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}


def wrong_parameters(
    name: str,
    params: Mapping[str, Parameter],
    links: Mapping[str, str],
    files: Sequence[ObjectFile],
    *,
    is_map: bool = False,
) -> Iterator[tuple[str, str]]:
    """Yield each parameter that ``name`` does not take, with what is wrong about it.

    Nothing is said where only running a user's file would tell; ``links`` maps a link's name to its
    map, which takes no parameters of a socket's own. ``is_map`` says that ``name`` is a map's.
    """
    if name in links and not is_map:
        for key in params:
            yield key, f"{name!r} is a link; parameters go with the algorithm itself"
        return
    found = _table_of(name, links, files, is_map) if params else None
    known = catalog.read_parameters(found[0], found[1].map) if found else None
    wrong = [(key, _wrong(name, known, key, value)) for key, value in params.items()]
    wrong = [(key, text) for key, text in wrong if text]
    yield from wrong
    if found and not wrong and (path := _shipped_file(name, found[0])):
        yield from _out_of_range(path, found[1].map, params)


def _wrong(name: str, known: Mapping[str, str] | None, key: str, value: Parameter) -> str:
    """Say what is wrong with one parameter; ``known`` are the table's and their types, if these
    can be told."""
    if known is not None and key not in known:
        expected = f"; expected {listed(known)}" if known else "; it takes none"
        return f"{name!r} has no parameter {key!r}{did_you_mean(key, known) or expected}"
    kind = "" if known is None else known[key]
    if not isinstance(value, _FITTING.get(kind, (object,))):
        return f"parameter {key!r}: expected {_SPELLED[kind]}, got {show(value)}"
    if kind != "float" and isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return f"parameter {key!r}: expected an int of C, {INT_MIN} to {INT_MAX}, got {show(value)}"
    return ""


def _out_of_range(
    path: Path, map_name: str, params: Mapping[str, Parameter]
) -> Iterator[tuple[str, str]]:
    """Yield what a shipped algorithm's parameters themselves refuse, each alone or all together."""
    defaults: Any = _shipped_tables(path, path.stat().st_mtime_ns)[map_name].params
    each = [(key, {key: value}) for key, value in params.items()]
    found = [(key, text) for key, own in each if (text := _refusal(defaults, own))]
    if not found and (text := _refusal(defaults, params)):
        found = [(each[0][0], text)]
    yield from found


def _refusal(defaults: Any, own: Mapping[str, Parameter]) -> str:
    """Return why a dataclass of parameters does not take some of them; empty if it does."""
    try:
        replace(defaults, **own)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


@lru_cache(maxsize=64)
def _shipped_tables(path: Path, mtime_ns: int) -> Mapping[str, TcpCongestionOps]:
    return load_file(path)[0]


def _shipped_file(name: str, source: str) -> Path | None:
    """Return the shipped file that a source was read from; None for a user's, which is not run."""
    path = catalog.algorithm_files().get(name)
    return path if path is not None and path.read_text(encoding="utf-8") == source else None


def is_restricted(name: str, links: Mapping[str, str], files: Sequence[ObjectFile]) -> bool:
    """Report whether an algorithm surely lacks TCP_CONG_NON_RESTRICTED: only the initial namespace
    may default to it.
    """
    found = _table_of(name, links, files)
    return found is not None and found[1].restricted is True


def _table_of(
    name: str, links: Mapping[str, str], files: Sequence[ObjectFile], is_map: bool = False
) -> tuple[str, catalog.Table] | None:
    """Return the table that sockets find under a name, and the source that it stands in.

    Behind a link it is the link's map; else a user's file goes before a shipped one. None when only
    running the user's files would tell.
    """
    map_name = name if is_map else links.get(name, "")
    for file in files:
        for table in file.tables.found:
            own = table.name == name and table.map not in links.values()
            if table.map == map_name if map_name else own:
                return file.source, table
    if not all(file.tables.complete for file in files):
        return None
    path = catalog.algorithm_files().get(map_name or name)
    if path is None:
        return None
    source = path.read_text(encoding="utf-8")
    tables = catalog.read_tables(source).found
    return next(((source, t) for t in tables if (map_name or name) in (t.name, t.map)), None)
