"""The verb ``run``: a scenario and its twins."""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_hook_timeout, add_verb, natural, positive
from ccsim.cli.layout import table
from ccsim.cli.output import how_done, print_json, run_text
from ccsim.cli.progress import ProgressBar
from ccsim.cli.screen import add_wide, screen_of
from ccsim.errors import CcsimError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ccsim.experiment.on_linux import OnLinux
    from ccsim.experiment.stored import StoredRun
    from ccsim.jobs.plot_worker import PlotWorker

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``run`` to the command line's verbs."""
    text = "run a scenario and its twins, print what the swaps cost, draw it"
    example = "ccsim run cubic_to_bbr duration='40 s'; ccsim list scenarios lists what is shipped"
    run = add_verb(verbs, "run", text, run_verb, example)
    run.add_argument("scenario", metavar="SCENARIO", help="a YAML file or a shipped one's name")
    run.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        help="such as duration='10 s' path.rate=1Gbit/s",
    )
    run.add_argument("--seed", type=int, metavar="N", help="instead of the scenario's")
    run.add_argument("--out", default="results", metavar="DIR", help="default: results")
    run.add_argument("--json", action="store_true", help="print the metrics as JSON, nothing else")
    run.add_argument("--no-twins", action="store_true", help="run without the twins")
    run.add_argument("--no-plot", action="store_true", help="draw no picture")
    run.add_argument(
        "--paranoid", action="store_true", help="check invariants after every window and hook"
    )
    run.add_argument(
        "--explain-trains",
        action="store_true",
        help="print which ACKs were computed at once, and why the others went one by one",
    )
    run.add_argument(
        "--on",
        choices=("simulator", "linux"),
        default="simulator",
        help="what runs it: the simulator, or this machine's own kernel in real time",
    )
    run.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="with --on linux: how often"
    )
    run.add_argument(
        "--retry",
        type=natural,
        default=0,
        metavar="N",
        help="with --on linux: run again, up to N times, what the machine disturbed",
    )
    run.add_argument(
        "--jobs", type=positive, metavar="N", help="simulations at once; default: cores"
    )
    add_hook_timeout(run)
    add_wide(run)


def run_verb(args: argparse.Namespace) -> int:
    """Run a scenario, on a kernel as often as asked for; 1 if its algorithm raised."""
    if args.on == "simulator":
        if args.repeat != 1 or args.retry:
            raise CcsimError(
                "run: --repeat and --retry go with --on linux; a simulation repeats itself"
            )
        return _run_once(args, None)
    from ccsim.experiment.on_linux import OnLinux

    if args.explain_trains:
        raise CcsimError("run: --explain-trains is about the simulator; a kernel has no trains")
    return max(_run_once(args, OnLinux(k + 1, args.retry)) for k in range(args.repeat))


def _run_once(args: argparse.Namespace, backend: OnLinux | None) -> int:
    from ccsim.jobs.batch import default_jobs
    from ccsim.jobs.plot_worker import PlotWorker

    formats = () if args.no_plot else ("png", "pdf")
    with PlotWorker(formats, args.jobs or default_jobs(), fork=args.own_process) as plotter:
        run = _run(args, formats, plotter, backend)
    if args.json:
        print_json(run.metrics)
    else:
        print(run_text(run.name, run.metrics, screen_of(args), done=how_done(run.manifest)))
        if args.explain_trains:
            print(trains_text(run.result.trains))
        if backend is not None:
            print(lateness_text(run.manifest))
        print(f"run folder  {run.path}")
        figure = run.path / "plots" / "run.png"
        if figure.exists():
            print(f"figure      {figure}")
    if run.failed:
        print(f"run failed: {run.failed}; its traces up to then: {run.path}", file=sys.stderr)
    return int(bool(run.failed))


def trains_text(trains: Sequence[tuple[str, int, int]]) -> str:
    """Return the table of how ACKs were taken, at once or one by one and why, and how often."""
    cells = [[words, str(times), str(acks)] for words, times, acks in trains]
    return table(["ACKs of the run", "times", "ACKs"], cells) + "\n"


def lateness_text(manifest: Mapping[str, Any]) -> str:
    """Return a line about a run on a kernel: which, and how late its path was."""
    late = manifest["lateness_us"][0]
    kernel = manifest["host"]["kernel"]
    text = f"kernel      Linux {kernel}; packets late by {late['p99']:.0f} µs (p99), "
    text += f"{late['max'] / 1000:.1f} ms at most"
    return text + ("; DISTURBED: the machine was busy" if manifest["disturbed"] else "")


def _run(
    args: argparse.Namespace, formats: tuple[str, ...], plotter: PlotWorker, backend: OnLinux | None
) -> StoredRun:
    """Load and run a scenario, whose picture ``plotter`` draws."""
    from ccsim.experiment.run import run_scenario
    from ccsim.scenario import load_scenario

    scenario = load_scenario(args.scenario, args.overrides, args.seed)
    if args.own_process:
        # Together with the forks for twins and the picture: 0.88 of the time of a run of 10 s of
        # one CUBIC flow (median of 12 pairs, two cores).
        import_module("ccsim.sim.world")
        gc.freeze()  # what is imported stays until the end, where to look through it took as long
    # what an algorithm prints must not get into the tables or the JSON
    with contextlib.redirect_stdout(sys.stderr), ProgressBar(scenario.name) as bar:
        return run_scenario(
            scenario,
            twins=not args.no_twins,
            out=args.out,
            jobs=args.jobs,
            progress=bar.update,
            argv=args.argv,
            formats=formats,
            paranoid=args.paranoid,
            hook_timeout_s=args.hook_timeout,
            plotter=plotter,
            fork=args.own_process,
            backend=backend,
            explain_trains=args.explain_trains,
        )
