"""The verb ``plot``: the pictures of a stored run or study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_formats, add_verb
from ccsim.cli.output import print_paths
from ccsim.cli.stored import add_results, add_run, add_verify, load
from ccsim.errors import CcsimError

if TYPE_CHECKING:
    from ccsim.plot import PlotOptions

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``plot`` to the command line's verbs."""
    plot = add_verb(
        verbs, "plot", "draw a stored run again", plot_verb, "ccsim plot cubic_to_bbr --format svg"
    )
    add_run(plot)
    _add_options(plot)
    add_formats(plot)
    plot.add_argument("--out", metavar="DIR", help="the folder to write into")
    add_results(plot, "runs")
    add_verify(plot)


def _add_options(plot: argparse.ArgumentParser) -> None:
    """Add what may be asked of a run's picture."""
    time: dict[str, Any] = {"nargs": "+", "metavar": "T"}
    plot.add_argument("--from", dest="begin", help="where the time axis begins: 19 s", **time)
    plot.add_argument("--to", dest="end", help="where it ends: 24 s", **time)
    names = "throughput, cwnd, rtt, queue, inflight, pacing, marks, …"
    plot.add_argument("--panels", default="", metavar="NAMES", help=f"of {names}")
    size = "1col (3.5 in), 2col (7.16 in), a width, or WxH as 3.3x2.5in; default: 1col"
    plot.add_argument("--width", metavar="SIZE", default="1col", help=size)
    plot.add_argument("--title", metavar="TEXT", help="instead of the run's name; none: no title")
    twins = "whose lines are drawn; default: their throughput where one flow was swapped"
    plot.add_argument(
        "--twins", choices=("none", "a", "b", "both", "auto"), default="auto", help=twins
    )
    second = "the instant whose second is drawn beside, or none; default: a short swap's"
    plot.add_argument("--detail", metavar="T", nargs="+", default=["auto"], help=second)


def _options(args: argparse.Namespace) -> PlotOptions:
    """Return what is asked of the picture; CcsimError for what there is not."""
    from ccsim.plot import plot_options

    try:
        return plot_options(
            start=args.begin and " ".join(args.begin),
            end=args.end and " ".join(args.end),
            panels=args.panels,
            width=args.width,
            title=args.title,
            twins=args.twins,
            detail=" ".join(args.detail),
        )
    except ValueError as error:
        raise CcsimError(str(error)) from None


def plot_verb(args: argparse.Namespace) -> int:
    """Draw a stored run, or the heat maps of a stored study."""
    options = _options(args)
    from ccsim.experiment.store import explained
    from ccsim.experiment.study.listing import find_study_folder
    from ccsim.plot import draw_run

    study = find_study_folder(args.run, Path(args.results))
    if study is not None:
        return _plot_study(args, study)
    run = load(args.run, args)
    out = Path(args.out) if args.out else run.path / "plots"
    with explained(out):
        try:
            print_paths(draw_run(run, out, args.format, options=options))
        except ValueError as error:
            raise CcsimError(str(error)) from None
    return 0


def _plot_study(args: argparse.Namespace, study: Path) -> int:
    """Draw the curves or heat maps of a study; CcsimError if it swapped nothing."""
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
