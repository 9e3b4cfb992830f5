"""What the verbs do: each takes the parsed arguments and returns the exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli_output import comparison_text, run_text, table
from ccsim.cli_progress import ProgressBar

if TYPE_CHECKING:
    from ccsim.experiment.artist import Artist
    from ccsim.experiment.stored import StoredRun

__all__ = [
    "compare_verb",
    "export_verb",
    "list_verb",
    "plot_verb",
    "run_verb",
    "schema_verb",
    "show_verb",
]


def run_verb(args: argparse.Namespace) -> int:
    """Run a scenario; 1 if its algorithm raised."""
    from ccsim.experiment.artist import Artist
    from ccsim.experiment.parallel import default_jobs

    formats = () if args.no_plot else ("png", "pdf")
    with Artist(formats, args.jobs or default_jobs(), fork=args.own_process) as artist:
        run = _run(args, formats, artist)
    if args.json:
        _print_json(run.metrics)
    else:
        print(run_text(run.name, run.metrics))
        print(f"run folder  {run.path}")
        figure = run.path / "plots" / "run.png"
        if figure.exists():
            print(f"figure      {figure}")
    if run.failed:
        print(f"run failed: {run.failed}; its traces up to then: {run.path}", file=sys.stderr)
    return int(bool(run.failed))


def _run(args: argparse.Namespace, formats: tuple[str, ...], artist: Artist) -> StoredRun:
    """Load and run a scenario, whose picture ``artist`` draws."""
    from ccsim.experiment.run import run_scenario
    from ccsim.scenario import load_scenario

    scenario = load_scenario(args.scenario, args.overrides, args.seed)
    if args.own_process:
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
            artist=artist,
            fork=args.own_process,
        )


def schema_verb(args: argparse.Namespace) -> int:
    """Print the schema of scenarios."""
    from ccsim.scenario import scenario_schema

    _print_json(scenario_schema())
    return 0


def list_verb(args: argparse.Namespace) -> int:
    """List what scenarios may name."""
    print(table(["name", "what it is"], _listed(args.what)))
    return 0


def _listed(what: str) -> list[list[str]]:
    if what in ("scenarios", "algorithms", "studies"):
        from ccsim.catalog import algorithm_files, scenario_files, study_files, summary

        found = {"scenarios": scenario_files, "algorithms": algorithm_files, "studies": study_files}
        files = found[what]()
        return [[name, summary(path)] for name, path in files.items()]
    from ccsim.scenario.vocabulary import MECHANISMS, QDISCS, STATE_POLICIES

    known = {"qdiscs": QDISCS, "mechanisms": MECHANISMS, "policies": STATE_POLICIES}
    return [[name, text] for name, text in known[what].items()]


def show_verb(args: argparse.Namespace) -> int:
    """Print a stored run or study."""
    from ccsim.experiment.study.listing import find_study_folder

    study = find_study_folder(args.run, Path(args.results))
    if study is not None:
        from ccsim.cli_study import show_study

        return show_study(args, study)
    run = _load(args.run, args.results)
    if args.json:
        _print_json(run.metrics)
    else:
        print(run_text(run.name, run.metrics))
        print(f"run folder  {run.path}")
    return 0


def plot_verb(args: argparse.Namespace) -> int:
    """Draw a stored run, or the heat maps of a stored study."""
    from ccsim.experiment.store import explained
    from ccsim.experiment.study.listing import find_study_folder
    from ccsim.plot import draw_run

    study = find_study_folder(args.run, Path(args.results))
    if study is not None:
        from ccsim.cli_report import plot_study

        return plot_study(args, study)
    run = _load(args.run, args.results)
    out = Path(args.out) if args.out else run.path / "plots"
    with explained(out):
        _print_paths(draw_run(run, out, args.format))
    return 0


def compare_verb(args: argparse.Namespace) -> int:
    """Overlay stored runs and print their flows one below the other."""
    from ccsim.experiment.store import explained
    from ccsim.plot import draw_comparison

    runs = [_load(text, args.results) for text in args.runs]
    labels = _labels(runs)
    content = "\n".join(f"{run.name}/{run.path.name}" for run in runs)
    name = hashlib.sha256(content.encode()).hexdigest()[:12]
    out = Path(args.out) if args.out else Path(args.results) / "comparisons" / name
    print(comparison_text(labels, [run.metrics for run in runs]))
    with explained(out):
        _print_paths(draw_comparison(runs, labels, out, args.format))
    return 0


def export_verb(args: argparse.Namespace) -> int:
    """Write a stored run's traces as CSV."""
    from ccsim.experiment.stored import export

    _print_paths(export(_load(args.run, args.results), args.format, args.out))
    return 0


def _load(text: str, results: str) -> Any:
    from ccsim.experiment.stored import find_run, load_run

    return load_run(find_run(text, Path(results)))


def _labels(runs: list[Any]) -> list[str]:
    """Return a name for each run: the scenario's, with the run id where that is not enough."""
    names = [run.name for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name} {run.run_id[:6]}"
        for name, run in zip(names, runs, strict=True)
    ]
    return [
        label if labels.count(label) == 1 else f"{label} ({number})"
        for number, label in enumerate(labels, start=1)
    ]


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_paths(paths: list[Path]) -> None:
    for path in paths:
        print(path)
