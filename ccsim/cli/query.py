"""The verb ``query``: SQL over what is stored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.stored import add_results, add_verify, named

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``query`` to the command line's verbs."""
    query = verbs.add_parser(
        "query",
        help="ask SQL of a study's or a run's tables, read-only",
        description="Ask SQL, read-only. A study has the tables runs, flows, links, totals and "
        "metrics, and with keep: traces also traces; a run has flows, links, drops, marks and "
        'events. "describe flows" tells the columns of one.',
        epilog="example: ccsim query cubic_to_bbr "
        '"select flow, max(snd_cwnd) from flows group by flow"',
    )
    query.add_argument("study", metavar="STUDY", help="a study's name or folder, or a run")
    query.add_argument("sql", metavar="SQL", help='such as "select avg(deficit_s) from runs"')
    query.add_argument("--format", choices=["table", "csv", "json", "md", "tex"], default="table")
    query.set_defaults(func=_query)
    add_results(query)
    add_verify(query)
    add_wide(query)


def _query(args: argparse.Namespace) -> int:
    """Print what a SELECT returns."""
    from ccsim.cli.layout import table
    from ccsim.experiment.study.query import as_csv, as_json, as_text, query

    folder = str(named(args.study, args.results))
    found = query(folder, args.sql, Path(args.results), verify=args.verify)
    if args.format == "csv":
        sys.stdout.write(as_csv(found))
    elif args.format == "json":
        print(as_json(found))
    else:
        rows = [[as_text(cell) for cell in row] for row in found.rows]
        args.form = "text" if args.format == "table" else args.format
        print(table(found.columns, rows, screen_of(args), found.columns[:0:-1]))
    return 0
