"""Other processes: whether they live, and how one ends with its parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from ccsim.ending import exit_process

__all__ = ["end_with", "is_alive"]

PR_SET_PDEATHSIG = 1
LOOK_S = 1.0


def is_alive(pid: int) -> bool:
    """Report whether a process runs; where that cannot be asked, say that it does."""
    if os.name != "posix":  # where signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def end_with(parent: int) -> None:
    """Let this process end when its parent does, whatever it is doing then.

    On Linux the kernel sees to that: the parent is then the thread that started this process.
    Elsewhere a thread looks every second, which code that never comes back to Python holds up.
    """
    if not _killed_by_the_kernel():
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it has ended meanwhile
        exit_process(1)


def _killed_by_the_kernel() -> bool:
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        return int(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))) == 0
    except (OSError, AttributeError):
        return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    exit_process(1)
