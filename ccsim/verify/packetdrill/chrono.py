"""What a sender waits for: how long it is busy, held by the peer's window, held by its own buffer
(``tcp_chrono_start``)."""

from __future__ import annotations

__all__ = ["BUSY", "IDLE", "RWND_LIMITED", "SNDBUF_LIMITED", "Chrono"]

IDLE, BUSY, RWND_LIMITED, SNDBUF_LIMITED = range(4)


class Chrono:
    """A stopwatch for each state; one runs at a time."""

    def __init__(self) -> None:
        self.state = IDLE
        self._since_ns = 0
        self._sums_ns = [0, 0, 0, 0]

    def be(self, t_ns: int, state: int) -> None:
        """Note the state from ``t_ns`` on."""
        if state != self.state:
            self._sums_ns[self.state] += t_ns - self._since_ns
            self.state, self._since_ns = state, t_ns

    def total_us(self, t_ns: int, state: int) -> int:
        """Return how long it has been in a state, or, for BUSY, in any but IDLE [µs]."""
        sums = list(self._sums_ns)
        sums[self.state] += t_ns - self._since_ns
        return (sum(sums[BUSY:]) if state == BUSY else sums[state]) // 1_000
