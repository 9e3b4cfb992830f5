"""A process that looks on while this one executes algorithm files, and ends it where a hook hangs
in code that does not come back to Python: for a session, whose state no worker has. Linux only."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ccsim.errors import AlgorithmError
from ccsim.jobs.processes import end_with, is_alive
from ccsim.jobs.stuck import Pulse, Watch, can_watch
from ccsim.jobs.worker import Worker, exactly

__all__ = ["Onlooker", "serve_onlooker"]

_HEAD = struct.Struct("<cQ")  # kind, then a number; that of a file is the length of its name
_FILE = b"f"
_TIMEOUT = b"t"  # [ms]
_PATIENCE_S = 2.0


class Onlooker:
    """Minds the hooks of algorithm files. The process is there from the first file to `close`, to
    be called on the main thread, as `mind` is."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._worker: Worker | None = None
        self._looking = ExitStack()

    def mind(self, file: Path) -> Path:
        """Watch the hooks of one more file, which is returned."""
        if self._worker is None and can_watch():
            with suppress(OSError):
                self._begin()
        name = os.fsencode(file)
        self._say(_FILE, len(name), name)
        return file

    def close(self) -> None:
        """End the process."""
        self._looking.close()
        if self._worker is not None:
            self._worker.kill()
            self._worker.close()
            self._worker = None

    def _begin(self) -> None:
        self._worker = Worker(serve_onlooker, fork=True)
        self._say(_TIMEOUT, round(self._timeout_s * 1000))
        self._looking.enter_context(_ended_by_a_hangup())
        self._looking.callback(signal.signal, signal.SIGVTALRM, signal.SIG_DFL)
        self._looking.callback(faulthandler.unregister, signal.SIGUSR1)
        self._looking.enter_context(Pulse(self._say).working())

    def _say(self, kind: bytes, number: int, more: bytes = b"") -> None:
        if self._worker is not None:
            with suppress(OSError):  # it has ended and looks on no longer
                os.write(self._worker.requests, _HEAD.pack(kind, number) + more)


@contextmanager
def _ended_by_a_hangup() -> Iterator[None]:
    """Let SIGHUP, whose number is 1, end this process with status 1 even in the midst of C, where
    no handler of Python's is executed; unless it is ignored, as under nohup."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.signal(ctypes.c_int(signal.SIGHUP), libc._exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def serve_onlooker() -> None:
    """Look on while the parent lives and its hooks return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    end_with(parent)
    watch = Watch(parent, [], 10.0)
    try:
        while True:
            watch.wait(0)
            _hear(watch)
    except EOFError:
        return
    except AlgorithmError as error:
        print(error, file=sys.stderr, flush=True)
        _end(parent)


def _hear(watch: Watch) -> None:
    kind, number = _HEAD.unpack(exactly(0, _HEAD.size))
    if kind == _FILE:
        watch.mind(os.fsdecode(exactly(0, number)))
    elif kind == _TIMEOUT:
        watch.timeout_s = number / 1000
    else:
        watch.heard(kind, number)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGHUP)
    end = time.monotonic() + _PATIENCE_S
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
