"""The verb ``new``: a starting file for an algorithm, in Python or in C for BPF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "new_verb"]


def add_parser(verbs: Any) -> None:
    """Add ``new`` to the command line's verbs."""
    new = verbs.add_parser(
        "new",
        help="write a starting file for an algorithm, in Python or in C for BPF",
        description="algorithm: write NAME.py, a commented congestion control to start from, and "
        "test_NAME.py, its test. object: write NAME.bpf.c, one in C to be compiled into a BPF "
        "object, with a header and a Makefile. All work as they are; nothing is overwritten.",
        epilog="example: ccsim new algorithm my_cc; ccsim new object my_cc",
    )
    new.add_argument("what", choices=["algorithm", "object"])
    new.add_argument("name", metavar="NAME", help="what sockets will choose, such as my_cc")
    new.add_argument("--dir", default=".", metavar="DIR", help="where to write; default: here")
    new.set_defaults(func=new_verb)


def new_verb(args: argparse.Namespace) -> int:
    """Write the files and say what to do with them."""
    folder = Path(args.dir)
    if args.what == "object":
        from ccsim.cli.template_object import write_object

        source, header, makefile = write_object(args.name, folder)
        print(f"wrote {source}, {header} and {makefile}; try:")
        print(f"  make -C {folder} check")
        return 0
    from ccsim.cli.template import write_algorithm

    algorithm, test = write_algorithm(args.name, folder)
    print(f"wrote {algorithm} and {test}; try:")
    print(f"  ccsim check {algorithm}")
    print(f"  pytest {test}")
    return 0
