"""The verb ``compare``: stored runs in one picture."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from ccsim.cli.arguments import add_formats, add_verb
from ccsim.cli.output import comparison_text, print_paths
from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.stored import add_results, add_verify, load

__all__ = ["add_parser"]


def add_parser(verbs: Any) -> None:
    """Add ``compare`` to the command line's verbs."""
    compare = add_verb(
        verbs,
        "compare",
        "overlay stored runs in one picture",
        compare_verb,
        "ccsim compare cubic_to_bbr bbr_to_cubic",
    )
    compare.add_argument(
        "runs", metavar="RUN", nargs="+", help="folders, run ids, scenarios' names"
    )
    add_formats(compare)
    compare.add_argument("--out", metavar="DIR", help="the folder to write into")
    add_results(compare, "runs")
    add_verify(compare)
    add_wide(compare)


def compare_verb(args: argparse.Namespace) -> int:
    """Overlay stored runs and print their flows one below the other."""
    from ccsim.experiment.store import explained
    from ccsim.plot import draw_comparison

    runs = [load(text, args) for text in args.runs]
    labels = _labels(runs)
    content = "\n".join(f"{run.name}/{run.path.name}" for run in runs)
    name = hashlib.sha256(content.encode()).hexdigest()[:12]
    out = Path(args.out) if args.out else Path(args.results) / "comparisons" / name
    print(comparison_text(labels, [run.metrics for run in runs], screen_of(args)))
    with explained(out):
        print_paths(draw_comparison(runs, labels, out, args.format))
    return 0


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
