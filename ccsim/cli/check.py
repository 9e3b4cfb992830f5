"""The verb ``check``: scenarios and studies are validated, algorithm files tortured, objects
verified."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
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
        help="validate scenarios and studies without running them; torture algorithm files; "
        "verify objects",
        description="Validate scenarios and studies (YAML): none is simulated. A file that ends in "
        ".py is an algorithm: loading it RUNS ITS CODE. It is held against what Linux refuses at "
        "load, then run through losses, timeouts, pauses and swaps. One that ends in .o is a "
        "compiled BPF object: it is opened, relocated and verified as libbpf and Linux do, and "
        "nothing of it is run. What a scenario or study names under objects is checked like that, "
        "too. Exit status 1 if a rule is broken, 2 if a scenario or study is wrong or a file "
        "cannot be read.",
        epilog="example: ccsim check mine.yaml my_cc.py my_cc.bpf.o",
    )
    check.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="scenarios, studies, algorithm files or BPF objects",
    )
    check.add_argument("--json", action="store_true", help="print one JSON document")
    check.set_defaults(func=check_verb)


def check_verb(args: argparse.Namespace) -> int:
    """Check scenarios, studies and algorithm files, those too that the former name; 1 if an
    algorithm breaks a rule, 2 for wrong input."""
    from ccsim.compiled import do_without

    do_without()
    status, documents = 0, []
    files: list[str] = list(args.files)
    for file in files:  # which grows
        check = CHECKS.get(Path(file).suffix, _check_text)
        document, text, found = check(file, args.json)
        files += _objects_of(document, files)
        status = max(status, found)
        documents.append(document)
        if not args.json:
            print(text, file=sys.stderr if found == WRONG_INPUT else sys.stdout, flush=True)
    if args.json:
        print_json({"files": documents})
    return status


Checked = tuple[dict[str, Any], str, int]
"""A file's JSON document, what to print otherwise, and the exit status."""


def _objects_of(document: dict[str, Any], files: Sequence[str]) -> list[str]:
    """Return the objects that a scenario or study names and that are not among the files yet."""
    known = {os.path.realpath(file) for file in files}
    found = [file for file in document.get("objects", ()) if Path(file).suffix in CHECKS]
    return [_near(file) for file in found if os.path.realpath(file) not in known]


def _near(file: str) -> str:
    """Return a path as one would type it here, if it lies below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _check_text(file: str, quiet: bool) -> Checked:
    """Check a scenario or study."""
    from ccsim.experiment.study.read import is_study

    kind = "study" if is_study(file) else "scenario"
    try:
        told, objects = (_study_told if kind == "study" else _scenario_told)(file)
    except ScenarioError as error:
        problems = [asdict(problem) for problem in error.problems]
        document = {"file": file, "kind": kind, "ok": False, "problems": problems}
        return document, str(error), WRONG_INPUT
    document = {"file": file, "kind": kind, "ok": True, "problems": [], "objects": objects}
    return document, f"{file}: {told}", 0


def _scenario_told(file: str) -> tuple[str, list[str]]:
    from ccsim.scenario import load_scenario

    return "ok", list(load_scenario(file).objects)


def _study_told(file: str) -> tuple[str, list[str]]:
    """Return what is said of a study, all of whose scenarios are valid, and their objects."""
    from ccsim.experiment.study.plan import objects_of, plan_study
    from ccsim.experiment.study.read import read_study

    plan = plan_study(read_study(file))
    return plan.told(), objects_of(plan)


def _check_algorithm(file: str, quiet: bool) -> Checked:
    from ccsim.jobs.checking import check_watched

    notice = f"{file}: loading an algorithm file runs its code with your rights"
    print(notice, file=sys.stderr if quiet else sys.stdout, flush=True)
    report = check_watched(file)
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


CHECKS: dict[str, Callable[[str, bool], Checked]] = {".py": _check_algorithm, ".o": _check_object}
"""What checks a file that is no scenario or study, by its suffix."""
