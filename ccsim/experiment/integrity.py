"""Whether a stored run or study is what was written: its documents have their shape, its files
their content.

The manifest holds the SHA-256 of every file, and for a large one also of a sample of its blocks: a
reader checks small files whole and large ones by size and sample, or with ``verify`` all of them
whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from ccsim.errors import ResultsError

__all__ = ["MANIFEST", "SEAL", "check_run", "check_study", "hashes_of", "is_broken", "sha256_of"]

MANIFEST = "manifest.json"
METRICS = "metrics.json"
RESOLVED = "resolved.json"
TRACE = "trace.json"
PLAN = "plan.json"
SEALED = "parts/*.parquet"
SEAL = ".sha256"
"""Beside a part of a study, whose manifest comes with its end, stands its SHA-256 in a file of this
suffix, which is written before the part gets its name."""
WHOLE_BYTES = 4 << 20
"""A file up to this size is hashed whole by every reader: some 3 ms."""
BLOCK_BYTES = 1 << 16
BLOCKS = 33
"""How many blocks of a larger one are: the first, the last, the middle one, evenly spaced."""

_NUMBER = (int, float)
_HASHES = {"sha256": {str: str}}
_VERSIONS = {"versions": {"ccsim": str}}
_RUN = {"scenario": str, "run_id": str, "status": str, "seed": int, **_HASHES, **_VERSIONS}
_STUDY = {"kind": str, "study": str, "status": str, **_VERSIONS}
_METRICS = {
    "duration_s": _NUMBER,
    "failed": (str, NoneType),
    "phases": [{"phase": int}],
    "flows": [{"flow": str, "phase": int}],
    "links": [{"link": str, "phase": int}],
    "fairness": [dict],
    "totals": [{"flow": str}],
    "swaps": [{"index": int, "flows": [{"flow": str}]}],
}
_RESOLVED = {"name": str, "duration_ns": int, "seed": int, "flows": [dict], "swaps": [dict]}
_TRACE = {
    "duration_ns": int,
    "failed": str,
    "flows": [{"name": str, "samples": int, "implementations": [str], "counters": {str: int}}],
    "links": [{"name": str, "samples": int}],
    "swaps": [dict],
}
_PLAN = {
    "study": str,
    "columns": [{"name": str, "role": str, "type": str, "of": str}],
    "runs": [{"run_id": str, "point": int, "seed": int, "values": dict}],
}


def check_run(folder: Path, *, verify: bool = False) -> tuple[Any, Any, Any]:
    """Return a run's resolved scenario, manifest and metrics.

    ResultsError "the run is damaged: …" if one of its documents has another shape or one of its
    files another content than when it was written; pictures, which can be drawn again, do not
    count.
    """
    manifest = _document(folder, MANIFEST, _RUN, "run")
    traces = [name for name in manifest["sha256"] if name.split("/")[-1] == TRACE]
    _check_files(folder, manifest, (RESOLVED, METRICS, TRACE), "run", verify=verify)
    for name in traces:
        _document(folder, name, _TRACE, "run")
    resolved = _document(folder, RESOLVED, _RESOLVED, "run")
    return resolved, manifest, _document(folder, METRICS, _METRICS, "run")


def check_study(folder: Path, *, verify: bool = False) -> tuple[Any, Any]:
    """Return a study's manifest and plan, as `check_run` does; of one that is under way only the
    finished runs are known."""
    manifest = _document(folder, MANIFEST, _STUDY, "study")
    if "sha256" in manifest:
        _mismatch(manifest, _HASHES, folder, MANIFEST, "study")
        _check_files(folder, manifest, (PLAN,), "study", verify=verify)
    else:
        for part in sorted(folder.glob(SEALED)):
            if is_broken(part):
                what = f"{part.relative_to(folder)}: its SHA-256 is not that of what was written"
                raise _damaged(folder, "study", what)
    return manifest, _document(folder, PLAN, _PLAN, "study")


def hashes_of(folder: Path, files: Iterable[Path]) -> dict[str, Any]:
    """Return what a manifest says of files below a folder: ``sha256`` by relative name, and of
    large ones ``sampled``."""
    found: dict[str, dict[str, Any]] = {"sha256": {}}
    for path in sorted(files):
        name = path.relative_to(folder).as_posix()
        found["sha256"][name] = sha256_of(path)
        if path.stat().st_size > WHOLE_BYTES:
            sample = {"bytes": path.stat().st_size, "sha256": _sampled(path)}
            found.setdefault("sampled", {})[name] = sample
    return found


def is_broken(part: Path) -> bool:
    """Report whether a part of a study is not what its seal says; without one, as of an earlier
    version, nobody knows, and it is not. A part that is gone is not: it has become another's."""
    try:
        return sha256_of(part) != part.with_suffix(SEAL).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _document(folder: Path, name: str, shape: Any, kind: str) -> Any:
    """Return a JSON document of the folder."""
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _damaged(folder, kind, f"{name}: cannot be read: {reason}") from error
    _mismatch(value, shape, folder, name, kind)
    return value


