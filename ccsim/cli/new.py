"""The verb ``new``: a starting file for an algorithm, in Python or in C for BPF, or a scenario."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "new_verb"]


def add_parser(verbs: Any) -> None:
    """Add ``new`` to the command line's verbs."""
    new = verbs.add_parser(
        "new",
        help="write a starting file for an algorithm, or a scenario from a capture",
        description="algorithm: write NAME.py, a commented congestion control to start from, and "
        "test_NAME.py, its test. object: write NAME.bpf.c, one in C to be compiled into a BPF "
        "object, with a header and a Makefile. scenario: write NAME.yaml, a path and flows as a "
        "capture suggests them, with comments that say why. All work as they are; nothing is "
        "overwritten.",
        epilog="example: ccsim new algorithm my_cc; ccsim new scenario --from capture.pcapng",
    )
    new.add_argument("what", choices=["algorithm", "object", "scenario"])
    new.add_argument(
        "name", metavar="NAME", nargs="?", help="such as my_cc; of a scenario: else the capture's"
    )
    new.add_argument("--from", dest="capture", metavar="FILE", help="scenario: pcapng or pcap")
    new.add_argument("--dir", default=".", metavar="DIR", help="where to write; default: here")
    new.set_defaults(func=new_verb)


def new_verb(args: argparse.Namespace) -> int:
    """Write the files and say what to do with them."""
    folder = Path(args.dir)
    if args.what == "scenario":
        return _new_scenario(args, folder)
    if args.capture is not None:
        args.parser.error(f"--from: expected with scenario, got it with {args.what}")
    if args.name is None:
        args.parser.error("missing NAME (what sockets will choose, such as my_cc)")
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


def _new_scenario(args: argparse.Namespace, folder: Path) -> int:
    """Write a scenario that a capture suggests."""
    if args.capture is None:
        args.parser.error("missing --from FILE (the capture that suggests the scenario)")
    from ccsim.exchange.estimated_scenario import write_scenario

    target = write_scenario(Path(args.capture), folder, args.name)
    print(f"wrote {target}; try:")
    print(f"  ccsim run {target}")
    print(f"  ccsim compare {target.stem} {args.capture}")
    return 0
