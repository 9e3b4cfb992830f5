"""The verb ``export``: traces for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from ccsim.cli.arguments import add_verb
from ccsim.cli.output import print_paths
from ccsim.cli.stored import add_results, add_run, add_verify, load

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``export`` to the command line's verbs."""
    text = "write the traces of a stored run in another format"
    export = add_verb(verbs, "export", text, export_verb, "ccsim export cubic_to_bbr")
    add_run(export)
    export.add_argument("--format", default="csv", choices=["csv"], help="default: csv")
    export.add_argument("--out", metavar="DIR", help="the folder to write into")
    add_results(export, "runs")
    add_verify(export)


def export_verb(args: argparse.Namespace) -> int:
    """Write a stored run's traces as CSV."""
    from ccsim.experiment.stored import export

    print_paths(export(load(args.run, args), args.format, args.out))
    return 0
