"""COBALT, CAKE's controller of one queue: CoDel that also counts down, and BLUE beside it
(``cobalt_*`` in ``net/sched/sch_cake.c``).

CoDel here marks or drops when ``drop_next`` comes while packets wait too long, and lowers its count
at the same times while they do not. BLUE raises a drop probability when the queue overflows and
lowers it when it runs empty.
"""

from __future__ import annotations

from ccsim.net.qdisc.base import U32, U64, Packet, scale, set_ce
from ccsim.net.qdisc.draws import Draws

__all__ = ["CobaltParms", "CobaltVars"]

P_INC = 1 << 24  # 1/256
P_DEC = 1 << 20  # 1/4096
INVERSE_ROOTS = (
    *(4294967295, 4294967295, 3037000500, 2479700525, 2147483647, 1920767767, 1753413056),
    *(1623345051, 1518500250, 1431655765, 1358187914, 1294981364, 1239850263, 1191209601),
    *(1147878294, 1108955788),
)
"""2^32 over the square root of the index."""


class CobaltParms:
    """Target, interval and the time of a full packet [ns]; each tin has its own."""

    __slots__ = ("interval", "mtu_time", "target")

    def __init__(self) -> None:
        self.target = 0
        self.interval = 0
        self.mtu_time = 0


class CobaltVars:
    """The state of one queue."""

    __slots__ = (
        *("blue_timer", "count", "drop_next", "dropping", "ecn_marked", "p_drop"),
        "rec_inv_sqrt",
    )

    def __init__(self) -> None:
        self.count = 0
        self.rec_inv_sqrt = 0
        self.drop_next = 0
        self.blue_timer = 0
        self.p_drop = 0
        self.dropping = False
        self.ecn_marked = False

    def _step(self, parms: CobaltParms) -> None:
        """Take the root of the new count, and move ``drop_next`` by the control law."""
        count = self.count
        if count < len(INVERSE_ROOTS):
            self.rec_inv_sqrt = INVERSE_ROOTS[count]
        else:
            inverse = self.rec_inv_sqrt
            square = inverse * inverse >> 32
            value = ((3 << 32) - count * square & U64) >> 2
            self.rec_inv_sqrt = (value * inverse & U64) >> 31 & U32
        self.drop_next += scale(parms.interval, self.rec_inv_sqrt)

    def queue_full(self, parms: CobaltParms, now: int) -> bool:
        """Note an overflow; True if BLUE begins to drop."""
        up = False
        if now - self.blue_timer > parms.target:
            up = self.p_drop == 0
            self.p_drop = min(self.p_drop + P_INC, U32)
            self.blue_timer = now
        self.dropping = True
        self.drop_next = now
        if not self.count:
            self.count = 1
        return up

    def queue_empty(self, parms: CobaltParms, now: int) -> bool:
        """Note an empty queue; True if BLUE stops dropping."""
        down = False
        if self.p_drop and now - self.blue_timer > parms.target:
            self.p_drop = max(self.p_drop - P_DEC, 0)
            self.blue_timer = now
            down = self.p_drop == 0
        self.dropping = False
        if self.count and now >= self.drop_next:
            self.count -= 1
            self._step(parms)
        return down

    def should_drop(
        self, parms: CobaltParms, now: int, packet: Packet, bulk_flows: int, draws: Draws
    ) -> bool:
        """Decide on a packet that is about to leave; ``ecn_marked`` says whether it was marked."""
        sojourn = now - packet.stamp
        mtu_time = parms.mtu_time
        over = sojourn > parms.target and sojourn > mtu_time * max(2 * bulk_flows, 4)
        due = self.count > 0 and now >= self.drop_next
        drop = self.ecn_marked = False
        if over:
            if not self.dropping:
                self.dropping = True
                self.drop_next = now + scale(parms.interval, self.rec_inv_sqrt)
            if not self.count:
                self.count = 1
        else:
            self.dropping = False
        ahead = now - self.drop_next
        if due and self.dropping:
            self.ecn_marked = set_ce(packet)
            drop = not self.ecn_marked
            self.count = min(self.count + 1, U32)
            self._step(parms)
            ahead = now - self.drop_next
        else:
            while due:
                self.count -= 1
                self._step(parms)
                ahead = now - self.drop_next
                due = self.count > 0 and ahead >= 0
        if self.p_drop and draws.u32() < self.p_drop:
            drop = True
        if not self.count:
            self.drop_next = now + parms.interval
        elif ahead > 0 and not drop:
            self.drop_next = now
        return drop
