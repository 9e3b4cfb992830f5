"""Runs that are killed at any instant: no process, device, namespace or registered name stays."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ccsim.linux.host import available_algorithms, missing_for
from ccsim.scenario import parse_scenario

OBJECTS = Path(__file__).resolve().parents[1] / "bpf" / "data" / "objects"
MISSING = missing_for(["reno"])
needs_kernel = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
TEXT = (
    "name: live\nduration: 60 s\npath: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}\n"
    "kernel: {default: reno}\nflows: [{name: a, congestion: reno}]\n"
)
KILLS = 20
LONGEST_S = 0.8  # before a kill: through start-up and into the run
SURELY_BEGUN = 4  # so many are left alone until they are under way, however busy the machine is
SECONDS_TO_GO = 20
STARTER = """
import json, os, signal, sys
from ccsim.linux import child
from ccsim.linux.run import run_on_linux
from ccsim.spec import Scenario
for line in sys.stdin:
    if not (pid := os.fork()):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setpgid(0, 0)
        try:
            run_on_linux(Scenario.from_resolved(json.loads(line)))
        finally:
            os._exit(1)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""
"""Starts runs from a process that has imported all, and says when each is gone."""


@contextmanager
def starter() -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", STARTER]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def scenario() -> str:
    """Return a scenario for a run; with an object where this user may load one."""
    text = TEXT
    if not missing_for(["reno"], bpf=True):
        text = text.replace("congestion: reno", "congestion: aimd")
        text += f"objects: ['{OBJECTS / 'aimd.bpf.o'}']\n"
    return json.dumps(parse_scenario(text, "live.yaml").resolved())


def processes_of(pids: set[int]) -> list[int]:
    """Return the processes that belong to runs: ``ccsim.linux.child`` with a run's number."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"ccsim.linux.child" in words and int(words[3]) in pids:
            found.append(int(path.parent.name))
    return found


def held_namespaces(pids: list[int]) -> set[str]:
    """Return the network namespaces of processes and of their open files."""
    found = set()
    for pid in pids:
        for path in [Path(f"/proc/{pid}/ns/net"), *Path(f"/proc/{pid}/fd").glob("*")]:
            try:
                target = os.readlink(path)
            except OSError:
                continue
            if target.startswith("net:"):
                found.add(target)
    return found


def wait_until_begun(pid: int, ours: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_GO
    while not held_namespaces(processes_of({pid})) - {ours} and time.monotonic() < deadline:
        time.sleep(0.02)


def wait_until_gone(pids: set[int]) -> list[int]:
    deadline = time.monotonic() + SECONDS_TO_GO
    while (left := processes_of(pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@needs_kernel
def test_nothing_stays_of_twenty_runs_that_are_killed_at_any_instant() -> None:
    draw = random.Random(20)
    ended: set[int] = set()
    seen: set[str] = set()
    resolved = scenario()
    ours = os.readlink("/proc/self/ns/net")
    with starter() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(KILLS):
            process.stdin.write(resolved + "\n")
            process.stdin.flush()
            pid = int(process.stdout.readline())
            time.sleep(draw.uniform(0, LONGEST_S))
            if number < SURELY_BEGUN:
                wait_until_begun(pid, ours)
            seen |= held_namespaces(processes_of({pid}))
            os.kill(pid, (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3])
            assert process.stdout.readline() == "gone\n"
            ended.add(pid)
        assert wait_until_gone(ended) == []
    assert seen - {ours}, "all of them were killed before they had begun"
    everybody = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    assert held_namespaces(everybody) & seen <= {ours}
    assert not any(word in Path("/proc/self/mountinfo").read_text() for word in seen - {ours})
    tokens = tuple(f"_{pid % 0x1000000:x}" for pid in ended)
    assert [name for name in available_algorithms() if name.endswith(tokens)] == []
    assert not Path("/sys/class/net/path0").exists()


@needs_kernel
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_command_leaves_no_process_and_no_run_when_it_is_killed(
    number: int, tmp_path: Path
) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(TEXT)
    words = [sys.executable, "-m", "ccsim", "run", str(file), "--on", "linux", "--no-plot"]
    process = subprocess.Popen([*words, "--out", str(tmp_path / "r")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(processes_of({process.pid})) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    assert len(processes_of({process.pid})) == 4
    os.kill(process.pid, number)
    process.wait(30)
    assert wait_until_gone({process.pid}) == []
    assert not list((tmp_path / "r").glob("live/[0-9a-f]*"))
