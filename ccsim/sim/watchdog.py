"""A watchdog over hooks: a call that takes too much processor time is ended and named.

Nothing is called around a hook. A timer looks now and then at what the thread is executing: the
same frame of an algorithm file, look after look, is a hook that has not returned. Waiting costs no
processor time, so a debugger may stop in a hook. Code that does not come back to Python, as an
endless loop of C, is left to `ccsim.jobs.stuck`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ccsim.ending import exit_process
from ccsim.errors import HookTimeout
from ccsim.kernel.loader import is_loaded

__all__ = ["HOOK_TIMEOUT_S", "hooks_watched"]

HOOK_TIMEOUT_S = 10.0
LOOKS = 8
"""How often the watchdog looks within the time that a hook has."""
PATIENCE = 3
"""How often a hook may catch what ends it before the process ends."""


class _Watchdog:
    """Knows since when the outermost frame of an algorithm file is the same one."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.frame: FrameType | None = None
        self.since_s = 0.0
        self.caught = 0

    def look(self, frame: FrameType | None, cpu_s: float) -> bool:
        """Take note of what is being executed; report whether it has lasted too long."""
        hook = _outermost(frame)
        if hook is not self.frame:
            self.frame, self.since_s, self.caught = hook, cpu_s, 0
        late = cpu_s - self.since_s >= self.timeout_s * (1 - 1 / LOOKS)
        return hook is not None and late

    def error(self) -> HookTimeout:
        return HookTimeout(f"has not returned within {self.timeout_s:g} s of CPU (--hook-timeout)")


def _outermost(frame: FrameType | None) -> FrameType | None:
    """Return the outermost frame of an algorithm file."""
    found = None
    while frame is not None:
        if is_loaded(frame):
            found = frame
        frame = frame.f_back
    return found


@contextmanager
def hooks_watched(timeout_s: float | None) -> Iterator[None]:
    """Raise HookTimeout in a hook that this thread calls meanwhile and that takes too much time of
    the processor; None watches nothing.

    On the main thread a timer's signal does it, unless a profiler uses that; elsewhere a thread.
    """
    if timeout_s is None:
        yield
    elif threading.current_thread() is not threading.main_thread():
        with _by_a_thread(timeout_s):
            yield
    elif hasattr(signal, "setitimer") and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL:
        with _by_a_timer(timeout_s):
            yield
    else:
        yield


@contextmanager
def _by_a_timer(timeout_s: float) -> Iterator[None]:
    dog = _Watchdog(timeout_s)

    def look(number: int, frame: FrameType | None) -> None:
        if dog.look(frame, time.thread_time()):
            dog.caught += 1
            if dog.caught > PATIENCE:
                _give_up(dog)
            raise dog.error()

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, timeout_s / LOOKS, timeout_s / LOOKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)


def _give_up(dog: _Watchdog) -> None:
    """End the process, as the hook cannot be ended."""
    code = dog.frame and dog.frame.f_code
    place = f"{code.co_filename}: {code.co_name} " if code else ""
    os.write(2, f"{place}{dog.error()} and catches what ends it\n".encode(errors="replace"))
    exit_process(1)


@contextmanager
def _by_a_thread(timeout_s: float) -> Iterator[None]:
    import ctypes

    watched = threading.get_ident()
    clock = time.pthread_getcpuclockid(watched)
    over = threading.Event()
    dog = _Watchdog(timeout_s)
    told = str(dog.error())
    raised = type("HookTimeout", (HookTimeout,), {"__str__": lambda _: told})

    def watch() -> None:
        while not over.wait(timeout_s / LOOKS):
            late = dog.look(sys._current_frames().get(watched), time.clock_gettime(clock))
            if late:
                thread_id, kind = ctypes.c_ulong(watched), ctypes.py_object(raised)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, kind)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
