"""The verb ``ccsim verify qdisc``: queueing disciplines, call by call."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.verify.qdisc import Replay
    from ccsim.verify.qdisc_files import QdiscRecording

__all__ = ["add_parser"]

DIFFERENT = 1
UNREADABLE = 2


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``qdisc`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "qdisc",
        help="replay queueing disciplines, call by call",
        description="Replay recorded calls of Linux's queueing disciplines, and compare what came "
        "of each, all of the state after it, and when timers are due. Recordings of mahimahi's "
        "link are replayed too. Exit status 1 if a call differs, 2 if a recording cannot "
        "be replayed; the others are.",
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a recording NAME.jsonl.gz, or a folder of them"
    )
    parser.add_argument("--quiet", action="store_true", help="only what differs, and the sum")
    parser.set_defaults(func=verify_qdisc_verb)


def verify_qdisc_verb(args: argparse.Namespace) -> int:
    """Replay recordings; return 1 if a call differs, 2 if a recording cannot be replayed."""
    from ccsim.errors import RecordingError
    from ccsim.verify.mahimahi_recordings import is_modelled
    from ccsim.verify.qdisc_files import qdisc_recordings

    recordings = calls = differing = agreed = unreadable = 0
    for recording in qdisc_recordings(args.paths):
        if recording.is_link and not is_modelled(recording):
            print(f"{recording.name}: not replayed, mahimahi's own AQMs are not modelled")
            continue
        recordings += 1
        try:
            outcome = _replay(recording, quiet=args.quiet)
        except RecordingError as error:  # the others can still be compared
            print(error, file=sys.stderr)
            unreadable += 1
            continue
        calls += outcome.calls
        differing += outcome.differences
        agreed += not outcome.differences
    print(f"{agreed} of {recordings} recordings agree; {differing} of {calls} calls differ")
    if unreadable:
        return UNREADABLE
    return DIFFERENT if differing else 0


def _replay(recording: QdiscRecording, *, quiet: bool) -> Replay:
    """Replay one recording and say what came of it."""
    from ccsim.verify.mahimahi_recordings import replay_link
    from ccsim.verify.qdisc import replay

    outcome = replay_link(recording) if recording.is_link else replay(recording)
    if outcome.first is not None:
        print(f"{outcome.name}: {outcome.calls} calls, {outcome.differences} differ")
        print(f"    first: {recording.path}, {outcome.first}")
    elif not quiet:
        print(f"{outcome.name}: {outcome.calls} calls agree")
    return outcome
