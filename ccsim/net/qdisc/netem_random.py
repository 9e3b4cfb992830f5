"""netem's random parts: correlated numbers, loss models, and delays from a table
(``net/sched/sch_netem.c``).

Loss is decided once a packet: at random, by the Gilbert-Elliott model, or by a Markov chain of four
states (Salsano and others, 2010). Correlation smooths the numbers that are compared, which makes
rare events rarer than stated.
"""

from __future__ import annotations

from ccsim.net.qdisc.base import U32, U64
from ccsim.net.qdisc.draws import Draws

__all__ = ["DIST_SCALE", "CorrelatedDraws", "LossModel", "delay_of"]

DIST_SCALE = 8192  # of a table: one standard deviation
RANDOM, FOUR_STATES, GILBERT_ELLIOTT = 0, 1, 2  # loss models
GOOD, BAD = 1, 2
TX_IN_GAP, TX_IN_BURST, LOST_IN_GAP, LOST_IN_BURST = 1, 2, 3, 4


class CorrelatedDraws:
    """Numbers of 32 bits of which each remembers the last (``struct crndstate``)."""

    __slots__ = ("last", "rho")

    def __init__(self) -> None:
        self.last = 0
        self.rho = 0

    def start(self, rho: int, draws: Draws) -> None:
        """Set the correlation and draw a first number."""
        self.rho = rho
        self.last = draws.u32()

    def draw(self, draws: Draws) -> int:
        """Return the next number (``get_crandom``)."""
        value = draws.u32()
        if self.rho == 0:
            return value
        rho = self.rho + 1
        self.last = (value * ((1 << 32) - rho) + self.last * rho & U64) >> 32
        return self.last


def delay_of(
    mu: int, sigma: int, correlated: CorrelatedDraws | None, table: tuple[int, ...], draws: Draws
) -> int:
    """Return a delay [ns]: ``mu`` with deviations of ``sigma``, uniform or by a table
    (``tabledist``)."""
    if sigma == 0:
        return mu
    value = correlated.draw(draws) if correlated is not None else draws.u32()
    if not table:
        return value % (2 * sigma & U32) + mu - sigma
    entry = table[value % len(table)]
    x = sigma % DIST_SCALE * entry
    x += DIST_SCALE // 2 if x >= 0 else -(DIST_SCALE // 2)
    rounded = x // DIST_SCALE if x >= 0 else -(-x // DIST_SCALE)
    return rounded + sigma // DIST_SCALE * entry + mu


class LossModel:
    """A Markov chain of losses: its kind, its state, and the five probabilities."""

    __slots__ = ("a1", "a2", "a3", "a4", "a5", "kind", "state")

    def __init__(self) -> None:
        self.kind = RANDOM
        self.state = 0
        self.a1 = self.a2 = self.a3 = self.a4 = self.a5 = 0

    def gemodel(self, p: int, r: int, h: int, k1: int) -> None:
        """Set Gilbert-Elliott: good to bad, bad to good, passing while bad, losing while good."""
        self.kind, self.state = GILBERT_ELLIOTT, GOOD
        self.a1, self.a2, self.a3, self.a4 = p, r, h, k1

    def gimodel(self, p13: int, p31: int, p32: int, p14: int, p23: int) -> None:
        """Set the chain of four states by its probabilities of change."""
        self.kind, self.state = FOUR_STATES, TX_IN_GAP
        self.a1, self.a2, self.a3, self.a4, self.a5 = p13, p31, p32, p14, p23

    def loses(self, draws: Draws) -> bool:
        """Decide on one packet."""
        if self.kind == GILBERT_ELLIOTT:
            return self._gilbert_elliott(draws)
        return self._four_states(draws.u32())

    def _gilbert_elliott(self, draws: Draws) -> bool:
        """Move, then lose by the state before (``loss_gilb_ell``)."""
        if self.state == GOOD:
            if draws.u32() < self.a1:
                self.state = BAD
            return draws.u32() < self.a4
        if draws.u32() < self.a2:
            self.state = GOOD
        return draws.u32() > self.a3

    def _four_states(self, value: int) -> bool:
        """Move; a state that one moves to is lost or not (``loss_4state``)."""
        state = self.state
        if state == TX_IN_GAP:
            if value < self.a4:
                self.state = LOST_IN_GAP
            elif value < (self.a1 + self.a4 & U32):
                self.state = LOST_IN_BURST
        elif state == TX_IN_BURST:
            if value < self.a5:
                self.state = LOST_IN_BURST
        elif state == LOST_IN_GAP:
            self.state = TX_IN_GAP
        elif value < self.a3:
            self.state = TX_IN_BURST
        elif value < (self.a2 + self.a3 & U32):
            self.state = TX_IN_GAP
        return self.state >= LOST_IN_GAP
