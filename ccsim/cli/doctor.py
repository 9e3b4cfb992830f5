"""The verb ``doctor``: what this installation and machine have, what is missing, and what that
would bring."""

from __future__ import annotations

import argparse
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_verb

__all__ = ["add_parser"]

OPTIONAL = {
    "optuna": ("search", "ccsim search"),
    "distributed": ("cluster", "ccsim sweep --cluster"),
    "Cython": ("compile", "ccsim compile: the scalar path as machine code"),
}
"""Packages of the extras: the extra's name, and what it brings."""
PROGRAMS = {
    "cc": "ccsim compile needs a C compiler",
    "clang": "compiles BPF objects",
}
UNFINISHED = ".tmp-*"


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
    rows = []
    for package, (extra, what) in OPTIONAL.items():
        here = find_spec(package) is not None
        rows.append(
            (package, "here" if here else f"not here: {what}; pip install 'ccsim[{extra}]'")
        )
    for program, what in PROGRAMS.items():
        rows.append((program, shutil.which(program) or f"not here: {what}"))
    return rows


def _kernel() -> list[tuple[str, str]]:
    from ccsim.linux.host import abilities, available_algorithms

    rows = [(one.name, "here" if one.is_here else f"not here: {one.remedy}") for one in abilities()]
    names = ", ".join(sorted(available_algorithms())) or "none that can be seen"
    return [*rows, ("algorithms", names)]


def _disk(results: Path) -> list[tuple[str, str]]:
    from ccsim.compiled import cache_folder

    left = [path for path in results.glob(f"*/{UNFINISHED}") if path.is_dir()]
    return [
        ("compiled cache", f"{_megabytes(cache_folder())} in {cache_folder()}"),
        ("results", f"{_megabytes(results)} in {results}"),
        ("unfinished runs", f"{len(left)}; the next run of a scenario removes dead ones"),
    ]


def _megabytes(folder: Path) -> str:
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{total / 1e6:.1f} MB"
