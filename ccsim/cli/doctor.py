"""The verb ``doctor``: what this installation and machine have, what is missing, and what that
would bring."""

from __future__ import annotations

import argparse
import platform
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_verb

__all__ = ["add_parser"]

OPTIONAL = {
    "optuna": ("search", "ccsim search"),
    "distributed": ("cluster", "ccsim sweep --cluster"),
    "dask-jobqueue": ("cluster", "ccsim sweep --slurm"),
    "nanoarrow": ("frames", "traces as data frames: to_pandas, to_polars, Arrow"),
    "starlette": ("explore", "ccsim explore"),
    "uvicorn": ("explore", "ccsim explore"),
    "cython": ("compile", "ccsim compile: the scalar path as machine code"),
    "setuptools": ("compile", "ccsim compile: how Cython calls the C compiler"),
    "sphinx": ("docs", "docs/ as a site"),
    "myst-parser": ("docs", "docs/ as a site"),
    "furo": ("docs", "docs/ as a site"),
    "pandas": ("docs", "the notebooks among its pages"),
}
"""Packages of the extras: the extra's name, and what it brings."""
PROGRAMS = {
    "cc": "ccsim compile needs a C compiler",
    "clang": "compiles BPF objects",
    "tshark": "looks into what ccsim export --format pcapng writes; Wireshark does, too",
    "flent": "opens what ccsim export --format flent writes",
}
FAILED = "*.failed"


def add_parser(verbs: Any) -> None:
    """Add ``doctor`` to the command line's verbs."""
    doctor = add_verb(
        verbs, "doctor", "say what this installation and machine have and lack", doctor_verb
    )
    doctor.add_argument("--results", default="results", metavar="DIR", help="default: results")


def doctor_verb(args: argparse.Namespace) -> int:
    """Print what is here and what is not; nothing that is missing is an error."""
    for title, rows in (
        ("versions", _versions()),
        ("machine code", _compiled()),
        ("optional", _optional()),
        ("runs on this kernel", _kernel()),
        ("disk", _disk(Path(args.results))),
    ):
        print(title)
        for name, text in rows:
            print(f"  {name:<22}{text}")
    return 0


def _versions() -> list[tuple[str, str]]:
    from ccsim.experiment.store import package_versions

    rows = list(package_versions().items())
    return [*rows, ("system", f"{platform.system()} {platform.release()}, {platform.machine()}")]


def _compiled() -> list[tuple[str, str]]:
    from ccsim.compiled import in_use, why_not

    reason = why_not()
    if in_use():
        return [("in use", "yes; CCSIM_PURE=1 does without")]
    return [("in use", f"no: {reason}" if reason else "no; `ccsim compile` makes it")]


def _optional() -> list[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    rows = []
    for package, (extra, what) in OPTIONAL.items():
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            rows.append((package, f"not here: {what}; pip install 'ccsim[{extra}]'"))
    for program, what in PROGRAMS.items():
        rows.append((program, shutil.which(program) or f"not here: {what}"))
    return rows


def _kernel() -> list[tuple[str, str]]:
    from ccsim.linux.host import abilities, available_algorithms

    rows = [(one.name, "here" if one.is_here else f"not here: {one.remedy}") for one in abilities()]
    names = ", ".join(sorted(available_algorithms())) or "none that can be seen"
    return [*rows, ("algorithms", names)]


def _disk(results: Path) -> list[tuple[str, str]]:
    """Return what lies on the disk, and what of it is needed no more."""
    from ccsim.experiment.store import left_behind

    names = [folder for folder in _folders(results) if not folder.name.startswith(".")]
    left = [path for folder in names for path in left_behind(folder)]
    failed = [path for folder in names for path in folder.glob(FAILED) if path.is_dir()]
    return [
        *_cache(),
        ("results", f"{_size(results)} in {results}"),
        ("failed runs", _told(failed, "kept to be looked at; ccsim rm removes them")),
        ("stale folders", _told(left, "of runs that were killed; the next run removes them")),
    ]


def _cache() -> list[tuple[str, str]]:
    """Return what machine code there is, for the present sources and for others."""
    from ccsim.compiled import build_name, cache_folder

    try:
        cache, present = cache_folder(), build_name()
    except (OSError, RuntimeError) as error:  # a user without a home
        return [("compiled cache", f"none: {error}")]
    stale = [folder for folder in _folders(cache) if folder.name != present]
    return [
        ("compiled cache", f"{_size(cache)} in {cache}"),
        ("stale builds", _told(stale, "of other sources or Pythons; they may be deleted")),
    ]


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except OSError:
        return []


def _told(folders: Sequence[Path], what: str) -> str:
    """Return how many folders there are, how large, and what is to be known of them."""
    if not folders:
        return "none"
    return f"{len(folders)}, {_text(sum(map(_bytes, folders)))}: {what}"


def _size(folder: Path) -> str:
    return _text(_bytes(folder))


def _text(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _bytes(folder: Path) -> int:
    """Return the sizes of all files in a folder; of those that go meanwhile 0."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
