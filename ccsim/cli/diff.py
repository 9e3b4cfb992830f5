"""The verb ``diff``: how two runs or studies differ."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.stored import add_results, add_verify, named

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``diff`` to the command line's verbs."""
    diff = verbs.add_parser(
        "diff",
        help="tell how two runs or two studies differ",
        epilog="example: ccsim diff cubic_to_bbr bbr_to_cubic",
    )
    diff.add_argument("a", metavar="A")
    diff.add_argument("b", metavar="B")
    diff.add_argument("--json", action="store_true", help="print one JSON document")
    diff.set_defaults(func=_diff)
    add_results(diff)
    add_verify(diff)
    add_wide(diff)


def _diff(args: argparse.Namespace) -> int:
    """Tell how two runs or studies differ; 1 if they do."""
    from ccsim.cli.layout import table
    from ccsim.cli.output import print_json
    from ccsim.experiment.study.diff import diff

    a, b = (str(named(text, args.results)) for text in (args.a, args.b))
    found = diff(a, b, Path(args.results), verify=args.verify)
    if args.json:
        print_json(found.plain())
    else:
        screen = screen_of(args)
        for title, headers, rows in found.sections():
            print(f"{screen.styled(title, 'bold')}\n{table(headers, rows, screen)}\n")
        if not found.differs:
            print("no difference")
    return int(found.differs)
