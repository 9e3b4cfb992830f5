"""The verb ``sweep``: a study, all runs of a design."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_hook_timeout, natural, positive
from ccsim.cli.progress import ProgressBar, duration_text
from ccsim.errors import CcsimError

if TYPE_CHECKING:
    from ccsim.experiment.study.read import Study
    from ccsim.experiment.study.sweep import Outcome, Progress

__all__ = ["add_parser"]

EVERY_S = 60.0
"""How often a line is written where no terminal shows the bar."""


def add_parser(verbs: Any) -> None:
    """Add ``sweep`` to the command line's verbs."""
    sweep = verbs.add_parser(
        "sweep",
        help="run a study: a design over a scenario's keys, seeds as replications",
        description="Run a study; what is done already is skipped, so it goes on after any end.",
        epilog="example: ccsim sweep swap_matrix --check",
    )
    sweep.add_argument("study", metavar="STUDY", help="a YAML file or a shipped study's name")
    sweep.add_argument("--out", default="results", metavar="DIR", help="default: results")
    sweep.add_argument("--check", action="store_true", help="validate all scenarios, run none")
    sweep.add_argument("--json", action="store_true", help="print the outcome as JSON")
    sweep.add_argument("--report", action="store_true", help="write its page, as ccsim report does")
    sweep.add_argument("--quick", action="store_true", help="its quick form: what `quick` sets")
    sweep.add_argument(
        "--publish",
        nargs="?",
        const=".",
        metavar="DIR",
        help="write its small tables into DIR/results/published and its figures into "
        "DIR/docs/findings; default: here",
    )
    add_hook_timeout(sweep)
    sweep.add_argument(
        "--retry",
        type=natural,
        default=0,
        metavar="N",
        help="with backend: linux: run again, up to N times, what the machine disturbed",
    )
    place = sweep.add_mutually_exclusive_group()
    place.add_argument(
        "--workers", type=positive, metavar="N", help="processes; default: one a core"
    )
    place.add_argument("--cluster", metavar="tcp://…", help="a scheduler of dask.distributed")
    place.add_argument("--slurm", metavar="FILE", help="YAML: jobs, queue, cores, memory, …")
    until = sweep.add_argument_group("add seeds until an interval is narrow")
    until.add_argument(
        "--until-ci",
        metavar="5%",
        help="stop at a point when half its 95 %% interval is at most this share of its mean, "
        "or this number",
    )
    until.add_argument("--metric", default="deficit_s", help="of runs.parquet; default: deficit_s")
    until.add_argument("--max-seeds", type=positive, default=100, metavar="N", help="default: 100")
    sweep.set_defaults(func=_sweep)


def _sweep(args: argparse.Namespace) -> int:
    """Run a study; 1 if a run of it failed."""
    from ccsim.experiment.study.plan import plan_study
    from ccsim.experiment.study.read import read_study
    from ccsim.experiment.study.sweep import run_study

    study = read_study(args.study, quick=args.quick)
    if args.publish is not None and study.publication is None:
        raise CcsimError(f"{args.study}: expected a study with the key publish")
    rounds = _rounds(args)
    if args.check:
        print(f"{args.study}: {plan_study(study).told()}")
        return 0
    with StudyBar(study.name) as bar:
        outcome = run_study(
            study,
            out=args.out,
            workers=args.workers,
            pool_of=_pool_of(args),
            rounds=rounds,
            progress=bar.told,
            hook_timeout_s=args.hook_timeout,
            retry=args.retry,
            argv=args.argv,
        )
    _print_outcome(study.name, outcome, args.json, study.backend)
    if args.report:
        from ccsim.report import write_report

        page = write_report(outcome.path)
        print(f"report  {page}", file=sys.stderr if args.json else sys.stdout)
    if args.publish is not None:
        _publish(study, outcome.path, Path(args.publish))
    return int(bool(outcome.failed))


def _publish(study: Study, results: Path, root: Path) -> None:
    """Write a study's small tables, and its figures if it has any."""
    from ccsim.experiment.store import explained
    from ccsim.experiment.study.publication import publish, published
    from ccsim.plot.findings import draw_finding

    assert study.publication is not None
    tables = root / "results" / "published"
    with explained(tables):
        files = publish(study.name, study.publication, results, tables)
        files += draw_finding(study.name, published(files), root / "docs" / "findings")
    print("\n".join(f"written {file}" for file in files))


def _rounds(args: argparse.Namespace) -> Any:
    """Return what asks for more seeds, or None."""
    if args.until_ci is None:
        return None
    from ccsim.experiment.study.sequential import until_ci

    try:
        return until_ci(args.until_ci, args.metric, args.max_seeds)
    except ValueError as error:
        raise CcsimError(str(error)) from error


def _pool_of(args: argparse.Namespace) -> Any:
    """Return the maker of a cluster's pool, or None for this machine's processes."""
    if args.cluster is None and args.slurm is None:
        return None
    from ccsim.experiment.study.cluster import cluster_pool, slurm_pool

    return slurm_pool(Path(args.slurm)) if args.slurm is not None else cluster_pool(args.cluster)


def _print_outcome(name: str, outcome: Outcome, as_json: bool, backend: str) -> None:
    if as_json:
        plain = {
            "study": name,
            "path": str(outcome.path),
            "runs": outcome.runs,
            "repeats": outcome.repeats,
            "new": outcome.new,
            "failed": outcome.failed,
            ("on_kernel" if backend == "linux" else "simulated"): outcome.simulated,
            "deaths": outcome.deaths,
            "damaged": outcome.damaged,
            "wall_s": round(outcome.wall_s, 3),
        }
        print(json.dumps(plain, indent=2))
        return
    old = max(outcome.runs - outcome.new, 0)  # new ones may have come out alike
    runs = "1 run" if outcome.runs == 1 else f"{outcome.runs} runs"
    what = "runs on this kernel" if backend == "linux" else "simulations"
    print(
        f"{name}: {runs}, of which {old} were there; {outcome.simulated} {what},"
        f" twins included, in {duration_text(outcome.wall_s)}"
    )
    if outcome.repeats:
        print(
            f"{outcome.repeats} further seeds only repeat a run and count for nothing: "
            f"ccsim show {name} says why"
        )
    if outcome.damaged:
        files = "1 file" if outcome.damaged == 1 else f"{outcome.damaged} files"
        print(f"{files} of finished runs had changed: those runs were computed anew")
    if outcome.failed:
        print(f'{outcome.failed} runs failed: ccsim query {name} "select point, seed, error …"')
    print(f"tables  {outcome.path}")


class StudyBar(ProgressBar):
    """The progress line of a study: runs done, share, time left; a line a minute if no terminal."""

    told_at = 0.0
    counts = ""

    def told(self, progress: Progress) -> None:
        """Show how far the study is."""
        self.counts = f"{progress.done}/{progress.runs} runs, "
        self.update(progress.share)
        now = time.monotonic()
        if not self.terminal and now - max(self.started, self.told_at) >= EVERY_S:
            self.told_at = now
            self._write(f"{self.title}: {self.text(progress.share, now - self.started)}\n")

    def text(self, share: float, elapsed: float) -> str:
        """Return the runs done beside share and time left."""
        return self.counts + super().text(share, elapsed).strip()
