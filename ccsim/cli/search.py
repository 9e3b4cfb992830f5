"""The verb ``search``: what hurts most, found by trying."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from ccsim.cli.arguments import natural, positive
from ccsim.cli.progress import ProgressBar

__all__ = ["add_parser"]

INTERRUPTED = 130


def add_parser(verbs: Any) -> None:
    """Add ``search`` to the command line's verbs."""
    text = "look for what hurts most and write the scenario that shows it"
    search = verbs.add_parser("search", help=text, description=f"{text[0].upper()}{text[1:]}.")
    subjects = search.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    text = "the instant of a swap, and if asked the path around it"
    worst = subjects.add_parser("worst-swap", help=text, description=f"Vary {text}.")
    worst.add_argument("scenario", metavar="SCENARIO", help="a YAML file or a shipped one's name")
    worst.add_argument("overrides", metavar="key=value", nargs="*", help="as of ccsim run")
    worst.add_argument("--trials", type=positive, default=40, metavar="N", help="default: 40")
    worst.add_argument("--metric", default="deficit_s", help="default: deficit_s")
    worst.add_argument(
        "--swap", type=natural, default=0, metavar="K", help="which, from 0; default: 0"
    )
    worst.add_argument("--at", default="", metavar="LOW..HIGH", help='instants, as "5 s..30 s"')
    worst.add_argument(
        "--also",
        nargs="+",
        action="extend",
        default=[],
        metavar="key=LOW..HIGH",
        help='such as "path.buffer=0.5..2 BDP"',
    )
    worst.add_argument(
        "--seed", type=natural, default=1, metavar="N", help="of the search; default: 1"
    )
    worst.add_argument("--out", default="results", metavar="DIR", help="default: results")
    worst.add_argument(
        "--jobs", type=positive, metavar="N", help="simulations at once; default: cores"
    )
    worst.set_defaults(func=_worst_swap)


def _worst_swap(args: argparse.Namespace) -> int:
    """Search, then run what was found: 1 if that gives another metric."""
    from ccsim.experiment.search import Search, instants, parse_range, search_worst_swap
    from ccsim.scenario import load_scenario

    scenario = load_scenario(args.scenario, args.overrides)
    ranges = (instants(scenario, args.swap, args.at), *map(parse_range, args.also))
    search = Search(
        scenario, ranges, args.swap, args.metric, args.trials, args.seed, tuple(args.overrides)
    )
    with contextlib.redirect_stdout(sys.stderr), ProgressBar("searching") as bar:

        def progress(done: int, worst: float | None) -> None:
            bar.title = f"{search.metric} {'…' if worst is None else f'{worst:.4g}'}"
            bar.update(done / search.trials)

        found = search_worst_swap(search, out=args.out, jobs=args.jobs, progress=progress)
    _tell(search, found)
    if not found.complete:
        print(
            f"interrupted after {found.trials} of {search.trials} trials; the same command goes on"
        )
        return INTERRUPTED
    return _again(args, search, found)


def _tell(search: Any, found: Any) -> None:
    from ccsim.experiment.search import METRICS

    print(f"worst of {found.trials}: {search.metric} = {found.value:g} ({METRICS[search.metric]})")
    for one in search.ranges:
        print(f"  {one.key} = {one.value(found.numbers[one.key])}")
    if found.given is not None:
        print(f"  as given: {found.given:g}")
    print(f"scenario  {found.file}")


def _again(args: argparse.Namespace, search: Any, found: Any) -> int:
    """Run the scenario that was written and compare its metric."""
    from ccsim.experiment.run import run_scenario
    from ccsim.experiment.search.objective import metric_of
    from ccsim.scenario import load_scenario

    with contextlib.redirect_stdout(sys.stderr), ProgressBar("running it") as bar:
        run = run_scenario(
            load_scenario(found.file),
            out=args.out,
            jobs=args.jobs,
            progress=bar.update,
            argv=["ccsim", "run", str(found.file)],
        )
    swaps = [swap for swap in run.metrics["swaps"] if swap["index"] == found.swap]
    value = metric_of(swaps[0], search.metric) if swaps else None
    same = value == found.value
    print(f"run       {run.path}")
    print(f"{search.metric} = {value}, {'as searched' if same else f'expected {found.value}'}")
    return int(not same)
