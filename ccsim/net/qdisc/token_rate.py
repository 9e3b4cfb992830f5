"""The time that a packet takes of a token bucket, as Linux computes it without dividing
(``psched_ratecfg_precompute``, ``psched_l2t_ns``)."""

from __future__ import annotations

from ccsim.net.qdisc.base import U32, U64
from ccsim.units import NS_PER_S

__all__ = ["ATM", "ETHERNET", "TokenRate", "multiplier"]

ETHERNET, ATM = 1, 2  # link layers
CELL_BYTES, CELL_PAYLOAD = 53, 48


def multiplier(rate: int) -> tuple[int, int]:
    """Return mult and shift: a unit takes mult / 2^shift ns at ``rate`` units a second; 0 at
    rate 0."""
    if rate == 0:
        return 0, 0
    factor, shift = NS_PER_S, 0
    while True:
        mult = factor // rate & U32
        if mult >> 31 or factor >> 63:
            return mult, shift
        factor <<= 1
        shift += 1


class TokenRate:
    """A rate [byte/s] with what every packet costs beside its bytes."""

    __slots__ = ("atm", "mpu", "mult", "overhead", "rate", "shift")

    def __init__(self, rate: int, overhead: int = 0, mpu: int = 0, *, atm: bool = False) -> None:
        self.rate = rate
        self.mult, self.shift = multiplier(rate)
        self.overhead = overhead
        self.mpu = mpu
        self.atm = atm

    def time(self, length: int) -> int:
        """Return how long a packet takes [ns]."""
        length += self.overhead
        if length < self.mpu:
            length = self.mpu
        if self.atm:
            length = -(-length // CELL_PAYLOAD) * CELL_BYTES
        return (length * self.mult & U64) >> self.shift
