"""Runs that are stored: the arguments that name them, and how they are found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccsim.experiment.stored import StoredRun

__all__ = ["add_results", "add_run", "add_verify", "load", "named", "named_run"]


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names one run."""
    parser.add_argument("run", metavar="RUN", help="a folder, a run id or a scenario's name")


def add_results(parser: argparse.ArgumentParser, what: str = "runs and studies") -> None:
    """Add the option that says where they are."""
    parser.add_argument(
        "--results", default="results", metavar="DIR", help=f"where {what} are; default: results"
    )


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the option that has everything read be checked whole."""
    text = "check the SHA-256 of every file, of large ones too, not of a sample"
    parser.add_argument("--verify", action="store_true", help=text)


def load(text: str, args: argparse.Namespace) -> StoredRun:
    """Return the run that ``text`` names."""
    from ccsim.experiment.stored import load_run

    return load_run(named_run(text, args.results), verify=args.verify)


def named(text: str, results: str) -> Path:
    """Return the folder of the study or the run that ``text`` names."""
    from ccsim.experiment.study.listing import find_study_folder

    return find_study_folder(text, Path(results)) or named_run(text, results)


def named_run(text: str, results: str) -> Path:
    """Return the folder of the run that ``text`` names; of several it says which was taken."""
    from ccsim.experiment.stored import find_run, runs_of

    found = find_run(text, Path(results))
    several = [] if Path(text) == found else runs_of(text, Path(results))
    if len(several) > 1:
        from ccsim.experiment.study.variants import differences

        own = differences(several)[several.index(found)]
        told = f" ({own})" if own else ""
        print(
            f"{text}: took the newest of {len(several)} runs, {found.name}{told}; "
            f"ccsim ls {several[0].parent.name} lists them",
            file=sys.stderr,
        )
    return found
