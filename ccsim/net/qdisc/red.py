"""RED: drop or mark on arrival by an average of the backlog (Floyd and Jacobson 1993, adaptive:
Floyd, Gummadi, Shenker 2001; ``net/sched/sch_red.c``, ``include/net/red.h``).

Below ``min`` all pass, above ``max`` none; between them a packet is chosen with a probability that
grows to ``probability``. Idle time ages the average as if small packets had come. Adaptive RED
moves the probability twice a second so that the average stays about in the middle. Behind the
verdict lies a FIFO of ``limit`` bytes.

===========  ===========  ==========  ====================================================
limit        bytes        (required)  how many bytes fit
min          bytes        max/3       average below which all pass
max          bytes        3*min       average from which none passes
avpkt        bytes        1000        the average packet
burst        packets      computed    packets at once that pass: (2*min + max)/(3*avpkt)
bandwidth    byte/s       1250000     the line's rate, for idle times
probability  probability  2 %         probability just below max
ecn          flag         0           mark instead of dropping
harddrop     flag         0           drop above max, even with ecn
adaptive     flag         0           adapt the probability
nodrop       flag         0           with ecn: pass what cannot be marked
===========  ===========  ==========  ====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ccsim.net.qdisc.base import (
    AQM,
    CONGESTION,
    DROPPED,
    NEVER,
    OVERFLOW,
    U32,
    OneQueue,
    Packet,
    instant_of_jiffies,
    jiffies,
    set_ce,
)
from ccsim.net.qdisc.parameters import Parameter, QdiscError
from ccsim.net.qdisc.red_tables import idle_table, slope, weight
from ccsim.net.qdisc.red_verdict import (
    ADAPTIVE,
    ECN,
    HARD_MARK,
    HARDDROP,
    NODROP,
    PROB_MARK,
    STAB_SIZE,
    RedParms,
    RedVars,
    reciprocal,
)

__all__ = ["Red"]

FLAGS = {"ecn": ECN, "harddrop": HARDDROP, "adaptive": ADAPTIVE, "nodrop": NODROP}
PROBABILITY = 85_899_346  # 2 % of 2^32


class Red(OneQueue):
    """A FIFO of bytes behind RED's verdict. `change` takes all parameters anew, as tc does."""

    __slots__ = (
        *("flags", "forced_drop", "forced_mark", "limit", "parms", "pdrop", "prob_drop"),
        *("prob_mark", "qidlestart", "room", "vars"),
    )

    kind: ClassVar = "red"
    summary: ClassVar = "RED: drops on arrival by an average of the backlog"
    OBSERVED: ClassVar = (
        *("qlen", "backlog", "limit", "flags", "qidlestart", "prob_drop", "prob_mark"),
        *("forced_drop", "forced_mark", "pdrop"),
    )
    OF_PARMS: ClassVar = (
        *("qth_min", "qth_max", "Wlog", "Plog", "Scell_log", "Scell_max", "max_P", "qth_delta"),
        *("target_min", "target_max"),
    )
    PARAMETERS: ClassVar = (
        Parameter("limit", "bytes", None, "how many bytes fit"),
        Parameter("min", "bytes", None, "average below which all pass", maximum=1 << 30),
        Parameter("max", "bytes", None, "average from which none passes", maximum=1 << 30),
        Parameter("avpkt", "bytes", 1000, "the average packet", minimum=1),
        Parameter("burst", "packets", None, "packets at once that pass", minimum=1),
        Parameter("bandwidth", "byte/s", 1_250_000, "the line's rate, for idle times", minimum=1),
        Parameter("probability", "probability", PROBABILITY, "probability just below max"),
        Parameter("ecn", "flag", 0, "mark instead of dropping"),
        Parameter("harddrop", "flag", 0, "drop above max, even with ecn"),
        Parameter("adaptive", "flag", 0, "adapt the probability"),
        Parameter("nodrop", "flag", 0, "with ecn: pass what cannot be marked"),
        Parameter("Wlog", "", None, "weight of the average", maximum=31, internal=True),
        Parameter("Plog", "", 0, "slope of the probability", maximum=31, internal=True),
        Parameter("Scell_log", "", None, "cell of the idle table", maximum=31, internal=True),
        Parameter(
            "stab",
            *("", None, "shifts by idle time"),
            maximum=63,
            length=(STAB_SIZE, STAB_SIZE),
            internal=True,
        ),
        Parameter("max_P", "", None, "probability at max, of 2^32", internal=True),
        Parameter("flags", "", None, "the four flags as bits", maximum=15, internal=True),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self.vars = RedVars()
        self.room = 0  # of the inner queue [bytes]; 0: there is none, and noop drops all
        self.prob_drop = self.prob_mark = self.forced_drop = self.forced_mark = self.pdrop = 0
        super().__init__(*args, **options)

    def _configure(self, values: Mapping[str, Any], now: int) -> None:
        given = kernel_values(self._complete(values))
        self.limit: int = given["limit"]
        self.flags: int = given["flags"]
        self.parms = RedParms(
            given["min"],
            given["max"],
            given["Wlog"],
            given["Plog"],
            given["Scell_log"],
            given["stab"],
            given["max_P"],
        )
        if self.limit:  # a limit of 0 leaves the inner queue as it is, or without one
            self.room = self.limit
            self.dropped.extend(self.queue)
            self.queue.clear()
            self.qlen = self.backlog = 0
        self.vars.restart()
        self.qidlestart = now
        self.tick_ns = self._next_tick(now)

    def _next_tick(self, now: int) -> int:
        if not self.flags & ADAPTIVE:
            return NEVER
        return instant_of_jiffies(jiffies(now, self.hz) + self.hz // 2, self.hz)

    def enqueue(self, packet: Packet, now: int) -> int:
        flow, parms = self.vars, self.parms
        if self.qidlestart == 0:
            flow.qavg = parms.average_after(flow.qavg, self.backlog)
        else:
            flow.qavg = parms.average_idle(flow.qavg, now - self.qidlestart)
            self.qidlestart = 0
        verdict = parms.judge(flow, self.draws)
        if verdict and self._drops(verdict, packet):
            self.dropped.append(packet)
            return CONGESTION
        if self.backlog + packet.len > self.room:
            self.pdrop += 1
            self.dropped.append(packet)
            return DROPPED if self.room else CONGESTION
        return self._append(packet)

    def reason(self, verdict: int) -> int:
        return OVERFLOW if verdict == DROPPED or not self.room else AQM

    def _drops(self, verdict: int, packet: Packet) -> bool:
        """Mark a packet that was chosen; report whether it has to be dropped instead."""
        hard = verdict == HARD_MARK
        if self.flags & ECN and not (hard and self.flags & HARDDROP):
            if set_ce(packet):
                if hard:
                    self.forced_mark += 1
                else:
                    self.prob_mark += 1
                return False
            if self.flags & NODROP:
                return False
        if verdict == PROB_MARK:
            self.prob_drop += 1
        else:
            self.forced_drop += 1
        return True

    def dequeue(self, now: int) -> Packet | None:
        if not self.queue:
            if self.qidlestart == 0:
                self.qidlestart = now
            return None
        return self._oldest()

    def tick(self, now: int) -> None:
        """Adapt the probability (``red_adaptative_timer``)."""
        qavg = self.vars.qavg
        if self.qidlestart:
            qavg = self.parms.average_idle(qavg, now - self.qidlestart)
        self.parms.adapt(qavg)
        self.tick_ns = self._next_tick(now)

    def observe(self) -> dict[str, int]:
        flow, parms = self.vars, self.parms
        m, sh1, sh2 = reciprocal(parms.divisor)
        return {
            **super().observe(),
            **{name: getattr(parms, name) for name in self.OF_PARMS},
            "recip_m": m,
            "recip_sh1": sh1,
            "recip_sh2": sh2,
            "qavg": flow.qavg,
            "qcount": flow.qcount,
            "qR": flow.qR,
        }


def kernel_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the kernel is given: thresholds, weight, slope, table of idle times, flags."""
    given = dict(values)
    if "limit" not in given:
        raise QdiscError("red: expected limit, the bytes that fit, got none")
    given.update(_thresholds(given))
    if "flags" not in given:
        given["flags"] = sum(bit for name, bit in FLAGS.items() if given[name])
    if given["flags"] & NODROP and not given["flags"] & ECN:
        raise QdiscError("red: nodrop: expected ecn beside it, got no ecn")
    low, high, avpkt = given["min"], given["max"], given["avpkt"]
    if "Wlog" not in given:
        burst = given.get("burst") or (2 * low + high) // (3 * avpkt)
        given["Wlog"] = weight("red", low, burst, avpkt)
        given["Plog"] = slope("red", low, high, given["probability"] / U32)
        given.setdefault("max_P", given["probability"])
    if "stab" not in given:
        table = idle_table(given["Wlog"], avpkt, given["bandwidth_Bps"])
        given["Scell_log"], given["stab"] = table
    given.setdefault("max_P", 0)
    given.setdefault("Scell_log", 0)
    return given


def _thresholds(given: Mapping[str, Any]) -> dict[str, int]:
    """Return the two thresholds; one that is missing follows from the other, or from the limit."""
    if "Wlog" in given and "min" in given and "max" in given:
        high = given["max"]  # as the kernel has them: 0 is 0
    else:
        high = given.get("max") or (3 * given["min"] if given.get("min") else given["limit"] // 4)
    low = given["min"] if "min" in given else high // 3
    if low > high:
        raise QdiscError(f"red: min: expected at most max, {high} bytes, got {low}")
    return {"min": low, "max": high}
