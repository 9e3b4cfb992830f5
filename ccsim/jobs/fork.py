"""A child process that has what this one has imported, where it can be had safely."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from ccsim.ending import exit_process

__all__ = ["Fork", "may_fork"]

_THREADS = Path("/proc/self/task")


def may_fork() -> bool:
    """Report whether this process has one thread, whatever started it: a fork copies no other, but
    the locks that they hold. False where that cannot be told, as anywhere but on Linux."""
    try:
        return sys.platform == "linux" and len(os.listdir(_THREADS)) == 1
    except OSError:
        return False


class Fork:
    """A child that runs ``main`` with pipes as standard input and output, as far as `Popen` goes.

    It has its own process group, and ends without whatever this process does at its end. OSError if
    there can be none.
    """

    def __init__(self, main: Callable[[], object]) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as where its descriptor was closed before Python began
                stream.flush()
        asked, ask = os.pipe()
        answers, answer = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            for end in (asked, ask, answers, answer):
                os.close(end)
            raise
        if self.pid == 0:
            _live(main, asked, answer, [ask, answers, *_ends()])
        os.close(asked)
        os.close(answer)
        with suppress(OSError):  # the child does it too, and one of them is first
            os.setpgid(self.pid, self.pid)
        self.stdin = os.fdopen(ask, "wb")
        self.stdout = os.fdopen(answers, "rb")
        self.returncode: int | None = None
        _CHILDREN.add(self)

    def poll(self) -> int | None:
        """Return the exit status (negative: of which signal it died); None while it lives."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        status = self._waited(0)
        assert status is not None
        return status

    def _waited(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # SIGCHLD is ignored, and the status lost: Popen's word is 0
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


_CHILDREN: WeakSet[Fork] = WeakSet()


def _ends() -> list[int]:
    """Return this process's ends of its children's pipes."""
    streams = (stream for child in _CHILDREN for stream in (child.stdin, child.stdout))
    return [stream.fileno() for stream in streams if not stream.closed]


def _live(main: Callable[[], object], stdin: int, stdout: int, others: list[int]) -> None:
    """Be the child: run ``main`` and end, whatever it raises.

    Were the parent's ends of pipes, its own and its siblings', left open here, then no child's
    standard input would end with the parent.
    """
    status = 1
    try:
        for end in others:
            os.close(end)
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for end, number in ((stdin, 0), (stdout, 1)):
            if end != number:  # as where standard input was closed
                os.dup2(end, number)
                os.close(end)
        sys.stdin = os.fdopen(0, closefd=False)
        main()
        status = 0
    finally:
        exit_process(status)
