"""What tells the runs of one scenario's name apart: overrides, the seed, the code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccsim.catalog import labelled
from ccsim.experiment.integrity import MANIFEST
from ccsim.units import format_rate, format_size, format_time

__all__ = ["differences"]

SHOWN = 4
"""How many values of a run are shown; of the others, only their number."""
RESOLVED = "resolved.json"
_PARAMETERS = {"to": "to_params", "congestion": "congestion_params", "map": "params"}
_UNITS = {"_ns": format_time, "_bps": format_rate, "_bytes": format_size}


def differences(folders: Sequence[Path]) -> list[str]:
    """Return for each run of one name what it differs in from the others, as overrides are written:
    ``duration=10 s seed=2``; empty where nothing does, or the run cannot be read.

    Where all were made from the same file, that is what was overridden, word for word.
    """
    manifests = [_document(folder / MANIFEST) for folder in folders]
    given = [_overrides(manifest) for manifest in manifests]
    same_file = len({_text(folder / "scenario.yaml") for folder in folders}) == 1
    if same_file and all(words is not None for words in given):
        told = [[word for word in words or () if _differs(word, given)] for words in given]
        if len({tuple(words) for words in told}) == len(folders):
            return [" ".join(words) or "as written" for words in told]
    values = [
        _values(folder, manifest) for folder, manifest in zip(folders, manifests, strict=True)
    ]
    return [" ".join(_told(own, values)) for own in values]


def _differs(word: str, given: Sequence[Sequence[str] | None]) -> bool:
    return not all(word in (words or ()) for words in given)


def _overrides(manifest: Mapping[str, Any]) -> list[str] | None:
    """Return what the command of a run overrode, and its seed; None if it was no command's."""
    words = [str(word) for word in manifest.get("argv", ())]
    if words[1:2] != ["run"]:
        return None
    found = [word for word in words[2:] if "=" in word and not word.startswith("-")]
    return [*found, f"seed={manifest.get('seed')}"] if "--seed" in words else found


def _values(folder: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return all that may differ, by the keys of a scenario."""
    resolved = _document(folder / RESOLVED)
    for known in ("name", "description", "objects"):
        resolved.pop(known, None)
    code = str(manifest.get("code_sha256", ""))[:8]
    return {**dict(_flat(resolved, "")), "code": code}


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the values of a resolved scenario under dotted keys, of a list's entry its name."""
    if isinstance(value, Mapping):
        for name, inner in _with_labels(value).items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for number, entry in enumerate(value):
            own = entry.get("name", number) if isinstance(entry, Mapping) else number
            yield from _flat(entry, f"{key}.{own}")
    else:
        unit = next((unit for unit in _UNITS if key.endswith(unit)), "")
        whole = isinstance(value, int) and not isinstance(value, bool)
        text = _UNITS[unit](value) if unit and whole else _plain(value)
        yield key.removesuffix(unit), text


def _with_labels(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which what has parameters of its own is called as in tables."""
    found = dict(value)
    for name, params in _PARAMETERS.items():
        if name in found and isinstance(found.get(params), Mapping):
            found[name] = labelled(str(found[name]), found.pop(params))
    return found


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _told(own: Mapping[str, str], all_values: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the values of one run that are not the same in all."""
    keys = [key for key in own if len({other.get(key) for other in all_values}) > 1]
    yield from (f"{key}={own[key]}" for key in keys[:SHOWN])
    if len(keys) > SHOWN:
        yield f"and {len(keys) - SHOWN} more"


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
