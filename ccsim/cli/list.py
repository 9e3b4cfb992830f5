"""The verb ``list``: what scenarios may name."""

from __future__ import annotations

import argparse
from typing import Any

from ccsim.cli.arguments import add_verb
from ccsim.cli.layout import table
from ccsim.cli.screen import add_wide, screen_of

__all__ = ["add_parser"]

_LISTS = ["scenarios", "studies", "algorithms", "qdiscs", "mechanisms", "policies"]


def add_parser(verbs: Any) -> None:
    """Add ``list`` to the command line's verbs."""
    what = add_verb(verbs, "list", "list what there is", list_verb, "ccsim list scenarios")
    what.add_argument("what", choices=_LISTS)
    add_wide(what)


def list_verb(args: argparse.Namespace) -> int:
    """List what scenarios may name."""
    if args.what == "qdiscs":
        print(table(["name", "what it is"], _qdiscs(), screen_of(args)))
    else:
        print(table(["name", "what it is"], _listed(args.what), screen_of(args)))
    return 0


def _qdiscs() -> list[list[str]]:
    """Return what a path or hop may have as its qdisc: ccsim's own first, then tc's."""
    from ccsim.net.qdisc.kinds import KINDS
    from ccsim.scenario.vocabulary import QDISCS

    rows = [[name, text] for name, text in QDISCS.items()]
    return rows + [[name, qdisc.summary] for name, qdisc in KINDS.items()]


def _listed(what: str) -> list[list[str]]:
    if what in ("scenarios", "algorithms", "studies"):
        from ccsim.catalog import algorithm_files, scenario_files, study_files, summary

        found = {"scenarios": scenario_files, "algorithms": algorithm_files, "studies": study_files}
        files = found[what]()
        return [[name, summary(path)] for name, path in files.items()]
    from ccsim.scenario.vocabulary import MECHANISMS, STATE_POLICIES

    known = {"mechanisms": MECHANISMS, "policies": STATE_POLICIES}
    return [[name, text] for name, text in known[what].items()]
