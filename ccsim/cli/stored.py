"""Runs that are stored: the arguments that name them, and how they are found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccsim.experiment.stored import StoredRun

__all__ = ["add_results", "add_run", "add_verify", "load"]


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
    from ccsim.experiment.stored import find_run, load_run

    return load_run(find_run(text, Path(args.results)), verify=args.verify)
