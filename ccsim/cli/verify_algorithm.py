"""The verb ``ccsim verify algorithm``: recorded calls of a kernel's modules against a port."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]

DIFFERENT = 1


def add_parser(verify_subparsers: Any) -> None:
    """Add the subject ``algorithm`` to the verb ``verify``."""
    parser = verify_subparsers.add_parser(
        "algorithm",
        help="replay recorded calls of a congestion control",
        description="Replay calls recorded from Linux's own module and compare every field; print "
        "how many files and calls agree, and the first difference of each file that does not.",
    )
    parser.add_argument("name", metavar="NAME", help="a shipped algorithm, or a file my_cc.py")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="recordings, or folders of them")
    parser.set_defaults(func=verify_algorithm_verb)


def verify_algorithm_verb(args: argparse.Namespace) -> int:
    """Replay recordings; return 1 if any differs."""
    from ccsim.verify.cc_vectors import load_algorithm, replay, vector_files

    ops = load_algorithm(args.name)
    results = []
    for path in vector_files(args.paths):
        results.append(replay(path, ops))
        if results[-1].difference is not None:
            print(results[-1].difference)
    files = sum(result.difference is None for result in results)
    agreed, calls = sum(r.agreed for r in results), sum(r.calls for r in results)
    print(f"{ops.name}: {files} of {len(results)} files agree, {agreed} of {calls} calls")
    return 0 if files == len(results) else DIFFERENT
