"""The parser of all verbs, each of which has a module of its name beside this one."""

from __future__ import annotations

import argparse
from importlib import import_module

from ccsim import __version__

__all__ = ["VERBS", "build_parser"]

VERBS = (
    "run",
    "new",
    "check",
    "schema",
    "list",
    "show",
    "plot",
    "compare",
    "export",
    "verify",
    "kernel",
    "fuzz",
    "bench",
    "compile",
    "sweep",
    "query",
    "ls",
    "diff",
    "report",
    "search",
    "gallery",
    "doctor",
)
"""In the order of the help."""


def build_parser(verb: str = "") -> argparse.ArgumentParser:
    """Return the parser of all verbs; each sets ``func``, which takes the arguments.

    For a ``verb`` it knows that one alone: the modules of the others are not imported.
    """
    parser = argparse.ArgumentParser(
        prog="ccsim",
        description="What it costs to hot-swap TCP congestion control while traffic runs.",
        epilog="exit status: 0 fine, 1 a run failed or a difference was found, 2 wrong input",
    )
    parser.add_argument("--version", action="version", version=f"ccsim {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in (verb,) if verb in VERBS else VERBS:
        import_module(f"ccsim.cli.{name}").add_parser(verbs)
    return parser
