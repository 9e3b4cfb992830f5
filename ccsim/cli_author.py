"""The verbs of those who write an algorithm: ``ccsim new`` and ``ccsim check``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ccsim.errors import ScenarioError

__all__ = ["add_parsers", "check_verb", "new_verb"]

FOUND = 1
WRONG_INPUT = 2


def add_parsers(verbs: Any) -> None:
    """Add ``new`` and ``check`` to the command line's verbs."""
    new = verbs.add_parser(
        "new",
        help="write a starting file for an algorithm, and its test",
        description="Write NAME.py, a commented congestion control to start from, and "
        "test_NAME.py, its test. Both work as they are; nothing is overwritten.",
    )
    new.add_argument("what", choices=["algorithm"])
    new.add_argument("name", metavar="NAME", help="what sockets will choose, such as my_cc")
    new.add_argument("--dir", default=".", metavar="DIR", help="where to write; default: here")
    new.set_defaults(func=new_verb)
    check = verbs.add_parser(
        "check",
        help="validate scenarios without running them; torture algorithm files",
        description="Validate scenarios (YAML), which runs nothing. A file that ends in .py is an "
        "algorithm: loading it RUNS ITS CODE. It is held against what Linux refuses at load, then "
        "run through losses, timeouts, pauses and swaps. Exit status 1 if a rule is broken, 2 if a "
        "scenario is wrong or a file cannot be read.",
    )
    check.add_argument("files", metavar="FILE", nargs="+", help="scenarios or algorithm files")
    check.add_argument("--json", action="store_true", help="print one JSON document")
    check.set_defaults(func=check_verb)


def new_verb(args: argparse.Namespace) -> int:
    """Write the two files and say what to do with them."""
    from ccsim.cli_template import write_algorithm

    algorithm, test = write_algorithm(args.name, Path(args.dir))
    print(f"wrote {algorithm} and {test}; try:")
    print(f"  ccsim check {algorithm}")
    print(f"  pytest {test}")
    return 0


def check_verb(args: argparse.Namespace) -> int:
    """Check scenarios and algorithm files; 1 if an algorithm breaks a rule, 2 for wrong input."""
    from ccsim.compiled import do_without

    do_without()
    status, documents = 0, []
    for file in args.files:
        check = _check_algorithm if file.endswith(".py") else _check_scenario
        document, text, found = check(file, args.json)
        status = max(status, found)
        documents.append(document)
        if not args.json:
            print(text, file=sys.stderr if found == WRONG_INPUT else sys.stdout, flush=True)
    if args.json:
        print(json.dumps({"files": documents}, indent=2, ensure_ascii=False))
    return status


Checked = tuple[dict[str, Any], str, int]
"""A file's JSON document, what to print otherwise, and the exit status."""


def _check_scenario(file: str, quiet: bool) -> Checked:
    from ccsim.scenario import load_scenario

    try:
        load_scenario(file)
    except ScenarioError as error:
        problems = [asdict(problem) for problem in error.problems]
        document = {"file": file, "kind": "scenario", "ok": False, "problems": problems}
        return document, str(error), WRONG_INPUT
    return {"file": file, "kind": "scenario", "ok": True, "problems": []}, f"{file}: ok", 0


def _check_algorithm(file: str, quiet: bool) -> Checked:
    from ccsim.verify.torture import check_algorithm

    notice = f"{file}: loading an algorithm file runs its code with your rights"
    print(notice, file=sys.stderr if quiet else sys.stdout, flush=True)
    report = check_algorithm(file)
    status = 0 if report.ok else FOUND if report.readable else WRONG_INPUT
    return report.to_json(), report.text(), status
