"""The verb ``new``: a starting file for an algorithm, and its test."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "new_verb"]


def add_parser(verbs: Any) -> None:
    """Add ``new`` to the command line's verbs."""
    new = verbs.add_parser(
        "new",
        help="write a starting file for an algorithm, and its test",
        description="Write NAME.py, a commented congestion control to start from, and "
        "test_NAME.py, its test. Both work as they are; nothing is overwritten.",
        epilog="example: ccsim new algorithm my_cc",
    )
    new.add_argument("what", choices=["algorithm"])
    new.add_argument("name", metavar="NAME", help="what sockets will choose, such as my_cc")
    new.add_argument("--dir", default=".", metavar="DIR", help="where to write; default: here")
    new.set_defaults(func=new_verb)


def new_verb(args: argparse.Namespace) -> int:
    """Write the two files and say what to do with them."""
    from ccsim.cli.template import write_algorithm

    algorithm, test = write_algorithm(args.name, Path(args.dir))
    print(f"wrote {algorithm} and {test}; try:")
    print(f"  ccsim check {algorithm}")
    print(f"  pytest {test}")
    return 0
