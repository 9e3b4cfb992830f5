"""One run on the machine's kernel: three child processes, started together, and their reports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ccsim.errors import CcsimError
from ccsim.linux.host import describe_host, missing_for
from ccsim.linux.plan import make_plan, used_algorithms, why_not_on_linux
from ccsim.linux.result import to_result
from ccsim.sim.traces import SimResult

__all__ = ["DISTURBED_P99_US", "DISTURBED_STALL_US", "LinuxError", "Measured", "run_on_linux"]

ROLES = ("path", "senders", "receivers")
LEAD_NS = 20_000_000  # between the signal to start and the start
GRACE_S = 30  # for what the children have to do once the run is over
DISTURBED_P99_US = 1000.0
DISTURBED_STALL_US = 10_000.0


class LinuxError(CcsimError, OSError):
    """A run on a kernel that is not possible here, or that failed: what is missing, by name."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Measured:
    """A run on a kernel: its result as of a simulated one, and how well the machine kept time."""

    result: SimResult
    host: dict[str, Any]
    plan: dict[str, Any]
    reports: dict[str, dict[str, Any]]

    @property
    def lateness(self) -> dict[str, Any]:
        """How late the path delivered packets [us]: percentiles, stalls, and the verdict."""
        path = self.reports["path"]
        late = path["lateness_us"]
        disturbed = bool(late) and (
            late["p99"] > DISTURBED_P99_US or late["max"] > DISTURBED_STALL_US
        )
        return {**late, "stalls": len(path["stalls_us"]), "disturbed": disturbed}


def check_possible(scenario: Mapping[str, Any]) -> None:
    """Raise LinuxError that names all that a scenario asks for and this machine cannot do."""
    problems = why_not_on_linux(scenario) or missing_for(
        used_algorithms(scenario), bpf=bool(scenario["objects"])
    )
    if problems:
        raise LinuxError("\n".join(f"{scenario['name']}: on linux: {one}" for one in problems))


def run_on_linux(
    scenario: Mapping[str, Any], progress: Callable[[int], None] | None = None
) -> Measured:
    """Run a resolved scenario on this machine's kernel, in real time.

    ``progress`` is told the time that has passed [ns]. LinuxError if it is not possible here.
    Nothing of it stays, whatever is raised: namespaces and devices end with the processes.
    """
    check_possible(scenario)
    plan = make_plan(scenario)
    with _Children(plan) as children:
        children.await_ready()
        t0_ns = time.monotonic_ns() + LEAD_NS
        children.tell(str(t0_ns))
        _wait(t0_ns, plan["duration_ns"], children, progress)
        reports = children.reports()
    return Measured(to_result(scenario, plan, reports), describe_host(), plan, reports)


def _wait(
    t0_ns: int, duration_ns: int, children: _Children, progress: Callable[[int], None] | None
) -> None:
    """Wait for the run's end, or for the first child that ends before."""
    while (passed := time.monotonic_ns() - t0_ns) < duration_ns:
        if children.ended():
            return
        if progress is not None:
            progress(max(passed, 0))
        time.sleep(min(0.1, (duration_ns - passed) / 1e9))


class _Children:
    """The processes of a run, which are gone when the block ends."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> _Children:
        with ExitStack() as stack:
            ours = {role: socket.socketpair() for role in ("senders", "receivers")}
            for pair in ours.values():
                for end in pair:
                    stack.enter_context(end)
            descriptors = {role: [pair[0].fileno()] for role, pair in ours.items()}
            descriptors["path"] = [pair[1].fileno() for pair in ours.values()]
            try:
                for role in ROLES:
                    self.processes[role] = _start(role, descriptors[role])
                self.tell(json.dumps(self.plan))
            except BaseException:
                self.end()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End what still runs; the namespaces go with the last process in them."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def tell(self, line: str) -> None:
        """Send each of them a line."""
        for process in self.processes.values():
            assert process.stdin is not None
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            except BrokenPipeError:  # its last words say why
                continue

    def await_ready(self) -> None:
        """Wait until all have made what they need; LinuxError with the first one's reason."""
        for role in ("senders", "receivers", "path"):
            self._line(role)

    def ended(self) -> bool:
        """Report whether one of them is gone."""
        return any(process.poll() is not None for process in self.processes.values())

    def reports(self) -> dict[str, dict[str, Any]]:
        """Return what they observed."""
        return {role: self._line(role) for role in ROLES}

    def _line(self, role: str) -> dict[str, Any]:
        stream = self.processes[role].stdout
        assert stream is not None
        line = stream.readline()
        if not line:
            code = self.processes[role].wait(GRACE_S)
            raise LinuxError(f"on linux: the process of the {role} ended early, with {code}")
        value: dict[str, Any] = json.loads(line)
        if "error" in value:
            raise LinuxError(f"on linux: {value['error']}; `ccsim doctor` says what is missing")
        return value


def _start(role: str, descriptors: list[int]) -> subprocess.Popen[str]:
    """Start a child; what it says on standard error is the user's to see."""
    words = [sys.executable, "-m", "ccsim.linux.child", role, str(os.getpid())]
    return subprocess.Popen(
        [*words, *map(str, descriptors)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=descriptors,
        text=True,
        encoding="utf-8",
    )
