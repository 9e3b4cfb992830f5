"""Waiting for packets and for instants on a machine that wakes a process late.

How late it wakes is measured all the time. The process asks to be woken that much earlier and
spends the rest looking for packets, so that it is ready at the instant itself; a packet that wakes
it is taken to have come that much earlier.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

__all__ = ["Waiter"]

SPIN_SHARE = 4  # at most one part in that many of all time is spent on looking
CREDIT_NS = 2_000_000  # and that much more at first
GREATEST_NS = 200_000  # what is later than this says nothing of how late the machine is as a rule
NAP_NS = 300_000
STEP = 16  # of what is observed, a sixteenth moves the estimate

Poll = Callable[[float], Sequence[int]]


class Waiter:
    """Waits for descriptors that can be read.

    ``late_ns`` is how late the machine wakes the process as a rule. Without ``prompt`` it does not
    look but sleeps: a process that others may push aside gains nothing by it.
    """

    def __init__(
        self,
        fds: Sequence[int],
        *,
        prompt: bool,
        clock: Callable[[], int] = time.monotonic_ns,
        poll: Poll | None = None,
    ) -> None:
        self.prompt = prompt
        self.late_ns = 0
        self._clock = clock
        self._poll = poll or (lambda timeout: select.select(fds, (), (), timeout)[0])
        self._began_ns = clock()
        self._spun_ns = 0

    def learn(self, until_ns: int) -> None:
        """Find out how late the machine wakes the process, by sleeping until about then."""
        while (now := self._clock()) < until_ns:
            self._poll(NAP_NS / 1e9)
            self._observe(self._clock() - now - NAP_NS)

    def wait(self, due_ns: int) -> tuple[Sequence[int], int]:
        """Wait until ``due_ns`` of the clock, or for packets; return which descriptors have some,
        and when the first of them came."""
        entered = self._clock()
        spins = self.prompt and self._spun_ns < (entered - self._began_ns) // SPIN_SHARE + CREDIT_NS
        sleep_ns = due_ns - entered - (self.late_ns if spins else 0)
        if sleep_ns > 0:
            ready = self._poll(sleep_ns / 1e9)
            woke = self._clock()
            if ready:
                return ready, max(entered, woke - self.late_ns)
            self._observe(woke - entered - sleep_ns)
        else:
            ready = self._poll(0)
            if ready:
                return ready, self._clock()
        return self._look(due_ns) if spins else ((), due_ns)

    def _look(self, due_ns: int) -> tuple[Sequence[int], int]:
        """Look for packets until the instant has come."""
        began = now = self._clock()
        ready: Sequence[int] = ()
        while now < due_ns and not ready:
            ready = self._poll(0)
            now = self._clock()
        self._spun_ns += now - began
        return ready, now

    def _observe(self, late_ns: int) -> None:
        late_ns = min(max(late_ns, 0), GREATEST_NS)
        self.late_ns += (late_ns - self.late_ns) // STEP
