"""The verb ``ccsim gallery``: all algorithms on one path, on one page."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.arguments import add_formats, natural, positive

if TYPE_CHECKING:
    from ccsim.experiment.gallery import GalleryRun

__all__ = ["add_parser", "gallery_verb"]

FAILED = 1


def add_parser(verbs: Any) -> None:
    """Add ``gallery`` to the command line's verbs."""
    parser = verbs.add_parser(
        "gallery",
        help="draw all algorithms on one path as one page",
        description="Run each algorithm alone on the same path, and draw cwnd, throughput and "
        "queue of all on one page, with the same axes. NAME is a shipped algorithm, a file "
        "ending in .py, whose code is run, or a compiled object, .o; without names: all shipped.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="default: all shipped")
    parser.add_argument(
        "--path",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=_setting,
        help="such as --path rate='10 Mbit/s' --path rtt='100 ms'; default: 50 Mbit/s, 40 ms, "
        "1 BDP",
    )
    parser.add_argument("--duration", default="40 s", metavar="TIME", help="default: 40 s")
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="default: 1")
    parser.add_argument("--out", default="results/gallery", metavar="DIR")
    add_formats(parser)
    parser.add_argument("--jobs", type=positive, metavar="N", help="runs at once; default: cores")
    parser.set_defaults(func=gallery_verb)


def gallery_verb(args: argparse.Namespace) -> int:
    """Run, draw and sum up; 1 if an algorithm raised."""
    from ccsim.cli.progress import ProgressBar
    from ccsim.errors import CcsimError
    from ccsim.experiment.gallery import gallery_scenarios, run_gallery
    from ccsim.experiment.store import explained
    from ccsim.plot.gallery import draw_gallery

    scenarios = gallery_scenarios(args.names, dict(args.path), args.duration, args.seed)
    out = Path(args.out)
    try:
        with contextlib.redirect_stdout(sys.stderr), ProgressBar("gallery") as bar:
            runs = run_gallery(scenarios, args.jobs, bar.update)
        with explained(out):
            paths = draw_gallery(runs, [run.label for run in runs], _title(runs), out, args.format)
    except ValueError as error:
        raise error if isinstance(error, CcsimError) else CcsimError(str(error)) from error
    print(_table(runs))
    for path in paths:
        print(path)
    failed = [f"{run.name} failed: {run.result.failed}" for run in runs if run.result.failed]
    for line in failed:
        print(line, file=sys.stderr)
    return FAILED if failed else 0


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE such as rtt='100 ms', got {text!r}")
    return key, value


def _title(runs: list[GalleryRun]) -> str:
    """Return what all the runs have in common."""
    from ccsim.units import format_rate, format_time

    path = runs[0].scenario["path"]
    loss = path["loss_probability"]
    parts = [format_rate(path["rate_bps"]), f"RTT {format_time(path['rtt_ns'])}"]
    parts.append(f"buffer {path['buffer_packets']} packets")
    if loss:
        parts.append(f"{loss * 100:g} % random loss")
    return f"One bulk flow alone on {', '.join(parts)}"


def _table(runs: list[GalleryRun]) -> str:
    from ccsim.cli.layout import table

    headers = ["algorithm", "goodput (Mbit/s)", "mean RTT (ms)", "mean queue (packets)", "drops"]
    return table(headers, [_row(run) for run in runs])


def _row(run: GalleryRun) -> list[str]:
    from ccsim.experiment.metrics import counted, rtt_ms
    from ccsim.net.qdisc.base import LOST

    flow, link = run.result.flows[0], run.result.links[0]
    until_ns, queue = run.result.duration_ns, link.metered.queue_packets
    if not len(queue) or not until_ns:
        return [run.label, "–", "–", "–", "–"]
    measured = rtt_ms(flow, 0, until_ns)
    return [
        run.label,
        f"{counted(flow, until_ns)[0] * 8e3 / until_ns:.2f}",
        f"{measured.mean():.1f}" if len(measured) else "–",
        f"{queue.mean():.1f}",
        f"{int((link.drop_reason != LOST).sum())}",
    ]
