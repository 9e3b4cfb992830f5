"""An event loop of one thread on the monotonic clock: timers to the nanosecond, and descriptors."""

from __future__ import annotations

import ctypes
import heapq
import os
import select
import struct
import time
from collections.abc import Callable

__all__ = ["Loop"]

CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1
TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class Loop:
    """Calls what is due and what is ready; times are nanoseconds since ``t0_ns``.

    The kernel's epoll counts milliseconds; a timerfd among its descriptors wakes it between them.
    """

    def __init__(self, t0_ns: int) -> None:
        self.t0_ns = t0_ns
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int, int], None]] = {}
        self._timer = _libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._epoll.register(self._timer, select.EPOLLIN)

    def now(self) -> int:
        """Return the time [ns]."""
        return time.monotonic_ns() - self.t0_ns

    def at(self, t_ns: int, act: Callable[[int], None]) -> None:
        """Call ``act`` with its time when that has come; of one time, in the order asked for."""
        self._order += 1
        heapq.heappush(self._due, (t_ns, self._order, act))

    def watch(self, fd: int, events: int, act: Callable[[int, int], None]) -> None:
        """Call ``act`` with the time and the events that are ready at a descriptor, from now on."""
        known = fd in self._ready
        self._ready[fd] = act
        (self._epoll.modify if known else self._epoll.register)(fd, events)

    def forget(self, fd: int) -> None:
        """Watch a descriptor no longer."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def run(self, until_ns: int) -> None:
        """Go on until ``until_ns``."""
        while True:
            now = self.now()
            while self._due and self._due[0][0] <= now:
                t, _, act = heapq.heappop(self._due)
                act(t)
                now = self.now()
            if now >= until_ns:
                return
            self._sleep_until(min(self._due[0][0], until_ns) if self._due else until_ns)

    def _sleep_until(self, t_ns: int) -> None:
        seconds, ns = divmod(t_ns + self.t0_ns, 1_000_000_000)
        when = struct.pack("=qqqq", 0, 0, seconds, max(ns, 1))
        _libc.timerfd_settime(self._timer, TFD_TIMER_ABSTIME, when, None)
        for fd, events in self._epoll.poll():
            if fd == self._timer:
                try:
                    os.read(fd, 8)
                except BlockingIOError:  # set anew since
                    continue
            elif fd in self._ready:
                self._ready[fd](self.now(), events)
