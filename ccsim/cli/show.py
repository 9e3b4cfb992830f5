"""The verb ``show``: the tables of a stored run or study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_verb, magnitude
from ccsim.cli.layout import table
from ccsim.cli.output import how_done, print_json, run_text
from ccsim.cli.screen import Screen, add_form, add_wide, screen_of
from ccsim.cli.stored import add_results, add_run, add_verify, load
from ccsim.cli.typeset import document
from ccsim.errors import CcsimError

__all__ = ["add_parser"]

_DROP = ("d", "Cliff's δ", "p (Holm)")
"""Columns of a study that go first where the screen is narrow."""


def add_parser(verbs: Any) -> None:
    """Add ``show`` to the command line's verbs."""
    text = "print the tables of a stored run again, or what a study found"
    show = add_verb(verbs, "show", text, show_verb, "ccsim show cubic_to_bbr")
    show.add_argument("--json", action="store_true", help="print the metrics as JSON, nothing else")
    show.add_argument(
        "--topology",
        action="store_true",
        help="print hops and routes, of a run or of a scenario's file, nothing else",
    )
    show.add_argument("--metric", default="deficit_s", help="of a study; default: deficit_s")
    show.add_argument(
        "--detect",
        type=magnitude,
        metavar="X",
        help="of a study: how many seeds a difference X takes",
    )
    add_run(show)
    add_results(show, "runs")
    add_verify(show)
    add_form(show)
    add_wide(show)


def show_verb(args: argparse.Namespace) -> int:
    """Print a stored run or study."""
    if args.topology:
        return _show_topology(args)
    from ccsim.experiment.study.listing import find_study_folder

    study = find_study_folder(args.run, Path(args.results))
    if study is not None:
        return _show_study(args, study)
    run = load(args.run, args)
    if args.json:
        print_json(run.metrics)
        return 0
    screen = screen_of(args)
    text = run_text(run.name, run.metrics, screen, done=how_done(run.manifest))
    _print(text, f"run folder  {run.path}", screen)
    return 0


def _print(text: str, folder: str, screen: Screen) -> None:
    """Print tables and where they come from; what goes into a paper without that."""
    if screen.form == "text":
        print(text)
        print(folder)
    else:
        print(document(screen.form, text))


def _show_topology(args: argparse.Namespace) -> int:
    """Print the hops, and the flows that go by each."""
    from ccsim.plot.topology import topology_of, topology_text
    from ccsim.scenario import load_scenario

    is_file = args.run.endswith((".yaml", ".yml"))
    of_run = {} if is_file else load(args.run, args).scenario
    scenario = load_scenario(args.run).resolved() if is_file else of_run
    print(topology_text(topology_of(scenario)))
    return 0


def _show_study(args: argparse.Namespace, folder: Path) -> int:
    """Print what a study found, point by point."""
    from ccsim.experiment.study.summary import summarise

    try:
        found = summarise(folder, args.metric, args.detect, verify=args.verify)
    except ValueError as error:
        raise CcsimError(str(error)) from error
    if args.json:
        print_json(found.plain())
        return 0
    screen = screen_of(args)
    parts = [screen.filled(found.title)]
    parts += [table(headers, rows, screen, _DROP) for headers, rows in found.tables()]
    parts += map(screen.filled, found.notes)
    _print("\n\n".join(parts), f"study folder  {folder}", screen)
    return 0
