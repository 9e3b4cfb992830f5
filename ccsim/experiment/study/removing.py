"""Deletion of results: what a name means, and that it lies below their folder."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from ccsim.errors import ResultsError
from ccsim.experiment.integrity import MANIFEST
from ccsim.experiment.stored import find_run, runs_of
from ccsim.experiment.study.folder import LOCK, is_held
from ccsim.experiment.study.listing import entry_of, find_study_folder, own_files

__all__ = ["meant", "remove"]

GOING = ".deleted-"


def meant(text: str, results: Path) -> list[Path]:
    """Return the folders that a name means: a study's, or of a scenario's name all its runs.

    ResultsError if there is none, if one lies elsewhere than below ``results`` or is a symbolic
    link, or if a sweep is at work in it.
    """
    study = find_study_folder(text, results)
    if study is not None:
        found = [study]
    elif (Path(text) / MANIFEST).is_file():
        found = [Path(text)]
    else:
        found = runs_of(text, results) or [find_run(text, results)]
    for folder in found:
        _check(folder, results)
    return found


def _check(folder: Path, results: Path) -> None:
    if folder.is_symlink() or folder.parent.is_symlink():
        raise ResultsError(
            str(folder), "is a symbolic link, which is not followed; nothing deleted"
        )
    if results.resolve() not in folder.resolve().parents:
        reason = f"expected a run or study below {results}, got one elsewhere; nothing deleted"
        raise ResultsError(str(folder), reason)
    if entry_of(folder) is None:
        raise ResultsError(str(folder), "expected a run or study, got neither; nothing deleted")
    if is_held(folder):
        raise ResultsError(str(folder), "a sweep is at work in it; stop that first")


def remove(folder: Path) -> None:
    """Delete a run, or a study without the runs of a scenario of the same name.

    Once it has begun the result is gone, whatever is killed. ResultsError if it cannot be deleted.
    """
    entry = entry_of(folder)
    try:
        if entry is not None and entry.kind == "study":
            _remove_study(folder)
        else:
            going = folder.with_name(f"{GOING}{folder.name}")
            shutil.rmtree(going, ignore_errors=True)
            folder.rename(going)
            shutil.rmtree(going)
            with suppress(OSError):
                folder.parent.rmdir()  # which succeeds only if nothing else is in it
    except OSError as error:
        raise ResultsError(str(folder), f"cannot be deleted: {error.strerror or error}") from error


def _remove_study(folder: Path) -> None:
    """Delete the manifest first, without which it is no study any more."""
    (folder / MANIFEST).unlink()
    for path in own_files(folder):
        path.unlink()
    (folder / LOCK).unlink(missing_ok=True)
    folders = (path for path in folder.rglob("*") if path.is_dir())
    for path in [*sorted(folders, reverse=True), folder]:
        with suppress(OSError):
            path.rmdir()
