"""`check_algorithm`: load a file as the kernel would, then let its tables live through it all."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

from ccsim.compiled import some_imported
from ccsim.ending import no_exits
from ccsim.kernel import ObjectFileError, TcpCongestionOps, load_tables
from ccsim.kernel.loader import declared_at, load_file
from ccsim.sim.watchdog import HOOK_TIMEOUT_S, hooks_watched
from ccsim.verify.torture.episodes import EPISODES, alone, beside
from ccsim.verify.torture.loading import load_findings
from ccsim.verify.torture.probe import Broken, Probe
from ccsim.verify.torture.pure_process import check_apart
from ccsim.verify.torture.report import AlgorithmReport, Finding
from ccsim.verify.torture.rig import TortureConnection
from ccsim.verify.torture.trains import compare_trains

__all__ = ["check_algorithm"]


def check_algorithm(path: str | Path) -> AlgorithmReport:
    """Check an algorithm file as ``ccsim check`` does and return what was found.

    This executes the file's code, with all the rights of this process, and in another one where
    this has compiled modules (``ccsim compile``), which would hide broken rules. Each of its tables
    is held against what Linux refuses at load; one that would be loaded is then run on ccsim's own
    sender through losses, timeouts, pauses and swaps, and its ``train`` hook is compared with its
    scalar hooks. What the algorithm prints goes to standard error.

    A file that cannot be loaded at all is a report with one finding, not an exception.
    """
    if some_imported() and sys.executable:
        return check_apart(str(path))
    file = Path(path).resolve()
    report = AlgorithmReport(str(path), loaded_from=str(file))
    watched = hooks_watched(HOOK_TIMEOUT_S)
    with contextlib.redirect_stdout(sys.stderr), no_exits(), watched:
        try:
            tables, policies = load_file(file)
            if not tables and not policies:
                load_tables(file)  # raises, and says how to mend it
        except ObjectFileError as error:
            report.readable = "cannot be read" not in str(error)
            report.add(_unloadable(str(file), str(error)))
            return report
        for variable, ops in tables.items():
            report.algorithms.append(str(ops.name))
            refused = list(load_findings(variable, ops))
            for finding in refused:
                report.add(finding)
            if not refused:
                _torture(file, variable, report)
    return report


def _unloadable(path: str, text: str) -> Finding:
    """Split the loader's message, which begins with file and line."""
    found = re.match(re.escape(path) + r"(?::\d+)?", text)
    place = found.group() if found else path
    return Finding("load", place, text.removeprefix(place).removeprefix(": "))


def _torture(path: Path, variable: str, report: AlgorithmReport) -> None:
    known = len(report.findings)
    ops = load_tables(path)[variable]
    for name, episode in EPISODES.items():
        _run(name, episode, ops, report)
        if any("--hook-timeout" in one.message for one in report.findings[known:]):
            return  # it would take as long in each
    if len(report.findings) > known:
        return  # what follows would fail for the same reasons
    _compare_lives(path, variable, report)
    compare_trains(load_tables(path)[variable], report)


def _run(
    name: str,
    episode: Callable[[Probe], TortureConnection | None],
    ops: TcpCongestionOps,
    report: AlgorithmReport,
) -> TortureConnection | None:
    """Let a freshly loaded table live through an episode; None if a rule was broken in it."""
    report.episodes += 1
    try:
        return episode(Probe(ops, report, name))
    except Broken:
        return None


def _compare_lives(path: Path, variable: str, report: AlgorithmReport) -> None:
    """Hold a connection's log against that of the same life again, and beside another one.

    Each time the file is loaded anew, so that only a clock, randomness of its own or state outside
    ``sk.ca`` can make a difference.
    """
    first, again, shared = (
        _run(name, episode, load_tables(path)[variable], report)
        for name, episode in (
            ("a life", alone),
            ("the same life again", alone),
            ("beside another connection", beside),
        )
    )
    if first is None or again is None or shared is None:
        return
    ops = load_tables(path)[variable]
    clock = "the same connection twice differs: it uses a clock or random numbers of its own"
    state = "a connection beside another differs from one alone: state outside sk.ca is shared"
    if not _differs(first, again, ops, report, "determinism", clock):
        _differs(first, shared, ops, report, "shared", state)


def _differs(
    one: TortureConnection,
    other: TortureConnection,
    ops: TcpCongestionOps,
    report: AlgorithmReport,
    rule: str,
    message: str,
) -> bool:
    rows = zip(one.sk.log, other.sk.log, strict=False)
    first = next((pair for pair in rows if pair[0] != pair[1]), None)
    if first is None:
        return False
    hook, t_us = first[0][:2]
    place = declared_at(ops)
    name = "a life"
    report.add(Finding(rule, place, message, ops.name, "", hook, name, t_us / 1e6))
    return True
