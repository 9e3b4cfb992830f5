"""The verb ``ccsim verify qdisc``: queueing disciplines, call by call."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]

DIFFERENT = 1


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``qdisc`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "qdisc",
        help="replay queueing disciplines, call by call",
        description="Replay recorded calls of Linux's queueing disciplines, and compare what came "
        "of each, all of the state after it, and when timers are due. Recordings of mahimahi's "
        "link are replayed too. Exit status 1 if a call differs.",
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a recording NAME.jsonl.gz, or a folder of them"
    )
    parser.add_argument("--quiet", action="store_true", help="only what differs, and the sum")
    parser.set_defaults(func=verify_qdisc_verb)


def verify_qdisc_verb(args: argparse.Namespace) -> int:
    """Replay recordings; return 1 if a call differs."""
    from ccsim.verify.qdisc import replay
    from ccsim.verify.qdisc_files import qdisc_recordings
    from ccsim.verify.trace_link import is_modelled, replay_link

    recordings = calls = differing = agreed = 0
    for recording in qdisc_recordings(args.paths):
        if recording.is_link and not is_modelled(recording):
            print(f"{recording.name}: not replayed, mahimahi's own AQMs are not modelled")
            continue
        outcome = replay_link(recording) if recording.is_link else replay(recording)
        recordings += 1
        calls += outcome.calls
        differing += outcome.differences
        agreed += not outcome.differences
        if outcome.first is not None:
            print(f"{outcome.name}: {outcome.calls} calls, {outcome.differences} differ")
            print(f"    first: {recording.path}, {outcome.first}")
        elif not args.quiet:
            print(f"{outcome.name}: {outcome.calls} calls agree")
    print(f"{agreed} of {recordings} recordings agree; {differing} of {calls} calls differ")
    return DIFFERENT if differing else 0
