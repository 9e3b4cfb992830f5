"""A check by a process of its own, where this one has compiled modules: an integer of C refuses
what an algorithm writes before anybody can look at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict

from ccsim.errors import CcsimError
from ccsim.verify.torture.report import AlgorithmReport, Finding

__all__ = ["answer_with", "check_apart"]

_CODE = (
    "from ccsim.verify.torture import check_algorithm; "
    "from ccsim.verify.torture.pure_process import answer_with; answer_with(check_algorithm)"
)


def check_apart(path: str) -> AlgorithmReport:
    """Return what `check_algorithm` does of a file where nothing is compiled.

    What is printed meanwhile goes to standard error. CcsimError if the process ends early.
    """
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CODE, path],
        env={**os.environ, "PYTHONPATH": paths, "CCSIM_PURE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise CcsimError(f"{path}: the process that checks it ended with {done.returncode}")
    report = json.loads(done.stdout)
    findings = [Finding(**finding) for finding in report.pop("findings")]
    return AlgorithmReport(**report, findings=findings)


def answer_with(check: Callable[[str], AlgorithmReport]) -> None:
    """Check the file that the command line names; write the report to standard output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # what an algorithm prints must not get into it
        json.dump(asdict(check(sys.argv[1])), answer)
