"""RED's average and verdict, which red and sfq share (Floyd and Jacobson 1993,
``include/net/red.h``).

An average of the backlog is kept scaled by 2^Wlog. Between two thresholds packets are chosen with a
probability that grows with the average and with the packets since the last one chosen, which spaces
them evenly; above the upper threshold all are.
"""

from __future__ import annotations

from ccsim.net.qdisc.base import U32
from ccsim.net.qdisc.draws import Draws

__all__ = ["DONT_MARK", "HARD_MARK", "PROB_MARK", "RedParms", "RedVars", "reciprocal"]

DONT_MARK, PROB_MARK, HARD_MARK = 0, 1, 2
ECN, HARDDROP, ADAPTIVE, NODROP = 1, 2, 4, 8  # flags
ONE_PERCENT = 42_949_673  # of 2^32, rounded
STAB_SIZE = 256


def reciprocal(divisor: int) -> tuple[int, int, int]:
    """Return the multiplier and the shifts by which Linux divides 32 bits
    (``reciprocal_value``)."""
    bits = ((divisor - 1) & U32).bit_length()
    multiplier = ((1 << 32) * ((1 << bits) - divisor) // divisor + 1) & U32
    return multiplier, min(bits, 1), max(bits - 1, 0)


class RedVars:
    """A queue's average, packets since the last one chosen, and the random number for the next."""

    __slots__ = ("qR", "qavg", "qcount")

    def __init__(self) -> None:
        self.qavg = 0
        self.qcount = -1
        self.qR = 0

    def restart(self) -> None:
        """Forget the average; the random number stays (``red_set_vars``)."""
        self.qavg = 0
        self.qcount = -1


class RedParms:
    """Thresholds and probabilities (``struct red_parms``)."""

    __slots__ = (
        *("Plog", "Scell_log", "Scell_max", "Wlog", "divisor", "max_P", "qth_delta", "qth_max"),
        *("qth_min", "stab", "target_max", "target_min"),
    )

    def __init__(
        self,
        low: int,
        high: int,
        wlog: int,
        plog: int,
        scell_log: int = 0,
        stab: tuple[int, ...] = (),
        max_p: int = 0,
    ) -> None:
        delta = high - low
        self.qth_min = low << wlog
        self.qth_max = high << wlog
        self.Wlog = wlog
        self.Plog = plog
        self.qth_delta = delta = delta if delta > 0 else 1
        self.max_P = max_p or (U32 >> plog) * delta & U32
        self.divisor = max(self.max_P // delta, 1)
        self.target_min = low + 2 * (delta // 5)
        self.target_max = low + 3 * (delta // 5)
        self.Scell_log = scell_log
        self.Scell_max = 255 << scell_log
        self.stab = stab

    def average_after(self, qavg: int, backlog: int) -> int:
        """Return the average with one more sample of the backlog."""
        return qavg + backlog - (qavg >> self.Wlog)

    def average_idle(self, qavg: int, idle_ns: int) -> int:
        """Return what is left of the average after idle time (``red_calc_qavg_from_idle_time``)."""
        us = min(idle_ns // 1000, self.Scell_max)
        shift = self.stab[us >> self.Scell_log & 255]
        if shift:
            return qavg >> shift
        decrease = qavg * us >> self.Scell_log
        return qavg - decrease if decrease < qavg >> 1 else qavg >> 1

    def judge(self, flow: RedVars, draws: Draws) -> int:
        """Return the verdict on an arriving packet (``red_action``)."""
        qavg = flow.qavg
        if qavg < self.qth_min:
            flow.qcount = -1
            return DONT_MARK
        if qavg >= self.qth_max:
            flow.qcount = -1
            return HARD_MARK
        flow.qcount += 1
        if flow.qcount:
            if (qavg - self.qth_min >> self.Wlog) * flow.qcount >= flow.qR:
                flow.qcount = 0
                flow.qR = draws.u32() // self.divisor
                return PROB_MARK
        else:
            flow.qR = draws.u32() // self.divisor
        return DONT_MARK

    def adapt(self, qavg: int) -> None:
        """Move max_P so that the average stays in the middle (``red_adaptative_algo``)."""
        average = qavg >> self.Wlog
        if average > self.target_max and self.max_P <= 50 * ONE_PERCENT:
            self.max_P += min(ONE_PERCENT, self.max_P // 4)
        elif average < self.target_min and self.max_P >= ONE_PERCENT:
            self.max_P = self.max_P // 10 * 9
        delta = self.qth_delta
        self.divisor = max((self.max_P + delta // 2 & U32) // delta, 1)
