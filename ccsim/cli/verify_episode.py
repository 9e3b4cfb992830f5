"""The verb ``ccsim verify episode``: scripted connections, packet by packet."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.verify.episode_comparison import Comparison

__all__ = ["add_arguments", "add_parser"]

DIFFERENT = 1
PLOT_FOLDER = "results/verify"


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``episode`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "episode",
        help="replay scripted connections, packet by packet",
        description="Replay scripted connections that were recorded on a real kernel, and compare "
        "every transmission, the window after every ACK and the kernel's counters. Exit status 1 "
        "if an episode that the kernel itself repeats (tight) does not agree.",
    )
    add_arguments(parser, "an episode NAME.json, or a folder of them")
    parser.add_argument("--quiet", action="store_true", help="only what differs, and the sums")
    parser.set_defaults(func=verify_episode_verb)


def add_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Add what all comparisons with recordings take."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help=what)
    parser.add_argument(
        "--plot",
        nargs="?",
        const=PLOT_FOLDER,
        metavar="DIR",
        help=f"overlay both in DIR/NAME.png; default: {PLOT_FOLDER}",
    )
    parser.add_argument("--table", action="store_true", help="print a Markdown table")


def verify_episode_verb(args: argparse.Namespace) -> int:
    """Replay episodes; return 1 if one that has to agree does not."""
    from ccsim.verify.episode import episode_files, load_episode
    from ccsim.verify.episode_comparison import replay_episode
    from ccsim.verify.markdown import EPISODE_HEAD, episode_row

    failed = 0
    files = list(episode_files(args.paths))
    if args.table:
        print(EPISODE_HEAD)
    seen: Counter[tuple[str, str]] = Counter()
    agreed: Counter[tuple[str, str]] = Counter()
    for path in files:
        outcome = replay_episode(load_episode(path))
        kind = outcome.episode.meta["cc"], outcome.episode.agreement
        seen[kind] += 1
        agreed[kind] += outcome.agrees
        failed += outcome.required and not outcome.agrees
        if not args.quiet or not outcome.agrees:
            print(episode_row(outcome) if args.table else _episode_line(outcome))
        if args.plot is not None:
            _plot_episode(outcome, Path(args.plot))
    if args.table:
        print()
    for cc, agreement in sorted(seen):
        kind = cc, agreement
        print(f"{cc}, {_KINDS[agreement]}: {agreed[kind]} of {seen[kind]} agree")
    return DIFFERENT if failed else 0


_KINDS = {
    "tight": "the kernel repeats itself",
    "order": "the kernel repeats the order alone",
    "no": "the kernel does not repeat itself",
}


def _episode_line(outcome: Comparison) -> str:
    verdict = "agrees" if outcome.agrees else "DIFFERS" if outcome.required else "differs"
    parts = [
        f"{outcome.episode.name}: {verdict} ({outcome.episode.agreement})",
        f"{outcome.in_order}/{outcome.total} transmissions in order",
        f"{outcome.worst_ns / 1e6:.2f} ms apart at most"
        + (f", {outcome.late} too far" if outcome.late else ""),
        f"states {'same' if outcome.states_agree else 'differ'}",
        f"window same after {outcome.cwnd_agree}/{outcome.cwnd_total} ACKs",
        "counters " + (_counters(outcome.counters) or "same"),
    ]
    line = "; ".join(parts)
    return f"{line}\n    first difference: {outcome.first}" if outcome.first else line


def _counters(differing: dict[str, tuple[int, int]]) -> str:
    return ", ".join(
        f"{name} {there} recorded, {here} simulated" for name, (there, here) in differing.items()
    )


def _plot_episode(outcome: Comparison, folder: Path) -> None:
    from ccsim.plot.overlay import draw_overlay
    from ccsim.verify.overlay_curves import episode_marks, episode_panels

    name = outcome.episode.name
    title = f"{name}: {outcome.episode.meta['what']}"
    draw_overlay(title, episode_panels(outcome), folder / f"{name}.png", episode_marks(outcome))
