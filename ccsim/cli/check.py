"""The verb ``check``: scenarios are validated, algorithm files tortured, objects verified."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from ccsim.cli.output import print_json
from ccsim.errors import ScenarioError

__all__ = ["add_parser", "check_verb"]

FOUND = 1
WRONG_INPUT = 2


def add_parser(verbs: Any) -> None:
    """Add ``check`` to the command line's verbs."""
    check = verbs.add_parser(
        "check",
        help="validate scenarios without running them; torture algorithm files; verify objects",
        description="Validate scenarios (YAML), which runs nothing. A file that ends in .py is an "
        "algorithm: loading it RUNS ITS CODE. It is held against what Linux refuses at load, then "
        "run through losses, timeouts, pauses and swaps. One that ends in .o is a compiled BPF "
        "object: it is opened, relocated and verified as libbpf and Linux do, and nothing of it is "
        "run. Exit status 1 if a rule is broken, 2 if a scenario is wrong or a file cannot be "
        "read.",
        epilog="example: ccsim check mine.yaml my_cc.py my_cc.bpf.o",
    )
    check.add_argument(
        "files", metavar="FILE", nargs="+", help="scenarios, algorithm files or BPF objects"
    )
    check.add_argument("--json", action="store_true", help="print one JSON document")
    check.set_defaults(func=check_verb)


def check_verb(args: argparse.Namespace) -> int:
    """Check scenarios and algorithm files; 1 if an algorithm breaks a rule, 2 for wrong input."""
    from ccsim.compiled import do_without

    do_without()
    status, documents = 0, []
    for file in args.files:
        suffix = file.rpartition(".")[2]
        check = {"py": _check_algorithm, "o": _check_object}.get(suffix, _check_scenario)
        document, text, found = check(file, args.json)
        status = max(status, found)
        documents.append(document)
        if not args.json:
            print(text, file=sys.stderr if found == WRONG_INPUT else sys.stdout, flush=True)
    if args.json:
        print_json({"files": documents})
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


def _check_object(file: str, quiet: bool) -> Checked:
    from ccsim.bpf.report import check_object

    try:
        report = check_object(file)
    except OSError as error:
        text = f"{file}: {error.strerror}"
        return {"file": file, "kind": "object", "ok": False, "problem": text}, text, WRONG_INPUT
    status = 0 if report.ok else FOUND if report.readable else WRONG_INPUT
    return report.to_json(), report.text(), status
