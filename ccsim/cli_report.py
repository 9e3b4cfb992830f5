"""The verb ``report``: one page of HTML for a stored run or study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parsers", "plot_study"]


def add_parsers(verbs: Any) -> None:
    """Add ``report`` to the command line's verbs."""
    text = "write one self-contained HTML page about a stored run or study"
    parser = verbs.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument(
        "run", metavar="RUN|STUDY", help="a folder, a run id, a scenario's or a study's name"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="default: report.html in the folder")
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="where runs are; default: results"
    )
    parser.set_defaults(func=_report)


def _report(args: argparse.Namespace) -> int:
    from ccsim.experiment.stored import find_run
    from ccsim.experiment.study.listing import find_study_folder
    from ccsim.report import write_report

    results = Path(args.results)
    folder = find_study_folder(args.run, results) or find_run(args.run, results)
    print(write_report(folder, args.out))
    return 0


def plot_study(args: argparse.Namespace, study: Path) -> int:
    """Draw the heat maps of a study; CcsimError if it swapped nothing."""
    from ccsim.errors import CcsimError
    from ccsim.experiment.heat_maps import heat_sheets
    from ccsim.experiment.matrix import load_matrix
    from ccsim.experiment.store import explained
    from ccsim.plot.heat import draw_heat

    sheets = heat_sheets(load_matrix(study))
    if not sheets:
        raise CcsimError(f"{study}: expected swaps that a heat map can show, got none")
    out = Path(args.out) if args.out else study / "plots"
    with explained(out):
        for path in draw_heat(sheets, out, args.format):
            print(path)
    return 0
