"""What there is below the results folder: runs and studies, their status, age and size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.study.folder import MANIFEST, PLAN, is_held
from ccsim.experiment.study.variants import differences
from ccsim.files import entries

__all__ = ["Entry", "entry_of", "find_study_folder", "listing", "own_files", "study_folder"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A run or a study: ``runs`` are a study's, ``age_s`` counts from its last change, ``differs``
    tells a run from others of its name."""

    name: str
    kind: str
    run_id: str
    status: str
    runs: int | None
    age_s: float
    size_bytes: int
    path: str
    differs: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def cells(self) -> list[str]:
        """Return it as a row of text, sizes in MB."""
        runs = "–" if self.runs is None else str(self.runs)
        size = f"{self.size_bytes / 1e6:.2f}"
        row = [self.name, self.kind, self.run_id, self.status, runs, self.age, size]
        return [*row, self.differs or "–"]

    @property
    def age(self) -> str:
        """The age in its largest whole unit: 5 s, 12 min, 3 h, 2 d."""
        for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
            if self.age_s >= length:
                return f"{self.age_s / length:.0f} {unit}"
        return f"{self.age_s:.0f} s"


def listing(results: Path) -> list[Entry]:
    """Return the runs and studies below a folder, by name, the newest first of one name."""
    folders = entries(results)
    folders += [path for folder in folders for path in entries(folder)]
    found = [entry for folder in folders for entry in _entries(folder / MANIFEST)]
    ordered = sorted(found, key=lambda entry: (entry.name, entry.kind, entry.age_s))
    return list(_told_apart(ordered))


def entry_of(folder: Path) -> Entry | None:
    """Return what is known of one run's or study's folder; None for another folder."""
    return next(_entries(folder / MANIFEST), None)


def _told_apart(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the entries, runs of one name with what they differ in."""
    for (_, kind), group in groupby(entries, key=lambda entry: (entry.name, entry.kind)):
        some = list(group)
        if kind != "run" or len(some) == 1:
            yield from some
            continue
        told = differences([Path(entry.path) for entry in some])
        yield from (replace(entry, differs=text) for entry, text in zip(some, told, strict=True))


def find_study_folder(text: str, results: Path) -> Path | None:
    """Return the folder of a study named by its path or its name; None if there is none."""
    for path in (Path(text), results / text):
        if text and _kind(_manifest(path / MANIFEST)) == "study":
            return path
    return None


def study_folder(text: str, results: Path) -> Path:
    """Return the folder of a study; ResultsError if there is none of that name."""
    found = find_study_folder(text, results)
    if found is None:
        reason = f"expected a study's name or folder, got nothing of that name below {results}"
        raise ResultsError(text, reason)
    return found


def _manifest(path: Path) -> dict[str, Any]:
    """Return a manifest; empty for a file that is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _kind(manifest: dict[str, Any]) -> str:
    if manifest.get("kind") == "study":
        return "study"
    return "run" if "run_id" in manifest else ""


def _entries(path: Path) -> Iterator[Entry]:
    """Yield what is known of the folder of a manifest; nothing of one that is being deleted."""
    with suppress(FileNotFoundError):
        yield from _known(path)


def _known(path: Path) -> Iterator[Entry]:
    manifest, folder = _manifest(path), path.parent
    kind = _kind(manifest)
    if not kind or folder.name.startswith("."):
        return
    study = kind == "study"
    inside = own_files(folder) if study else folder.rglob("*")
    files = [path for path in inside if path.is_file()]
    changed = max((file.stat().st_mtime for file in files), default=time.time())
    yield Entry(
        name=str(manifest.get("study" if study else "scenario", folder.parent.name)),
        kind=kind,
        run_id="–" if study else str(manifest["run_id"]),
        status=_status(folder, manifest),
        runs=_planned(folder) if study else None,
        age_s=round(max(time.time() - changed, 0.0), 3),
        size_bytes=sum(file.stat().st_size for file in files),
        path=str(folder),
    )


def own_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a study's folder, without those of runs of a scenario of the same name."""
    for path in folder.rglob("*"):
        top = path.relative_to(folder).parts[0]
        if path.is_file() and not (folder / top / MANIFEST).is_file():
            yield path


def _status(folder: Path, manifest: dict[str, Any]) -> str:
    """Return the status; a study that says it runs while no process holds it was killed."""
    status = str(manifest.get("status", "unknown"))
    if status == "running" and not is_held(folder):
        return "interrupted"
    return status


def _planned(folder: Path) -> int:
    try:
        runs = json.loads((folder / PLAN).read_text(encoding="utf-8"))["runs"]
        return sum("same_as" not in run for run in runs)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
