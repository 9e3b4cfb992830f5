"""The verb ``ccsim verify trace``: recorded bulk transfers of a kernel against the simulator."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import positive
from ccsim.cli.verify_episode import add_arguments

if TYPE_CHECKING:
    from ccsim.verify.trace_comparison import TraceMetrics

__all__ = ["add_parser"]

DIFFERENT = 1


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``trace`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "trace",
        help="compare with recorded bulk transfers",
        description="Simulate recorded transfers and print how far the simulation is from the "
        "kernel, per flow, beside what is required. Exit status 1 if a requirement is missed.",
    )
    add_arguments(parser, "a recording NAME.json, or a folder of them")
    parser.add_argument(
        "--seeds", type=positive, default=8, metavar="N", help="seeds to average over; default: 8"
    )
    parser.set_defaults(func=verify_trace_verb)


def verify_trace_verb(args: argparse.Namespace) -> int:
    """Simulate recorded transfers; return 1 if a requirement is missed."""
    from ccsim.verify.markdown import TRACE_HEAD, trace_rows
    from ccsim.verify.trace import load_trace, trace_files
    from ccsim.verify.trace_comparison import compare_trace

    failed = 0
    files = list(trace_files(args.paths))
    if args.table:
        print(TRACE_HEAD)
    for path in files:
        outcome = compare_trace(load_trace(path), seeds=args.seeds)
        print("\n".join(trace_rows(outcome)) if args.table else outcome.text(), flush=True)
        failed += not outcome.passes
        if args.plot is not None:
            _plot_trace(outcome, Path(args.plot))
    return DIFFERENT if failed else 0


def _plot_trace(outcome: TraceMetrics, folder: Path) -> None:
    from ccsim.plot.overlay import draw_overlay
    from ccsim.verify.overlay_curves import trace_marks, trace_panels

    name = outcome.trace.name
    title = name + (f" (the first of {outcome.seeds} seeds)" if outcome.seeds > 1 else "")
    draw_overlay(title, trace_panels(outcome), folder / f"{name}.png", trace_marks(outcome))
