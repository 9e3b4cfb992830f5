"""What a scenario asks of the tables behind its names: read in algorithm files that are not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ccsim import catalog
from ccsim.scenario.models import Parameter
from ccsim.scenario.objects import ObjectFile
from ccsim.scenario.vocabulary import did_you_mean, listed
from ccsim.units import show

__all__ = ["is_restricted", "wrong_parameters"]

_FITTING: Mapping[str, tuple[type, ...]] = {
    "bool": (bool, int),
    "int": (bool, int),
    "float": (bool, int, float),
    "str": (str,),
}
_SPELLED = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}


def wrong_parameters(
    name: str,
    params: Mapping[str, Parameter],
    links: Mapping[str, str],
    files: Sequence[ObjectFile],
) -> Iterator[tuple[str, str]]:
    """Yield each parameter that ``name`` does not take, with what is wrong about it.

    Nothing is said where only running the algorithm's file would tell; ``links`` maps a link's name
    to its map, which takes no parameters of a socket's own.
    """
    if name in links:
        for key in params:
            yield key, f"{name!r} is a link; parameters go with the algorithm itself"
        return
    known = _parameters_of(name, links, files) if params else None
    if known is None:
        return
    for key, value in params.items():
        if key not in known:
            expected = f"; expected {listed(known)}" if known else "; it takes none"
            near = did_you_mean(key, known) or expected
            yield key, f"{name!r} has no parameter {key!r}{near}"
        elif not isinstance(value, _FITTING.get(known[key], (object,))):
            yield key, f"parameter {key!r}: expected {_SPELLED[known[key]]}, got {show(value)}"


def is_restricted(name: str, links: Mapping[str, str], files: Sequence[ObjectFile]) -> bool:
    """Tell whether an algorithm surely lacks TCP_CONG_NON_RESTRICTED: only the initial namespace
    may default to it.
    """
    found = _table_of(name, links, files)
    return found is not None and found[1].restricted is True


def _parameters_of(
    name: str, links: Mapping[str, str], files: Sequence[ObjectFile]
) -> dict[str, str] | None:
    found = _table_of(name, links, files)
    return catalog.read_parameters(found[0], found[1].map) if found else None


def _table_of(
    name: str, links: Mapping[str, str], files: Sequence[ObjectFile]
) -> tuple[str, catalog.Table] | None:
    """Return the table that sockets find under a name, and the source that it stands in.

    Behind a link it is the link's map; else a user's file goes before a shipped one. None when only
    running the user's files would tell.
    """
    for file in files:
        for table in file.tables.found:
            own = table.name == name and table.map not in links.values()
            if table.map == links[name] if name in links else own:
                return file.source, table
    if not all(file.tables.complete for file in files):
        return None
    path = catalog.algorithm_files().get(links.get(name, name))
    if path is None:
        return None
    source = path.read_text(encoding="utf-8")
    tables = catalog.read_tables(source).found
    wanted = links.get(name, name)
    return next(((source, t) for t in tables if wanted in (t.name, t.map)), None)
