"""One run on the machine's kernel: three child processes, started together, and their reports."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from ccsim.errors import CcsimError
from ccsim.linux.child import ROLES
from ccsim.linux.host import describe_host, missing_for
from ccsim.linux.plan import make_plan, used_algorithms, why_not_on_linux
from ccsim.linux.result import to_result
from ccsim.sim.traces import SimResult
from ccsim.spec import Scenario

__all__ = [
    "DISTURBED_P99_US",
    "DISTURBED_STALL_US",
    "LinuxError",
    "Measured",
    "check_possible",
    "run_on_linux",
]

LEAD_NS = 20_000_000  # between the signal to start and the start
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


def check_possible(scenario: Scenario) -> None:
    """Raise LinuxError that names all that a scenario asks for and this machine cannot do."""
    problems = why_not_on_linux(scenario) or missing_for(
        used_algorithms(scenario), bpf=bool(scenario.objects)
    )
    if problems:
        raise LinuxError("\n".join(f"{scenario.name}: on linux: {one}" for one in problems))


def run_on_linux(scenario: Scenario, progress: Callable[[int], None] | None = None) -> Measured:
    """Run a scenario on this machine's kernel, in real time.

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
        self.host: subprocess.Popen[bytes]
        self.sockets: list[socket.socket] = []
        self.talks: dict[str, TextIO] = {}

    def __enter__(self) -> _Children:
        with ExitStack() as stack:
            theirs = []
            for role in ROLES:
                ours, other = socket.socketpair()
                self.sockets.append(ours)
                self.talks[role] = ours.makefile("rw", encoding="utf-8")
                theirs.append(stack.enter_context(other).fileno())
            self.host = _start(theirs)
        try:
            self.tell(json.dumps(self.plan))
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End what still runs, and wait for it; the namespaces go with the last process in them."""
        self.host.kill()
        self.host.wait()
        for sock, talk in zip(self.sockets, self.talks.values(), strict=True):
            with suppress(OSError):  # a process that is killed closes its socket by its end
                while sock.recv(1 << 16):
                    continue
            with suppress(OSError):  # what was not sent
                talk.close()
            sock.close()

    def tell(self, line: str) -> None:
        """Send each of them a line."""
        for talk in self.talks.values():
            with suppress(BrokenPipeError):  # its last words say why
                talk.write(line + "\n")
                talk.flush()

    def await_ready(self) -> None:
        """Wait until all have made what they need; LinuxError with the first one's reason."""
        for role in ("senders", "receivers", "path"):
            self._line(role)

    def ended(self) -> bool:
        """Report whether one of them is gone, or has said its last word."""
        return bool(select.select(self.sockets, (), (), 0)[0])

    def reports(self) -> dict[str, dict[str, Any]]:
        """Return what they observed."""
        return {role: self._line(role) for role in ROLES}

    def _line(self, role: str) -> dict[str, Any]:
        try:
            line = self.talks[role].readline()
        except ConnectionResetError:
            line = ""
        if not line:
            raise LinuxError(f"on linux: the process of the {role} ended early")
        value: dict[str, Any] = json.loads(line)
        if "error" in value:
            raise LinuxError(f"on linux: {value['error']}; `ccsim doctor` says what is missing")
        return value


def _start(descriptors: list[int]) -> subprocess.Popen[bytes]:
    """Start the processes; what they say on standard error is the user's to see."""
    words = [sys.executable, "-m", "ccsim.linux.child", str(os.getpid())]
    return subprocess.Popen(
        [*words, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=descriptors,
    )
