"""The verb ``compare``: stored runs in one picture, or a run beside what was measured."""

from __future__ import annotations

import argparse
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_verb, formats
from ccsim.cli.layout import NONE, table
from ccsim.cli.output import comparison_text, print_paths, printable
from ccsim.cli.screen import add_wide, screen_of
from ccsim.cli.stored import add_results, add_verify, load
from ccsim.cli.streams import say
from ccsim.cli.typeset import FORMS, document

if TYPE_CHECKING:
    from ccsim.exchange.comparison import Distance, Pair
    from ccsim.exchange.measured import Imported
    from ccsim.experiment.stored import StoredRun

__all__ = ["add_parser"]

HASHED = 1 << 20  # of a file's bytes, for the name of a folder


def add_parser(verbs: Any) -> None:
    """Add ``compare`` to the command line's verbs."""
    compare = add_verb(
        verbs,
        "compare",
        "overlay stored runs, or a run and a capture, in one picture",
        compare_verb,
        "ccsim compare cubic_to_bbr bbr_to_cubic",
    )
    compare.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="folders, run ids, scenarios' names; beside one run also captures, logs of ss, "
        "tcp_probe, bpftrace, iperf3",
    )
    compare.add_argument(
        "--format",
        type=_formats,
        default=(("png", "pdf"), "text"),
        help="of the picture one or more of png, pdf, svg, pgf, and of the tables md or tex, with "
        "commas between; default: png,pdf and text",
    )
    compare.add_argument("--out", metavar="DIR", help="the folder to write into")
    add_results(compare, "runs")
    add_verify(compare)
    add_wide(compare)


def _formats(text: str) -> tuple[tuple[str, ...], str]:
    """Return formats of the picture, and the form of the tables."""
    named = [part.strip() for part in text.split(",")]
    forms = [part for part in named if part in FORMS]
    if len(forms) > 1:
        raise argparse.ArgumentTypeError(f"expected one of md and tex, got {text!r}")
    pictures = [part for part in named if part not in FORMS]
    return formats(",".join(pictures)) if pictures else (), forms[0] if forms else "text"


def compare_verb(args: argparse.Namespace) -> int:
    """Overlay stored runs and print their flows one below the other."""
    args.format, args.form = args.format
    from ccsim.experiment.store import explained
    from ccsim.plot import draw_comparison

    files = [text for text in args.runs if Path(text).is_file()]
    if files:
        return _beside_files(args, files)
    runs = [load(text, args) for text in args.runs]
    labels = _labels(runs)
    content = "\n".join(f"{run.name}/{run.path.name}" for run in runs)
    name = hashlib.sha256(content.encode()).hexdigest()[:12]
    out = Path(args.out) if args.out else Path(args.results) / "comparisons" / name
    screen = screen_of(args)
    text = comparison_text(labels, [run.metrics for run in runs], screen)
    print(text if screen.form == "text" else document(screen.form, text))
    if args.format:
        with explained(out):
            drawn = draw_comparison(runs, labels, out, args.format)
        if screen.form == "text":
            print_paths(drawn)
        else:  # stdout is a table for a paper
            say("\n".join(map(str, drawn)))
    return 0


def _beside_files(args: argparse.Namespace, files: list[str]) -> int:
    """Overlay a run and what was measured, and print how far apart they are."""
    from ccsim.exchange.comparison import distances, pairs
    from ccsim.exchange.reading import imported

    named = [text for text in args.runs if text not in files]
    if len(named) != 1:
        args.parser.error(f"expected one run beside files, got {len(named)}")
    run = load(named[0], args)
    for file in files:
        found = imported(Path(file))
        both = pairs(run, found)
        rows = [_cells(one) for pair in both for one in distances(pair)]
        screen = screen_of(args)
        told = f"{run.name} {run.run_id} beside {printable(file)}"
        told += "\n" + table(MEASURED, rows, screen, firm="flow")
        print(told if screen.form == "text" else document(screen.form, told))
        for note in found.notes:
            say(f"note: {printable(note)}")
        if len(found.connections) != len(run.result.flows):
            counts = f"{len(run.result.flows)} flows, {len(found.connections)} connections"
            say(f"note: {counts}: the first of each are compared, in order of their start")
        print_paths(_draw(run, found, both, args))
    return 0


MEASURED = ["flow", "measure", "simulated", "measured", "apart"]


def _cells(one: Distance) -> list[str]:
    share = NONE if math.isnan(one.share) else f"{one.share:+.1%}"
    if "curve" in one.measure:
        return [one.flow, one.measure, "", "", share.lstrip("+")]
    return [one.flow, one.measure, f"{one.simulated:.3f}", f"{one.measured:.3f}", share]


def _draw(
    run: StoredRun, found: Imported, both: list[Pair], args: argparse.Namespace
) -> list[Path]:
    from ccsim.exchange.comparison import panels
    from ccsim.experiment.store import explained
    from ccsim.plot.overlay import draw_overlay

    drawn = panels(both)
    if not drawn:
        return []
    content = Path(found.file).read_bytes()[:HASHED]
    name = hashlib.sha256(f"{run.name}/{run.path.name}".encode() + content).hexdigest()[:12]
    out = Path(args.out) if args.out else Path(args.results) / "comparisons" / name
    marks = [(swap.t_ns / 1e9, f"to {swap.new}") for swap in run.swaps]
    title = f"{run.name} and {Path(found.file).name}"
    with explained(out):
        return [
            draw_overlay(title, drawn, out / f"measured.{ending}", marks) for ending in args.format
        ]


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
