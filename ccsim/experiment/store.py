"""The result store: ``results/<scenario>/<run_id>/``, written aside and renamed when it is whole.

The same scenario, seed and code give the same bytes in every file but ``manifest.json``, which
alone holds what differs between repeats: when, how long, with which command and which versions.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ccsim
from ccsim.errors import ResultsError
from ccsim.experiment.code_identity import code_sha256
from ccsim.experiment.integrity import MANIFEST, hashes_of
from ccsim.experiment.parquet import connect, write_result
from ccsim.files import to_json
from ccsim.jobs.processes import is_alive
from ccsim.sim.traces import SimResult

__all__ = [
    "FAILED_SUFFIX",
    "MANIFEST",
    "METRICS",
    "RESOLVED",
    "SCENARIO",
    "TWIN_FOLDERS",
    "explained",
    "finish",
    "folder_for",
    "left_behind",
    "package_versions",
    "run_id",
    "unfinished_folder",
    "write_manifest",
    "write_run",
]

METRICS = "metrics.json"
RESOLVED = "resolved.json"
SCENARIO = "scenario.yaml"
TWIN_FOLDERS = {"twin_a": "twin-a", "twin_b": "twin-b"}
FAILED_SUFFIX = ".failed"
_UNFINISHED = ".tmp-"
_REPLACED = ".old-"


def run_id(identity: Mapping[str, Any], seed: int) -> str:
    """Return 12 hex digits of the SHA-256 of a scenario's identity, seed, and the code it runs."""
    code = {"ccsim": ccsim.__version__, "code": code_sha256(identity)}
    content = {"scenario": identity, "seed": seed, **code}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def folder_for(out: Path, scenario: str, name: str) -> Path:
    """Return ``out/<scenario>/<name>``; whatever could leave ``out`` becomes ``_``."""
    return out / _harmless(scenario) / _harmless(name)


@contextmanager
def unfinished_folder(final: Path) -> Iterator[Path]:
    """Give a folder beside ``final`` to fill; what is not renamed by `finish` goes at the end.

    So nothing half-written stays when anything is raised, Ctrl-C too. What killed processes of this
    machine left is removed first. ResultsError if the place cannot be written.
    """
    folder: Path | None = None
    try:
        with explained(final):
            with suppress(FileNotFoundError):  # no folder yet, or another process just removed it
                _remove_stale(final.parent)
            folder = _make_folder(final)
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            final.parent.rmdir()  # which succeeds only if no run is in it


def finish(folder: Path, final: Path) -> None:
    """Rename ``folder`` to ``final``; a run that is there is replaced, or comes back on failure."""
    old = final.with_name(folder.name.replace(_UNFINISHED, _REPLACED, 1))
    try:
        with suppress(FileNotFoundError):
            final.rename(old)
        folder.rename(final)
    except BaseException:
        if old.exists() and not final.exists():
            old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def explained(final: Path) -> Iterator[None]:
    """Turn an OSError about a result folder into a ResultsError that says how to mend it."""
    try:
        yield
    except ResultsError as error:  # of the unfinished folder, which is about to go
        raise ResultsError(str(final), error.reason) from error
    except OSError as error:
        hint = "choose another folder with --out DIR, or make this one writable"
        reason = f"cannot write results: {error.strerror or error}; {hint}"
        raise ResultsError(str(final), reason) from error


def write_run(
    folder: Path,
    *,
    scenario_text: str,
    resolved: Mapping[str, Any],
    metrics: Mapping[str, Any],
    results: Mapping[str, SimResult | None],
) -> None:
    """Write all of a run but its plots and its manifest into an existing folder.

    ``results`` has the key ``result`` and, if they were run, ``twin_a`` and ``twin_b``.
    """
    if scenario_text:
        (folder / SCENARIO).write_text(scenario_text, encoding="utf-8")
    write_json(folder / RESOLVED, resolved)
    write_json(folder / METRICS, metrics)
    with connect() as db:
        for key, result in results.items():
            if result is not None:
                place = folder / TWIN_FOLDERS.get(key, "")
                place.mkdir(exist_ok=True)
                write_result(db, result, place)


def write_manifest(folder: Path, **facts: Any) -> dict[str, Any]:
    """Write and return the manifest: the given facts, versions, and the SHA-256 of every file."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    manifest = {**facts, "versions": package_versions(), **hashes_of(folder, files)}
    write_json(folder / MANIFEST, manifest)
    return manifest


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document, the same for the same value."""
    text = to_json(value, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _harmless(name: str) -> str:
    """Return a name as one path component that no shell or glob minds and that is not hidden."""
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:100].lstrip(".") or "_"


def _make_folder(final: Path) -> Path:
    """Make an unfinished folder whose name tells the run, this machine and this process."""
    owner = f"{_harmless(socket.gethostname())}-{os.getpid()}"
    for number in itertools.count():
        folder = final.with_name(f"{_UNFINISHED}{final.name}-{owner}-{number}")
        final.parent.mkdir(parents=True, exist_ok=True)
        # this name is taken, or the empty folder above it has just been removed
        with suppress(FileExistsError, FileNotFoundError):
            folder.mkdir()
            break
    return folder


def left_behind(parent: Path) -> list[Path]:
    """Return the unfinished folders in one that dead processes of this machine left, in order."""
    return [path for path, _ in _stale(parent)]


def _stale(parent: Path) -> list[tuple[Path, str]]:
    """Return what dead processes of this machine left, and of which runs it is."""
    host = re.escape(_harmless(socket.gethostname()))
    left = re.compile(rf"\.(tmp|old)-(?P<run>[^-]+)-{host}-(?P<pid>\d+)-\d+")
    found = [(path, left.fullmatch(path.name)) for path in sorted(parent.iterdir())]
    return [(path, one["run"]) for path, one in found if one and not is_alive(int(one["pid"]))]


def _remove_stale(parent: Path) -> None:
    """Remove what dead processes of this machine left; put back a run that one was replacing."""
    for path, run in _stale(parent):
        final = parent / run
        if path.name.startswith(_REPLACED) and not final.exists():
            path.rename(final)
        else:
            shutil.rmtree(path, ignore_errors=True)


def package_versions() -> dict[str, str]:
    """Return the versions of ccsim, Python and the packages that results depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"ccsim": ccsim.__version__, "python": platform.python_version()}
    for package in ("numpy", "simpy", "duckdb", "matplotlib"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
