"""Hooks that hang in code which does not come back to Python, as an endless loop of C.

Nothing in the same process can end such a call. So a worker says now and then that it is back in
Python, and the process that waits for its answer counts the processor time between these signs.
Once that is what one call of a hook may take, and `faulthandler` twice finds the stack in the same
line of an algorithm file, the hook is named and the process ended. Linux only.
"""

from __future__ import annotations

import faulthandler
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ccsim.errors import AlgorithmError

__all__ = ["BEAT", "Pulse", "Watch", "can_watch"]

BEAT = b"b"
"""Begins the message of a worker that is back in Python, with the descriptor of its stack."""
BEAT_S = 0.02
"""The processor time between two of them."""
LOOKS = 8
"""How often a watch looks within the time that a hook has."""
DUMP_S = 2.0
"""How long a process may take to write its stack; it need not return to Python for that."""
FRAME = re.compile(rb'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
Place = tuple[str, int, str]  # file, line, hook


def can_watch() -> bool:
    """Report whether this platform lets one process watch another like that."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


class Pulse:
    """A worker's side: while it works on an answer, it says that it is back in Python."""

    def __init__(self, say: Callable[[bytes, int], None]) -> None:
        self._say = say
        self._working = False
        self._stack = os.memfd_create("stack")
        faulthandler.register(signal.SIGUSR1, file=self._stack, all_threads=False)
        signal.signal(signal.SIGVTALRM, self._beat)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Beat meanwhile, by processor time."""
        self._working = True
        self._say(BEAT, self._stack)
        signal.setitimer(signal.ITIMER_VIRTUAL, BEAT_S, BEAT_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._working = False  # a signal that has come is handled later, within an answer

    def _beat(self, number: int, frame: FrameType | None) -> None:
        if self._working:
            self._say(BEAT, self._stack)


class Watch:
    """The other side: looks on while a worker of process ``pid`` does not answer.

    ``files`` are the algorithm files that it executes, ``timeout_s`` what one call of a hook may
    take of the processor.
    """

    def __init__(self, pid: int, files: Sequence[str], timeout_s: float) -> None:
        self.pid = pid
        self.files: dict[bytes, str] = {}
        for file in files:
            self.mind(file)
        self.timeout_s = timeout_s
        self.since_s = computed_s(pid)
        self._stack: Path | None = None
        self._suspect: Place | None = None

    def mind(self, file: str) -> None:
        """Watch one more file."""
        self.files[os.fsencode(_as_dumped(file))] = file

    def heard(self, kind: bytes, number: int) -> None:
        """Take note of a message: the process is back in Python."""
        if kind == BEAT:
            self._stack = Path(f"/proc/{self.pid}/fd/{number}")
        self.since_s = computed_s(self.pid)
        self._suspect = None

    def wait(self, stream: int) -> None:
        """Return when there is something to read; AlgorithmError if a hook hangs meanwhile."""
        while not select.select([stream], [], [], min(self.timeout_s / LOOKS, 1.0))[0]:
            place = self._late_place()
            if place is not None and place == self._suspect:
                file, line, hook = place
                told = f"has not returned within {self.timeout_s:g} s of CPU (--hook-timeout)"
                raise AlgorithmError(f"{hook} {told}", file, line)
            if place is not None:  # unless it comes back soon
                self._suspect = place
                self.since_s += self.timeout_s / LOOKS

    def _late_place(self) -> Place | None:
        """Return where a process is that has computed for too long without a word."""
        if self._stack is None or computed_s(self.pid) - self.since_s < self.timeout_s:
            return None
        place = self._place(self._dumped(self._stack))
        if place is None:  # it is ccsim's own code, or a library's, that takes its time
            self.since_s = computed_s(self.pid)
        return place

    def _dumped(self, file: Path) -> bytes:
        """Let the process write its stack, and return it."""
        with suppress(OSError):
            before = file.stat().st_size
            os.kill(self.pid, signal.SIGUSR1)
            end = time.monotonic() + DUMP_S
            text = b""
            while time.monotonic() < end:
                time.sleep(0.01)
                more = file.read_bytes()[before:]
                if more and more == text:
                    return text
                text = more
        return b""

    def _place(self, stack: bytes) -> Place | None:
        """Return the line that is executed and the hook, the outermost function of that file."""
        frames = [frame for frame in FRAME.findall(stack) if frame[0] in self.files]
        if not frames:
            return None
        file, line, _ = frames[0]
        hook = next(frame[2] for frame in reversed(frames) if frame[0] == file)
        return self.files[file], int(line), hook.decode()


def computed_s(pid: int) -> float:
    """Return the processor time that a process has taken [s]; 0 if it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _as_dumped(file: str) -> str:
    """Return a path as `faulthandler` writes it: at most 500 characters, ASCII."""
    shown = file if len(file) <= 500 else file[:500]
    text = "".join(_escaped(character) for character in shown)
    return text if shown == file else text + "..."


def _escaped(character: str) -> str:
    code = ord(character)
    if 32 <= code <= 126:
        return character
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
