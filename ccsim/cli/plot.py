"""The verb ``plot``: the pictures of a stored run or study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_formats, add_verb
from ccsim.cli.output import print_paths
from ccsim.cli.stored import add_results, add_run, add_verify, load

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``plot`` to the command line's verbs."""
    plot = add_verb(
        verbs, "plot", "draw a stored run again", plot_verb, "ccsim plot cubic_to_bbr --format svg"
    )
    add_run(plot)
    add_formats(plot)
    plot.add_argument("--out", metavar="DIR", help="the folder to write into")
    add_results(plot, "runs")
    add_verify(plot)


def plot_verb(args: argparse.Namespace) -> int:
    """Draw a stored run, or the heat maps of a stored study."""
    from ccsim.experiment.store import explained
    from ccsim.experiment.study.listing import find_study_folder
    from ccsim.plot import draw_run

    study = find_study_folder(args.run, Path(args.results))
    if study is not None:
        return _plot_study(args, study)
    run = load(args.run, args)
    out = Path(args.out) if args.out else run.path / "plots"
    with explained(out):
        print_paths(draw_run(run, out, args.format))
    return 0


def _plot_study(args: argparse.Namespace, study: Path) -> int:
    """Draw the curves or heat maps of a study; CcsimError if it swapped nothing."""
    from ccsim.errors import CcsimError
    from ccsim.experiment.curves import curve_sheets
    from ccsim.experiment.heat_maps import heat_sheets
    from ccsim.experiment.matrix import load_matrix
    from ccsim.experiment.store import explained
    from ccsim.plot.heat import draw_heat
    from ccsim.plot.response import draw_curves

    matrix = load_matrix(study, verify=args.verify)
    curves, sheets = curve_sheets(matrix), heat_sheets(matrix)
    if not sheets and not curves:
        raise CcsimError(f"{study}: expected swaps that a heat map can show, got none")
    out = Path(args.out) if args.out else study / "plots"
    with explained(out):
        paths = [*draw_curves(curves, out, args.format), *draw_heat(sheets, out, args.format)]
        print_paths(paths)
    return 0
