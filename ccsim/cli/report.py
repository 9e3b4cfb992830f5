"""The verb ``report``: one page of HTML for a stored run, study or confirmation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ccsim.cli.stored import add_verify, named

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``report`` to the command line's verbs."""
    text = "write one self-contained HTML page about a stored run, study or confirmation"
    parser = verbs.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument(
        "run",
        metavar="RUN|STUDY",
        help="a folder (a confirmation's too), a run id, a scenario's or a study's name",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="default: report.html in the folder")
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="where runs are; default: results"
    )
    add_verify(parser)
    parser.set_defaults(func=_report)


def _report(args: argparse.Namespace) -> int:
    from ccsim.experiment.stored_confirmation import CONFIRMATION
    from ccsim.report import write_report

    given = Path(args.run)
    confirmed = (given / CONFIRMATION).is_file()
    folder = given if confirmed else named(args.run, args.results)
    print(write_report(folder, args.out, verify=args.verify))
    return 0
