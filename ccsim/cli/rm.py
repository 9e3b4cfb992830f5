"""The verb ``rm``: stored runs and studies go, after a question."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.cli.stored import add_results

if TYPE_CHECKING:
    from ccsim.experiment.study.listing import Entry

__all__ = ["add_parser"]

KEPT = 1


def add_parser(verbs: Any) -> None:
    """Add ``rm`` to the command line's verbs."""
    parser = verbs.add_parser(
        "rm",
        help="delete stored runs and studies, after a question",
        description="Delete runs and studies: list what would go, ask, and delete it. A scenario's "
        "name means all its runs; a run id, or how it begins, means one. Exit status 1 if the "
        "answer was not yes.",
        epilog="example: ccsim rm cubic_to_bbr",
    )
    parser.add_argument(
        "names", metavar="RUN|STUDY", nargs="+", help="folders, run ids, scenarios' or studies'"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_results(parser)
    parser.set_defaults(func=_rm)


def _rm(args: argparse.Namespace) -> int:
    """Delete what is named; 1 if that was not confirmed."""
    from ccsim.errors import CcsimError
    from ccsim.experiment.study.listing import entry_of
    from ccsim.experiment.study.removing import meant, remove

    results = Path(args.results)
    folders = list(dict.fromkeys(path for text in args.names for path in meant(text, results)))
    entries = [entry for path in folders if (entry := entry_of(path)) is not None]
    print("\n".join(map(_line, entries)))
    if not args.yes:
        if not sys.stdin.isatty():
            raise CcsimError("rm: expected --yes where nobody can be asked; nothing deleted")
        if not _confirmed(len(entries)):
            print("nothing deleted")
            return KEPT
    for folder in folders:
        remove(folder)
    print(f"deleted {len(folders)}")
    return 0


def _line(entry: Entry) -> str:
    what = f"{entry.kind} {entry.name}" + (f" {entry.run_id}" if entry.kind == "run" else "")
    return f"{what}: {entry.path}, {entry.size_bytes / 1e6:.2f} MB, {entry.age} old"


def _confirmed(count: int) -> bool:
    try:
        answer = input(f"delete {'it' if count == 1 else f'these {count}'}? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")
