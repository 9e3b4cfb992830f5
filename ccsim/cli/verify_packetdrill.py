"""The verb ``ccsim verify packetdrill``: scripts of packetdrill against the emulated stack."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.verify.packetdrill.play import Verdict

__all__ = ["add_parser"]

DIFFERENT = 1
UNREADABLE = 2


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``packetdrill`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "packetdrill",
        help="run packetdrill scripts against the emulated stack",
        description="Run scripts of packetdrill, the field's regression language for TCP, against "
        "the emulated stack: socket calls, injected and expected segments, assertions over "
        "TCP_INFO. A script agrees, differs (its first line, what it expects, what came), or "
        "cannot be expressed (which line asks for what). Nothing of a script is executed by this "
        "machine. Exit status 1 if a script differs, 2 if one is no script.",
    )
    parser.add_argument(
        "paths", metavar="SCRIPT", nargs="+", help="a script NAME.pkt, or a folder with some"
    )
    parser.add_argument("--quiet", action="store_true", help="only what differs, and the sum")
    parser.set_defaults(func=verify_packetdrill_verb)


def verify_packetdrill_verb(args: argparse.Namespace) -> int:
    """Run scripts; return 1 if one differs, 2 if one is no script."""
    from ccsim.verify.packetdrill.play import AGREES, CANNOT, DIFFERS, WRONG, play_file
    from ccsim.verify.packetdrill.scripts import script_files

    outcomes: Counter[str] = Counter()
    for path in script_files(args.paths):
        verdict = play_file(path)
        outcomes[verdict.outcome] += 1
        if not args.quiet or verdict.outcome in (DIFFERS, WRONG):
            print(_line(verdict))
    expressible = outcomes[AGREES] + outcomes[DIFFERS]
    parts = [f"{outcomes[AGREES]} of {expressible} scripts agree"]
    parts += [f"{outcomes[CANNOT]} cannot be expressed"] if outcomes[CANNOT] else []
    parts += [f"{outcomes[WRONG]} could not be read"] if outcomes[WRONG] else []
    print("; ".join(parts))
    return UNREADABLE if outcomes[WRONG] else DIFFERENT if outcomes[DIFFERS] else 0


def _line(verdict: Verdict) -> str:
    if verdict.place is None:
        older = ", as before Linux 6.5" if verdict.older else ""
        return (
            f"{verdict.file}: {verdict.outcome} ({verdict.events} events, HZ={verdict.hz}{older})"
        )
    return f"{verdict.place}: {verdict.outcome}: {verdict.message}"
