"""The verb ``ls``: what is stored."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.stored import add_results
from ccsim.errors import CcsimError
from ccsim.words import did_you_mean

__all__ = ["add_parser"]

_DROP = ("runs", "kind", "size (MB)")
"""Columns that go first where the screen is narrow."""


def add_parser(verbs: Any) -> None:
    """Add ``ls`` to the command line's verbs."""
    listing = verbs.add_parser(
        "ls",
        help="list runs and studies with status, age, size and what differs",
        epilog="example: ccsim ls cubic_to_bbr",
    )
    listing.add_argument("name", metavar="NAME", nargs="?", help="only those of this name")
    listing.add_argument("--json", action="store_true", help="print one JSON document")
    listing.set_defaults(func=_ls)
    add_results(listing)
    add_wide(listing)


def _ls(args: argparse.Namespace) -> int:
    """List what there is."""
    from ccsim.cli.layout import table
    from ccsim.experiment.study.listing import listing

    entries = listing(Path(args.results))
    if args.name is not None:
        names = {entry.name for entry in entries}
        entries = [entry for entry in entries if entry.name == args.name]
        if not entries:
            near = did_you_mean(args.name, names)
            raise CcsimError(f"{args.name}: nothing of that name below {args.results}{near}")
    if args.json:
        print(json.dumps([entry.plain() for entry in entries], indent=2))
    else:
        headers = ["name", "kind", "run id", "status", "runs", "age", "size (MB)", "differs"]
        print(table(headers, [entry.cells() for entry in entries], screen_of(args), _DROP))
    return 0
