"""Simulations in other processes: one JSON line in, one packed result out, nothing unpickled.

A worker is a plain Python process that imports the simulator and no more. It is not made by
multiprocessing, which would run the caller's script again in each worker.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ccsim.ending import exit_process
from ccsim.errors import ResultsError
from ccsim.experiment.forked import Forked
from ccsim.experiment.processes import end_with
from ccsim.sim import patient_collector

if TYPE_CHECKING:  # whoever starts a worker first of all must not wait for NumPy
    from ccsim.sim.traces import SimResult
    from ccsim.spill import Spill

__all__ = ["Worker", "WorkerDied", "main", "serve"]

_CODE = "from ccsim.experiment.worker import main; main()"
_HEAD = struct.Struct("<cQ")  # kind, then the simulated time [ns] or the length of what follows
_PROGRESS = b"p"
_RESULT = b"r"
Progress = Callable[[int], None]


class WorkerDied(RuntimeError):
    """A worker process ended without a result: killed, or its simulation raised."""


class Worker:
    """A process that simulates resolved scenarios, one after the other.

    OSError if none can be started. It has its own process group, so that Ctrl-C reaches only the
    caller, who then ends it with `kill`. ``code`` is what it runs, by `serve`; ``keep_open`` are
    file descriptors that it inherits, ``environment`` what it has beside the caller's. With
    ``forked`` it is a fork of the caller that runs this, by `serve`.
    """

    def __init__(
        self,
        code: str = _CODE,
        keep_open: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        forked: Callable[[], object] | None = None,
    ) -> None:
        if forked is not None:
            self._process: subprocess.Popen[bytes] | Forked = Forked(forked)
            return
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
            process_group=0,
            pass_fds=tuple(keep_open),
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def simulate(
        self,
        resolved: Mapping[str, Any],
        progress: Progress,
        *,
        spill: Spill | None = None,
        **options: Any,
    ) -> SimResult:
        """Return the result of one simulation; WorkerDied if the process ends before.

        Where ``spill`` would put long traces the worker puts them; ``options`` are those of
        `ccsim.sim.simulate`.
        """
        from ccsim.experiment.handover import take_over

        place = [None, None] if spill is None else [str(spill.folder), spill.bound_bytes]
        request = {"scenario": resolved, "spill": place, **options}
        data = self.ask(request, progress)
        try:
            return take_over(data)
        except (ValueError, ResultsError) as error:
            raise WorkerDied(f"worker {self._process.pid}: {error}") from error

    def ask(self, request: Mapping[str, Any], progress: Progress) -> bytes:
        """Return the answer to one request; WorkerDied if the process ends before."""
        self.send(request)
        return self.receive(progress)

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for something; WorkerDied if the process has ended."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise self._died(error) from error

    def receive(self, progress: Progress) -> bytes:
        """Return the answer to what was asked; WorkerDied if the process ends before."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            while True:
                kind, number = _HEAD.unpack(_exactly(stdout, _HEAD.size))
                if kind == _RESULT:
                    return _exactly(stdout, number)
                progress(number)
        except (OSError, ValueError, EOFError) as error:
            raise self._died(error) from error

    def _died(self, error: Exception) -> WorkerDied:
        return WorkerDied(f"worker {self._process.pid}: {error or 'ended'}")

    def kill(self) -> None:
        """End the process and its children, whatever they do; whoever waits in `simulate` gets
        WorkerDied."""
        with suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for the end of a killed process and free what it held."""
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()


def main() -> None:
    """Simulate what standard input asks for until it ends or the parent does."""
    with patient_collector():
        import_module("ccsim.sim.world")
        serve(_simulated)


def _simulated(request: dict[str, Any], progress: Progress) -> bytes:
    from ccsim.experiment.handover import hand_over
    from ccsim.sim import simulate
    from ccsim.spill import Spill

    folder, bound_bytes = request.pop("spill")
    spill = Spill(folder and Path(folder), bound_bytes)
    return hand_over(simulate(**request, progress=progress, spill=spill), spill)


def serve(answer: Callable[[dict[str, Any], Progress], bytes]) -> None:
    """Answer each line of standard input until it ends or the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    end_with(parent)
    sys.excepthook = lambda *_: None  # the caller simulates again what failed and reports it
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an algorithm prints must not get between the replies

    def progress(t_ns: int) -> None:
        if os.getppid() != parent:
            exit_process(1)
        replies.write(_HEAD.pack(_PROGRESS, t_ns))
        replies.flush()

    for line in sys.stdin.buffer:
        data = answer(json.loads(line), progress)
        replies.write(_HEAD.pack(_RESULT, len(data)) + data)
        replies.flush()


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