def _mismatch(value: Any, shape: Any, folder: Path, name: str, kind: str) -> None:
    wrong = _wrong(value, shape)
    if wrong:
        raise _damaged(folder, kind, f"{name}: {wrong}")


def _wrong(value: Any, shape: Any, place: str = "") -> str:
    """Return where and how a value of JSON is not of a shape; empty if it is.

    A shape is a type or several; a list of what each item must be; a dict of the keys that there
    must be, or ``{str: …}`` for what stands under any key.
    """
    kinds: Any = type(shape) if isinstance(shape, list | dict) else shape
    wrong_kind = not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int)
    if wrong_kind:
        return f"{place or 'the document'}: expected {_named(kinds)}, got {_named(type(value))}"
    prefix = f"{place}." if place else ""
    parts: Iterable[tuple[str, Any, Any]] = ()
    if isinstance(shape, list):
        parts = ((str(i), item, shape[0]) for i, item in enumerate(value))
    elif isinstance(shape, dict) and str in shape:
        parts = ((key, item, shape[str]) for key, item in value.items())
    elif isinstance(shape, dict):
        missing = [key for key in shape if key not in value]
        if missing:
            return f"{prefix}{missing[0]}: expected a value, got none"
        parts = ((key, value[key], inner) for key, inner in shape.items())
    return next((text for key, v, s in parts if (text := _wrong(v, s, f"{prefix}{key}"))), "")


def _named(kinds: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", NoneType: "null"}
    names |= {list: "a list", dict: "an object", bool: "true or false"}
    several = kinds if isinstance(kinds, tuple) else (kinds,)
    return " or ".join(names[kind] for kind in several)


def _check_files(
    folder: Path, manifest: Mapping[str, Any], needed: Iterable[str], kind: str, *, verify: bool
) -> None:
    """Check that the files are there which the manifest names, with their content."""
    hashes = manifest["sha256"]
    sampled = manifest.get("sampled")
    sampled = sampled if isinstance(sampled, dict) else {}
    missing = [name for name in needed if name not in hashes]
    if missing:
        raise _damaged(folder, kind, f"{MANIFEST}: sha256: expected {missing[0]}, got none")
    for name, digest in hashes.items():
        if name.startswith("plots/"):
            continue
        if name.startswith("/") or ".." in name.split("/"):
            raise _damaged(folder, kind, f"{MANIFEST}: sha256: {name!r} is no file of the {kind}")
        try:
            changed = _changed(folder / name, digest, sampled.get(name), verify=verify)
        except OSError as error:
            reason = error.strerror or str(error)
            raise _damaged(folder, kind, f"{name}: cannot be read: {reason}") from error
        if changed:
            raise _damaged(folder, kind, f"{name}: {changed}")


def _changed(path: Path, digest: str, sample: Any, *, verify: bool) -> str:
    """Return how a file differs from what was written; empty if it does not, as far as looked."""
    size = path.stat().st_size
    if verify or size <= WHOLE_BYTES:
        same = sha256_of(path) == digest
        return "" if same else "its SHA-256 is not that of what was written"
    if not isinstance(sample, dict):
        return ""  # written by an earlier version: --verify tells
    if size != sample.get("bytes"):
        return f"expected {sample.get('bytes')} bytes, got {size}"
    return "" if _sampled(path) == sample.get("sha256") else "a sample of it has changed"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sampled(path: Path) -> str:
    """Return the SHA-256 of a file's blocks, evenly spaced from the first to the last."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        last = path.stat().st_size - BLOCK_BYTES
        for number in range(BLOCKS):
            stream.seek(last * number // (BLOCKS - 1))
            digest.update(stream.read(BLOCK_BYTES))
    return digest.hexdigest()


def _damaged(folder: Path, kind: str, what: str) -> ResultsError:
    again = {"run": "run the scenario again", "study": "ccsim sweep makes again what is"}[kind]
    return ResultsError(str(folder), f"the {kind} is damaged: {what}; {again}")
