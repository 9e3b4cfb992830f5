"""A worker process: one JSON line in, one answer in bytes out, nothing unpickled.

It is a plain Python process, or a fork of this one. It is not made by multiprocessing, which would
run the caller's script again in each worker.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from ccsim.compiled import some_imported
from ccsim.ending import exit_process
from ccsim.errors import AlgorithmError
from ccsim.jobs.fork import Fork, may_fork
from ccsim.jobs.processes import end_with
from ccsim.jobs.stuck import Pulse, Watch, can_watch

__all__ = ["Progress", "Worker", "WorkerDied", "exactly", "serve"]

_HEAD = struct.Struct("<cQ")  # kind, then the simulated time [ns] or the length of what follows
_PROGRESS = b"p"
_RESULT = b"r"
Progress = Callable[[int], None]


class WorkerDied(RuntimeError):
    """A worker process ended without a result: killed, or its work raised."""


class Worker:
    """A process that runs ``main``, a function of a module, which answers requests by `serve`.

    OSError if none can be started. It has its own process group, so that Ctrl-C reaches only the
    caller, who then ends it with `kill`. With ``fork`` it is a fork of the caller where that is
    safe, and need not import again. ``keep_open`` are file descriptors that it inherits. With
    ``pure`` it has no machine code.
    """

    def __init__(
        self,
        main: Callable[[], object],
        *,
        fork: bool = False,
        keep_open: Sequence[int] = (),
        pure: bool = False,
    ) -> None:
        self._process: subprocess.Popen[bytes] | Fork
        fork = fork and may_fork() and not (pure and some_imported())
        self._process = Fork(main) if fork else _spawned(main, keep_open, pure)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def requests(self) -> int:
        """The descriptor that it is asked by."""
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(
        self, request: Mapping[str, Any], progress: Progress, watch: Watch | None = None
    ) -> bytes:
        """Return the answer to one request; WorkerDied if the process ends before.

        With a ``watch`` a hook that hangs there ends the process: AlgorithmError.
        """
        self.send(request)
        return self.receive(progress, watch)

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for something; WorkerDied if the process has ended."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise self.died(error) from error

    def receive(self, progress: Progress, watch: Watch | None = None) -> bytes:
        """Return the answer to what was asked; WorkerDied if the process ends before."""
        assert self._process.stdout is not None
        try:
            stdout = self._process.stdout.fileno()
            while True:
                if watch is not None:
                    watch.wait(stdout)
                kind, number = _HEAD.unpack(exactly(stdout, _HEAD.size))
                if watch is not None:
                    watch.heard(kind, number)
                if kind == _RESULT:
                    return exactly(stdout, number)
                if kind == _PROGRESS:
                    progress(number)
        except AlgorithmError:
            self.kill()
            self._process.wait()
            raise
        except (OSError, ValueError, EOFError) as error:
            raise self.died(error) from error

    def died(self, error: Exception) -> WorkerDied:
        """Return the exception for an answer that did not come, or cannot be read."""
        return WorkerDied(f"worker {self._process.pid}: {error or 'ended'}")

    def kill(self) -> None:
        """End the process and its children, whatever they do; a caller that waits for an answer
        gets WorkerDied."""
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


def _spawned(
    main: Callable[[], object], keep_open: Sequence[int], pure: bool
) -> subprocess.Popen[bytes]:
    """Start a process that imports what this one could and runs ``main``; while it imports, too, it
    ends with this one."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    alone = f"from ccsim.jobs.processes import end_with; end_with({os.getpid()})"
    code = f"{alone}; from {main.__module__} import {main.__name__}; {main.__name__}()"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": paths}
        | ({"CCSIM_PURE": "1"} if pure else {}),
        process_group=0,
        pass_fds=tuple(keep_open),
    )


def serve(answer: Callable[[dict[str, Any], Progress], bytes], *, watched: bool = False) -> None:
    """Answer each line of standard input until it ends or the parent does.

    ``watched`` tells a `Watch` now and then that this process is not stuck.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    end_with(parent)
    sys.excepthook = lambda *_: None  # the caller does again what failed and reports it
    replies = os.dup(1)
    os.dup2(2, 1)  # what an algorithm prints must not get between the replies

    def say(kind: bytes, number: int) -> None:
        os.write(replies, _HEAD.pack(kind, number))  # so few bytes are written all or none

    def progress(t_ns: int) -> None:
        if os.getppid() != parent:
            exit_process(1)
        say(_PROGRESS, t_ns)

    pulse = Pulse(say) if watched and can_watch() else None
    for line in sys.stdin.buffer:
        with pulse.working() if pulse else nullcontext():
            data = answer(json.loads(line), progress)
        say(_RESULT, len(data))
        _write_all(replies, data)


def _write_all(stream: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(stream, rest) :]


def exactly(stream: int, size: int) -> bytes:
    """Read that many bytes; nothing is read ahead, so that one can wait for the rest."""
    parts, left = [], size
    while left:
        part = os.read(stream, min(left, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
