"""What a swap meets: a path, and who else is on it, from a command line's words or a scenario."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ccsim.catalog import find_scenario
from ccsim.errors import CcsimError, ScenarioError
from ccsim.experiment.advice.algorithm import algorithm_of
from ccsim.scenario import load_scenario
from ccsim.scenario.document import parse_value
from ccsim.scenario.load import read_document
from ccsim.scenario.path_presets import PRESETS
from ccsim.units import parse_rate_bps

__all__ = ["Surroundings", "path_keys", "surroundings_of"]

Keys = dict[str, Any]

_MANY = re.compile(r"(?:(?P<count>\d+)\s+)?(?P<algorithm>\S.*)")
_ENDINGS = (".yaml", ".yml")
_UNKNOWN = ("hops", "routes", "listeners", "namespaces", "changes")
"""What a scenario may have that no answer takes into account."""
DATAGRAM = "1200 B"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The keys of a scenario but for the connections that are swapped; ``kept`` are its ``tcp``,
    ``hosts`` and ``kernel``, ``texts`` says who else is there."""

    path: Keys
    kept: Keys = field(default_factory=dict)
    links: Keys = field(default_factory=dict)
    flows: tuple[Keys, ...] = ()
    traffic: tuple[Keys, ...] = ()
    workloads: tuple[Keys, ...] = ()
    objects: tuple[Any, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def keys(self) -> Keys:
        """What a scenario has under its own keys, of those that are not empty, but for links,
        flows and objects."""
        beside = {"traffic": list(self.traffic), "workloads": list(self.workloads)}
        return {"path": self.path, **self.kept, **{k: v for k, v in beside.items() if v}}


def surroundings_of(path: str, cross: Sequence[str] = ()) -> Surroundings:
    """Return what is meant by a path (a preset, keys, or a scenario's file) and by what crosses it.

    Of ``cross`` each is an algorithm, which fills what it is left, ``3 cubic``, or the mean rate
    of datagrams, ``500 kbit/s``. CcsimError says what is wrong with which of them.
    """
    found = _of_file(path) if path.endswith(_ENDINGS) else Surroundings(path_keys(path))
    for number, text in enumerate(cross, 1):
        found = _with(found, f"cross{number}", text.strip())
    return found


def path_keys(text: str) -> Keys:
    """Return the keys of a path: ``dsl``, ``dsl,rtt=60 ms``, or all of it as key=value."""
    keys: Keys = {}
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


# --- what crosses ---------------------------------------------------------------------------------


def _with(found: Surroundings, name: str, text: str) -> Surroundings:
    """Return surroundings with one more that crosses."""
    texts = (*found.texts, text)
    try:
        parse_rate_bps(text)
    except ValueError:
        flow, file = _flow(name, text)
        objects = found.objects if file in ("", *found.objects) else (*found.objects, file)
        return replace(found, flows=(*found.flows, flow), objects=objects, texts=texts)
    datagrams = {"name": name, "size": DATAGRAM, "poisson": text}
    return replace(found, traffic=(*found.traffic, datagrams), texts=texts)


def _flow(name: str, text: str) -> tuple[Keys, str]:
    """Return the flows that ``3 cubic`` means, and their algorithm's file."""
    if not (words := _MANY.fullmatch(text)):
        expected = "an algorithm, 3 cubic, or a rate of datagrams as in 500 kbit/s"
        raise CcsimError(f"advise: --cross: expected {expected}, got {text!r}")
    one = algorithm_of("--cross", words["algorithm"])
    count = {"count": int(words["count"])} if words["count"] else {}
    return {"name": name, "congestion": one.as_name, **count}, one.file


# --- a scenario's own -----------------------------------------------------------------------------


def _of_file(text: str) -> Surroundings:
    """Return a scenario's path and all on it that its own swaps do not reach."""
    load_scenario(text)
    file = find_scenario(text)
    data: Keys = read_document(file, text).data
    if other := [key for key in _UNKNOWN if data.get(key)]:
        raise CcsimError(
            f"advise: --path: {text}: expected a scenario of one path, got one with {other[0]}"
        )
    swaps = data.get("swaps") or []
    others = {
        kind: tuple(_renamed(one) for one in data.get(kind) or () if not _reached(one, swaps))
        for kind in ("flows", "workloads")
    }
    traffic = tuple(_renamed(one) for one in data.get("traffic") or ())
    everybody = (*others["flows"], *others["workloads"], *traffic)
    asked_for = [one.get("congestion") for one in everybody]
    return Surroundings(
        path=data["path"],
        kept={key: data[key] for key in ("tcp", "hosts", "kernel") if data.get(key)},
        links={k: v for k, v in (data.get("links") or {}).items() if k in asked_for},
        objects=tuple(_absolute(one, file.parent) for one in data.get("objects") or ()),
        texts=tuple(str(one["name"]).removeprefix(_BESIDE) for one in everybody),
        traffic=traffic,
        **others,
    )


_BESIDE = "beside-"


def _renamed(one: Mapping[str, Any]) -> Keys:
    """Return an entry under a name that none of the swapped connections has."""
    return {**one, "name": f"{_BESIDE}{one['name']}"}


def _reached(one: Mapping[str, Any], swaps: Sequence[Mapping[str, Any]]) -> bool:
    """Report whether a swap moves a flow or workload, or the link that it chooses."""
    return any(
        swap.get("link", "") == one.get("congestion")
        or (swap.get("via") == "sweep" and not swap.get("flows"))
        or any(_is_of(name, one) for name in swap.get("flows") or ())
        for swap in swaps
    )


def _is_of(name: str, one: Mapping[str, Any]) -> bool:
    """Report whether a flow is of an entry, which may stand for several: ``web-3`` of ``web``."""
    return re.fullmatch(rf"{re.escape(str(one['name']))}(?:-\d+)?", name) is not None


def _absolute(entry: Any, folder: Path) -> Any:
    """Return an entry of ``objects`` that means the same file wherever a scenario lies."""
    if isinstance(entry, Mapping):
        return {**entry, "file": str((folder / entry["file"]).resolve())}
    return str((folder / entry).resolve())
