"""A check of an algorithm file in a process of its own, which is ended where a hook hangs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ccsim.errors import AlgorithmError
from ccsim.jobs.stuck import Watch, can_watch
from ccsim.jobs.worker import Progress, Worker, WorkerDied, serve
from ccsim.sim.watchdog import HOOK_TIMEOUT_S
from ccsim.verify.torture import check_algorithm
from ccsim.verify.torture.report import AlgorithmReport, Finding

__all__ = ["check_watched", "serve_checks"]


def check_watched(path: str, *, timeout_s: float = HOOK_TIMEOUT_S) -> AlgorithmReport:
    """Check a file as `check_algorithm` does; code that does not come back to Python is a finding.

    The process is a fork of this one, where that is safe and this one has no machine code, which
    would hide broken rules. Where there can be none, or it dies, the file is checked here.
    """
    try:
        return _apart(path, timeout_s)
    except (OSError, WorkerDied):
        return check_algorithm(path)


def _apart(path: str, timeout_s: float) -> AlgorithmReport:
    file = str(Path(path).resolve())
    worker = Worker(serve_checks, fork=True, pure=True)
    try:
        watch = Watch(worker.pid, [file], timeout_s) if can_watch() else None
        found = json.loads(worker.ask({"path": path}, lambda t_ns: None, watch))
    except AlgorithmError as error:
        report = AlgorithmReport(path, loaded_from=file)
        report.add(Finding("exception", f"{error.file}:{error.line}", error.message))
        return report
    finally:
        worker.kill()
        worker.close()
    findings = [Finding(**finding) for finding in found.pop("findings")]
    return AlgorithmReport(**found, findings=findings)


def serve_checks() -> None:
    """Check the files that standard input asks for until it ends or the parent does."""
    serve(_checked, watched=True)


def _checked(request: Mapping[str, Any], progress: Progress) -> bytes:
    return json.dumps(asdict(check_algorithm(request["path"]))).encode()
