"""A Dask cluster of processes on this machine, which may be killed one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Cluster"]

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler and two workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard")
        end = time.monotonic() + 60
        while not self.written() and time.monotonic() < end:
            time.sleep(0.1)
        self.workers = [self.worker(), self.worker()]

    def written(self) -> bool:
        """Report whether the scheduler's file is there, and whole."""
        return self.file.exists() and self.file.read_text().rstrip().endswith("}")

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return str(json.loads(self.file.read_text())["address"])

    def start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a scheduler or worker in a session of its own."""
        arguments = [kind, "--host", "127.0.0.1", "--scheduler-file", str(self.file), *options]
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CCSIM_PURE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker with one thread."""
        options = ["--nworkers", "1", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
        return self.start("worker", *options)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one of the processes and its children."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Kill all of them."""
        for process in self.processes:
            self.kill(process)
